"""What must not leave the machine: access tokens, and paths that name a person's account."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Well-known shapes of access tokens: each has a fixed prefix, so that ordinary words never match.
# What it looks like, texts of which one must be there (found much faster), the pattern.
_TOKENS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("a Hugging Face token", ("hf_",), r"\bhf_(?:jwt_)?[A-Za-z0-9._-]{30,}"),
    (
        "a GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{50,}",
    ),
    ("an AWS key", ("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("an API key", ("sk-",), r"\bsk-[A-Za-z0-9_-]{32,}"),
    ("a Slack token", ("xox",), r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    ("a Google key", ("AIza",), r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a private key", ("-----BEGIN ",), r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----"),
)
_TOKEN = [(what, needles, re.compile(pattern)) for what, needles, pattern in _TOKENS]
_NAMES = ("hub_token", "wandb_api_key", "api_key", "secret_key", "access_token")
_NAMED = re.compile(
    rf"(?i)\b(?:{'|'.join(_NAMES)})\b"
    r"[\"']?\s*[:=]\s*[\"']?(?!null|none|true|false)[A-Za-z0-9_-]{20,}"
)
_HOME = re.compile(
    r"(?:/home/[\w.-]+|/Users/[\w.-]+|/root|/mnt/[a-z]|[A-Za-z]:\\Users\\[\w.-]+)[/\\][\w./\\-]+"
)


def tokens(text: str) -> Iterator[tuple[str, int]]:
    """(what it looks like, offset) of every access token in `text`."""
    for what, needles, pattern in _TOKEN:
        if any(needle in text for needle in needles):
            for match in pattern.finditer(text):
                yield what, match.start()
    lower = text.lower()
    if any(name in lower for name in _NAMES):
        for match in _NAMED.finditer(text):
            yield "a key beside its name", match.start()


def local_paths(text: str) -> Iterator[tuple[str, int]]:
    """(path, offset) of every absolute path into somebody's home in `text`."""
    for match in _HOME.finditer(text):
        yield match[0], match.start()
