"""What must not leave the machine: access tokens, ways to reach a person, paths to an account.

Every module that prints asks this one. The search for secrets is loaded when it is first asked for:
that takes longer than all else that `hubtools --help` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from hubtools.addresses import local_paths, without_password
from hubtools.leaks.personal import contacts, may_hold_contacts


def tokens(text: str) -> Iterator[tuple[str, int]]:
    """(what it looks like, offset) of every secret in `text`."""
    from hubtools.leaks.text import secrets

    for secret in secrets(text):
        yield secret.what, secret.start


def hide(text: str) -> str:
    """`text` with every secret in it replaced by `***`: what may be printed."""
    if len(text) < 12:
        return text
    return _hidden_again(text) if len(text) <= _USUAL else _hidden(text)


def _hidden(text: str) -> str:
    from hubtools.leaks.keyfiles import is_beginning
    from hubtools.leaks.keys import without_keys
    from hubtools.leaks.text import secrets

    text = without_keys(text)
    for secret in secrets(text):
        if secret.value in text and not is_beginning(secret):
            text = text.replace(secret.value, "***")
        else:  # escaped, packed or in pieces: nobody knows where it ends
            text = text[: secret.start] + "***"
    return text


# What is said is said of many places, in the same words.
_USUAL = 1_000
_hidden_again = lru_cache(2_048)(_hidden)


def masked(text: str) -> str:
    """`text` with `***` for every token of a known form in it, and nothing else changed: it may be
    JSON or HTML, whose quotes and brackets must stay."""
    from hubtools.leaks.shapes import shaped

    for secret in shaped(text):
        if not re.search(r"[\\\"'<>\s{}]", secret.value):
            text = text.replace(secret.value, "***")
    return text


__all__ = [
    "contacts",
    "hide",
    "local_paths",
    "masked",
    "may_hold_contacts",
    "tokens",
    "without_password",
]
