"""What reading a file's content finds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache


class Kind(StrEnum):
    """A secret, a path of this machine, something that could not be read to its end; and what a
    member of a file tells about people: a position, whose camera, who, notes beside pictures,
    columns with positions."""

    SECRET = "secret"
    PATH = "path"
    UNREAD = "unread"
    GPS = "gps"
    OWNER = "owner"
    PEOPLE = "people"
    BESIDE = "beside"
    PLACED = "placed"


@dataclass(frozen=True)
class Leak:
    """`place` is the file's name, with what lies in it behind `!/`: `data.zip!/notes.txt`; `what`
    completes "this looks like ..." (for a path, it is the path; for what was not read, why).
    `line` counts from 1, where there are lines. `inside`: in metadata or a member of the file.

    The secret itself is kept for its fingerprint only and never shown."""

    kind: Kind
    place: str
    what: str
    line: int | None = None
    inside: bool = False
    secret: str = field(default="", repr=False)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name the secret and do not tell it; the same wherever it lies."""
        return fingerprint(self.secret)


@lru_cache(maxsize=4096)
def fingerprint(secret: str) -> str:
    """Slow on purpose: a short password cannot be guessed from it at any speed."""
    data = " ".join(secret.split()).encode("utf-8", "surrogatepass")
    return hashlib.pbkdf2_hmac("sha256", data, b"hubtools.fingerprint", 20_000).hex()[:16]
