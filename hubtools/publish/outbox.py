"""What is handed to the Hub's client: bytes that nobody can change any more.

Small files are held in memory, larger ones as copies in the folder's `.hubtools/sending` (their
blocks are shared where the file system can), each made from a descriptor and hashed while it is
made. Where there is no room for copies, the open file itself is sent, and the client hashes it
first. Whatever has another hash than the plan says is not sent.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, BinaryIO

from hubtools.layout import WORK_DIR
from hubtools.publish.content import changed, open_source
from hubtools.publish.plan import PlannedFile
from hubtools.rooted import Root

_SENDING = f"{WORK_DIR}/sending"
_SMALL = 4_000_000  # bytes of a file that is held in memory
_MEMORY = 64_000_000  # bytes held in memory at once
_BLOCK = 1 << 20


@contextmanager
def operations(root: Root, files: Sequence[PlannedFile]) -> Iterator[list[Any]]:
    """The client's operations for these files. Raises `ChecksFailed` for a file that is not what
    the plan says, `LeadsOut` for one that has become a link."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    sweep(root)
    folder = f"{_SENDING}/{os.getpid()}-{secrets.token_hex(4)}"
    free = shutil.disk_usage(root.path).free
    memory = 0
    found: list[Any] = []
    with ExitStack() as stack:
        stack.callback(_remove, root, folder)
        for number, file in enumerate(files):
            if file.source is None:
                found.append(CommitOperationDelete(path_in_repo=file.name, is_folder=False))
                continue
            payload: bytes | str | io.BufferedReader
            if file.bytes <= _SMALL and memory + file.bytes <= _MEMORY:
                payload = _bytes(root, file)
                memory += file.bytes
            elif file.bytes * 2 < free:
                payload = _copy(root, file, f"{folder}/{number:04d}{file.source.suffix[:16]}")
                free -= file.bytes
            else:
                opened = stack.enter_context(open_source(root, file.source))
                payload = io.BufferedReader(_Steady(opened, file.bytes))
            add = CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=payload)
            assert file.content is not None
            # of a copy it was compared when it was made
            if not isinstance(payload, str) and add.upload_info.sha256.hex() != file.content.sha256:
                raise changed(file.source)
            found.append(add)
        yield found


def _bytes(root: Root, file: PlannedFile) -> bytes:
    assert file.source is not None
    with open_source(root, file.source) as source:
        return source.read(file.bytes + 1)


def _copy(root: Root, file: PlannedFile, target: str) -> str:
    assert file.source is not None
    assert file.content is not None
    with open_source(root, file.source) as source:
        if os.fstat(source.fileno()).st_size != file.bytes:
            raise changed(file.source)
        if file.source.is_relative_to(root.path):
            digest = root.copy(file.source.relative_to(root.path).as_posix(), target)
        else:
            with root.replacing(target, mode=0o600) as copy:
                digest = _poured(source, copy, file.bytes)
    if digest != file.content.sha256:
        raise changed(file.source)
    return str(root.path / target)


def _poured(source: BinaryIO, copy: BinaryIO, size: int) -> str:
    digest = hashlib.sha256()
    while (block := source.read(_BLOCK)) and copy.tell() <= size:
        digest.update(block)
        copy.write(block)
    return digest.hexdigest()


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


def _remove(root: Root, folder: str) -> None:
    root.remove_tree(folder)
    if root.is_folder(_SENDING):
        root.rmdir(_SENDING)


def sweep(root: Root) -> None:
    """Remove the copies of pushes that were killed."""
    for name in root.list(_SENDING):
        pid, _, rest = name.partition("-")
        if rest and pid.isdecimal() and not _alive(int(pid)):
            root.remove_tree(f"{_SENDING}/{name}")


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
