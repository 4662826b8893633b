"""One server a folder: a lock the system lets go of when the process ends, however it ends."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path

from hubtools.causes import is_held, named, naming
from hubtools.errors import HubtoolsError


class RootLock:
    """Held from construction to `release`. Raises `HubtoolsError` if another process (or another
    server in this one) holds it."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = _opened(path)
        try:
            _lock(self._descriptor)
        except OSError as error:
            if not is_held(error):
                self.release()
                raise named(error, path) from None  # the file system knows no locks
            holder = _read(self._descriptor).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            self._descriptor = None
            raise HubtoolsError(
                f"Another embedded Hub{f' (process {holder})' if holder else ''} is using"
                f" {path.parent}.",
                hint="stop it, or give another folder with --root",
                code="busy",
            ) from None
        if not _OURS.fullmatch(_read(self._descriptor)):  # another name of somebody's file
            self.release()
            raise not_ours(path)
        with naming(path):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go. The file stays: deleting it would let two servers each lock one of their own."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_OURS = re.compile(rb"\d{0,20}\s{0,2}")
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, _FLAGS, 0o600)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise not_ours(path) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise not_ours(path)
    return descriptor


def _read(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 32)


def not_ours(path: Path) -> HubtoolsError:
    """The error for what lies where an embedded Hub keeps a file of its own."""
    return HubtoolsError(
        f"{path} is no file of an embedded Hub.",
        hint="look what it is, and move it away, or give another folder with --root",
        code="file-exists",
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond the text, which others may read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
