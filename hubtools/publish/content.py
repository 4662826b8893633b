"""What a file holds, by hash, and whether it still is what was looked at.

A push sends what was checked. So each file is read once from a descriptor that no link leads to,
its hashes go into the plan, and whatever reads it afterwards (the rules by their own readers, the
sending) must find the same bytes, or nothing is sent.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from hubtools.errors import ChecksFailed
from hubtools.limits import TOO_LARGE_FILE
from hubtools.rooted import Root

_BLOCK = 1 << 20
# A file whose time of change lies closer to a look than this may change without a new one.
_TICK_NS = 2_000_000_000


class Content(NamedTuple):
    """The bytes of a file by their hashes: SHA-256, and git's SHA-1 of a blob."""

    bytes: int
    sha256: str
    sha1: str


def changed(path: Path) -> ChecksFailed:
    """The error for a file that is not what was checked any more."""
    return ChecksFailed(
        f"{path} changed after it was checked; it is not sent.",
        hint="see that nothing writes to it, and push again: it is then checked anew",
        code="file-changed",
    )


@contextmanager
def open_source(root: Root, source: Path) -> Iterator[BinaryIO]:
    """A file of a release, inside `root` or (where a link was resolved) elsewhere; no link is
    followed. Raises `LeadsOut` for a link and `OSError` for what is no file."""
    with opened_source(root, source) as file:
        yield file


def opened_source(root: Root, source: Path) -> BinaryIO:
    """As `open_source`, to be closed by whoever asks."""
    name = _name_in(root, source)
    if name is not None:
        return root.opened(name)
    with Root(source.parent) as elsewhere:
        return elsewhere.opened(source.name)


def _name_in(root: Root, source: Path) -> str | None:
    """The name of a file relative to the folder; None if it is elsewhere. Texts are compared where
    that is enough: of a hundred thousand files paths would take as long as reading them."""
    text, start = str(source), f"{root.path}{os.sep}"
    if text.startswith(start) and os.sep == "/":
        return text[len(start) :]
    if source.is_relative_to(root.path):
        return source.relative_to(root.path).as_posix()
    return None


def content_of(file: BinaryIO, path: Path) -> Content:
    """Read an open file from where it stands. Raises `ChecksFailed` if it grows or shrinks
    meanwhile."""
    size = os.fstat(file.fileno()).st_size
    sha256 = hashlib.sha256()
    sha1 = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    seen = 0
    while block := file.read(_BLOCK):
        seen += len(block)
        if seen > size:
            break
        sha256.update(block)
        sha1.update(block)
    if seen != size:
        raise changed(path)
    return Content(size, sha256.hexdigest(), sha1.hexdigest())


@dataclass(frozen=True)
class Look:
    """A file at the moment when it was hashed."""

    path: Path
    content: Content
    stamp: tuple[int, ...]
    at_ns: int

    @classmethod
    def at(cls, root: Root, path: Path) -> Look:
        """Open and hash a file. Raises `ChecksFailed` if it changes meanwhile or is larger
        than the Hub takes, `LeadsOut` for a link, `OSError` for what cannot be read."""
        begun = time.time_ns()
        with open_source(root, path) as file:
            facts = os.fstat(file.fileno())
            before = _stamp(facts)
            if facts.st_size > TOO_LARGE_FILE:  # hours of reading, for what the Hub refuses
                raise ChecksFailed(
                    f"{path} is larger than 500 GB, the most that the Hub takes.",
                    hint="split it, or move it out of the folder",
                )
            content = content_of(file, path)
            if _stamp(os.fstat(file.fileno())) != before:
                raise changed(path)
        return cls(path, content, before, begun)

    def open(self, root: Root) -> BinaryIO:
        """The file, to be read. Raises `ChecksFailed` if what is opened is not the file of the
        look: a folder on the way may have been exchanged, and be changed back before `check`."""
        file = opened_source(root, self.path)
        if _stamp(os.fstat(file.fileno())) != self.stamp:
            file.close()
            raise changed(self.path)
        return file

    def check(self, root: Root) -> None:
        """Raise `ChecksFailed` if the file may be another, or hold other bytes, than at the look.

        The system's time of change tells, which no program can set; where it is too young for
        that, the file is read again.
        """
        with open_source(root, self.path) as file:
            same = _stamp(os.fstat(file.fileno())) == self.stamp
            young = self.stamp[-1] > self.at_ns - _TICK_NS
            if same and young:
                same = content_of(file, self.path) == self.content
        if not same:
            raise changed(self.path)


def _stamp(facts: os.stat_result) -> tuple[int, ...]:
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
