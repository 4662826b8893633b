"""What must not leave the machine: access tokens, and paths that name a person's account."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAMED = (
    r"(?i)\b(?:hub_token|wandb_api_key|api_key|secret_key|access_token)\b"
    r"[\"']?\s*[:=]\s*[\"']?(?!null|none|true|false)[A-Za-z0-9_-]{20,}"
)

# Well-known shapes of access tokens: each has a fixed prefix, so that ordinary words never match.
_TOKENS: tuple[tuple[str, str], ...] = (
    ("a Hugging Face token", r"\bhf_(?:jwt_)?[A-Za-z0-9._-]{30,}"),
    ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{50,}"),
    ("an AWS key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("an API key", r"\bsk-[A-Za-z0-9_-]{32,}"),
    ("a Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    ("a Google key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a private key", r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
    (
        "a key beside its name",
        _NAMED,
    ),
)
_TOKEN = [(what, re.compile(pattern)) for what, pattern in _TOKENS]
_HOME = re.compile(
    r"(?:/home/[\w.-]+|/Users/[\w.-]+|/root|/mnt/[a-z]|[A-Za-z]:\\Users\\[\w.-]+)[/\\][\w./\\-]+"
)


def tokens(text: str) -> Iterator[tuple[str, int]]:
    """(what it looks like, offset) of every access token in `text`."""
    for what, pattern in _TOKEN:
        for match in pattern.finditer(text):
            yield what, match.start()


def local_paths(text: str) -> Iterator[tuple[str, int]]:
    """(path, offset) of every absolute path into somebody's home in `text`."""
    for match in _HOME.finditer(text):
        yield match[0], match.start()
