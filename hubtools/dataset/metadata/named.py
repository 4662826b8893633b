"""The pictures that records name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from hubtools.patterns import regex

FILE_NAME = "file_name"  # the key that loaders look for

# What only a name may hold that does not mean what it says; line ends stand around each name.
_ODD = ("\\", "//", "/.", ":", "\n.", "\n/", "/\n")
_ANY_ODD = regex("|".join(map(re.escape, _ODD)))
BLOCK = 4096  # names looked at together


def resolved(folder: str, value: Any) -> str | None:
    """The picture that `value`, the `file_name` of a record in `folder`, names: relative to the
    dataset folder, with `/`. None if it names none."""
    if not isinstance(value, str) or not value.strip():
        return None
    if _ANY_ODD.search(f"\n{value}\n") is None:
        return f"{folder}/{value}" if folder else value
    joined = os.path.normpath(os.path.join(folder, value.replace("\\", "/")))
    return joined.replace(os.sep, "/")


def all_resolved(folder: str, values: Sequence[Any]) -> Iterator[str | None]:
    """`resolved` of each. Nearly all names need no tidying, and there may be a million: one look
    at some thousand of them together spares one at each."""
    pending = iter(values)
    while block := list(islice(pending, BLOCK)):
        if not all_tidy(block):
            yield from (resolved(folder, value) for value in block)
        elif folder:
            yield from (f"{folder}/{value}" for value in block)
        else:
            yield from block


def all_tidy(values: Sequence[Any]) -> bool:
    """True if all are names that mean what they say."""
    try:
        joined = "\n".join(values)
    except TypeError:  # one is no text
        return False
    lines = f"\n{joined}\n"
    return (
        all(values)
        and not any(map(str.isspace, values))
        and lines.count("\n") == len(values) + 1
        and not any(odd in lines for odd in _ODD)
    )
