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
SMALL = 1 << 20  # bytes of a file that is read at once
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
    return os.fdopen(_descriptor(root, source)[0], "rb")


def _descriptor(root: Root, source: Path) -> tuple[int, os.stat_result]:
    name = _name_in(root, source)
    if name is not None:
        return root.descriptor(name)
    with Root(source.parent) as elsewhere:
        return elsewhere.descriptor(source.name)


def _stamp_at(root: Root, source: Path) -> tuple[int, ...]:
    """The stamp of what stands there now, which is not opened; () for nothing."""
    name = _name_in(root, source)
    if name is not None:
        facts = root.stat(name)
    else:
        with Root(source.parent) as elsewhere:
            facts = elsewhere.stat(source.name)
    return () if facts is None else _stamp(facts)


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


def content_in(data: bytes) -> Content:
    """The same of bytes that are held."""
    sha1 = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False)
    return Content(len(data), hashlib.sha256(data).hexdigest(), sha1.hexdigest())


def _all_of(descriptor: int, size: int) -> bytes:
    """What is left of an open file, up to one byte more than `size`."""
    data = os.read(descriptor, size + 1)
    while len(data) <= size and (more := os.read(descriptor, size + 1 - len(data))):
        data += more
    return data


@dataclass(frozen=True)
class HashedFile:
    """A file at the moment when it was hashed."""

    path: Path
    content: Content
    stamp: tuple[int, ...]
    at_ns: int

    @classmethod
    def at(cls, root: Root, path: Path) -> tuple[HashedFile, bytes | None]:
        """Open and hash a file; with the bytes that were hashed, None if they are more than
        `SMALL`. Raises `ChecksFailed` if it changes meanwhile or is larger than the Hub takes,
        `LeadsOut` for a link, `OSError` for what cannot be read."""
        begun = time.time_ns()
        descriptor, facts = _descriptor(root, path)
        try:
            before, data = _stamp(facts), None
            if facts.st_size > TOO_LARGE_FILE:  # hours of reading, for what the Hub refuses
                raise ChecksFailed(
                    f"{path} is larger than 500 GB, the most that the Hub takes.",
                    hint="split it, or move it out of the folder",
                )
            if facts.st_size <= SMALL:
                data = _all_of(descriptor, facts.st_size)
                if len(data) != facts.st_size:
                    raise changed(path)
                content = content_in(data)
            else:
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    content = content_of(file, path)
            if _stamp(os.fstat(descriptor)) != before:
                raise changed(path)
        finally:
            os.close(descriptor)
        return cls(path, content, before, begun), data

    def open(self, root: Root) -> BinaryIO:
        """The file, to be read. Raises `ChecksFailed` if what is opened is not the file that was
        hashed: a folder on the way may have been exchanged, and be changed back before `check`."""
        file = opened_source(root, self.path)
        if _stamp(os.fstat(file.fileno())) != self.stamp:
            file.close()
            raise changed(self.path)
        return file

    def check(self, root: Root) -> None:
        """Raise `ChecksFailed` if the file may be another, or hold other bytes, than when
        it was hashed.

        The system's time of change tells, which no program can set; where it is too young for
        that, the file is read again.
        """
        if self.stamp[-1] <= self.at_ns - _TICK_NS and _stamp_at(root, self.path) == self.stamp:
            return
        with open_source(root, self.path) as file:
            same = _stamp(os.fstat(file.fileno())) == self.stamp
            young = self.stamp[-1] > self.at_ns - _TICK_NS
            if same and young:
                same = content_of(file, self.path) == self.content
        if not same:
            raise changed(self.path)


def _stamp(facts: os.stat_result) -> tuple[int, ...]:
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
