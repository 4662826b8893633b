"""What lies within a container, and how much of it may be unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO

# What one file may unpack to: so many bytes, and so many times its own.
_FREE, _TIMES = 256 << 20, 40


# How it is told that nothing was read, whatever the bytes are.
CLOSED = ("cannot be opened here", "and cannot be looked into")


class NotOpened(Exception):
    """Why something was not read, or not to its end: words that complete a sentence."""


class Budget:
    """How much may still be unpacked from one file, on all levels together."""

    def __init__(self, size: int) -> None:
        self.most = _FREE + _TIMES * max(size, 0)
        self.left = self.most

    def take(self, count: int) -> None:
        """Raises `NotOpened` when it is used up."""
        self.left -= count
        if self.left < 0:
            raise NotOpened(f"it unpacks to more than {self.most >> 20} MB, and was read so far")


@dataclass
class Member:
    """Something within a container: a file, or rows of `texts` (number from 1, or 0 for
    one of no row, and text), or a
    `problem` that kept it from being opened; `places`: columns that may be positions, as JSON."""

    name: str
    file: IO[bytes] | None = None
    problem: str = ""
    texts: list[tuple[int, str]] | None = None
    places: str = ""
