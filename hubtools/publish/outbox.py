"""What is handed to the Hub's client: bytes that nobody can change any more.

Small files are held in memory, larger ones as copies in a folder of this user alone, below the
cache and never below the dataset, which others may be able to write to (blocks are shared where
the file system can). Where there is no room for copies, the open file itself is sent. The client
hashes whatever it is given before it sends that: what has another hash than the plan says is not
sent.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.errors import HubtoolsError
from hubtools.hub.commit import addition, deletion
from hubtools.layout import cache_dir
from hubtools.publish.content import changed, open_source
from hubtools.publish.plan import PlannedFile
from hubtools.rooted import Root, clone

_SENDING = "sending"  # in the cache folder
_SMALL = 4_000_000  # bytes of a file that is held in memory
_MEMORY = 64_000_000  # bytes held in memory at once
_BLOCK = 1 << 20
_COPIES = re.compile(r"hubtools-(?P<node>[0-9a-f]{8})-(?P<pid>[0-9]{1,10})-[a-z0-9_]{8}")
_WEEK = 604_800.0  # seconds


@contextmanager
def operations(root: Root, files: Sequence[PlannedFile]) -> Iterator[list[Any]]:
    """The client's operations for these files. Raises `ChecksFailed` for a file that is not what
    the plan says, `LeadsOut` for one that has become a link."""
    memory = 0
    found: list[Any] = []
    with ExitStack() as stack:
        folder = _own_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        free = shutil.disk_usage(folder).free
        for number, file in enumerate(files):
            if file.source is None:
                found.append(deletion(file.name))
                continue
            payload: bytes | str | io.BufferedReader
            if file.bytes <= _SMALL and memory + file.bytes <= _MEMORY:
                payload = _bytes(root, file)
                memory += file.bytes
            elif file.bytes * 2 < free:
                payload = _copy(root, file, folder / f"{number:04d}{file.source.suffix[:16]}")
                free -= file.bytes
            else:
                opened = stack.enter_context(open_source(root, file.source))
                payload = io.BufferedReader(_Steady(opened, file.bytes))
            add, sha256 = addition(file.name, payload)
            assert file.content is not None
            if sha256 != file.content.sha256:
                raise changed(file.source)
            found.append(add)
        yield found


def _bytes(root: Root, file: PlannedFile) -> bytes:
    assert file.source is not None
    with open_source(root, file.source) as source:
        return source.read(file.bytes + 1)


def _copy(root: Root, file: PlannedFile, target: Path) -> str:
    assert file.source is not None
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with (
        open_source(root, file.source) as source,
        os.fdopen(os.open(target, flags, 0o600), "r+b") as copy,
    ):
        if os.fstat(source.fileno()).st_size != file.bytes:
            raise changed(file.source)
        if not clone(source.fileno(), copy.fileno()):
            left = file.bytes
            while left and (block := source.read(min(left, _BLOCK))):
                copy.write(block)
                left -= len(block)
    return str(target)


class _Steady(io.RawIOBase):
    """An open file that ends where it ended when it was checked."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            offset, whence = self._size + offset, os.SEEK_SET
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        block = self._file.read(min(len(buffer), max(0, self._size - self._file.tell())))
        buffer[: len(block)] = block
        return len(block)


def _own_folder() -> Path:
    """A new folder that only this user can write to. Raises `HubtoolsError` if the one that it
    would lie in is somebody else's."""
    parent = cache_dir() / _SENDING
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = parent.lstat()
    foreign = os.name != "nt" and (facts.st_uid != os.geteuid() or facts.st_mode & 0o022)
    if not stat.S_ISDIR(facts.st_mode) or foreign:
        raise HubtoolsError(
            f"{parent} is not a folder that only you can write to.",
            hint="remove it, or give another cache folder (HUBTOOLS_CACHE)",
            code="permission-denied",
        )
    sweep(parent)
    return Path(tempfile.mkdtemp(prefix=f"hubtools-{_node()}-{os.getpid()}-", dir=parent))


def sweep(parent: Path) -> None:
    """Remove the copies of pushes that were killed: on this machine, of a process that is no more;
    on others that share the folder, after a week. What a person has there has another name."""
    for entry in parent.iterdir():
        found = _COPIES.fullmatch(entry.name)
        if found is None:
            continue
        with suppress(FileNotFoundError):
            is_old = time.time() - entry.lstat().st_mtime > _WEEK
            if is_old if found["node"] != _node() else not _alive(int(found["pid"])):
                shutil.rmtree(entry, ignore_errors=True)


def _node() -> str:
    """What tells this machine from others."""
    return hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _alive(pid: int) -> bool:
    if os.name == "nt" or pid <= 0:
        return True  # cannot be told
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
