"""One server a folder: a lock the system lets go of when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hubtools.causes import is_held, named, naming
from hubtools.errors import HubtoolsError


class RootLock:
    """Held from construction to `release`. Raises `HubtoolsError` if another process (or another
    server in this one) holds it."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError as error:
            if not is_held(error):
                self.release()
                raise named(error, path) from None  # the file system knows no locks
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            self._descriptor = None
            raise HubtoolsError(
                f"Another embedded Hub{f' (process {holder})' if holder else ''} is using"
                f" {path.parent}.",
                hint="stop it, or give another folder with --root",
                code="busy",
            ) from None
        with naming(path):
            os.ftruncate(self._descriptor, 0)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let go. The file stays: deleting it would let two servers each lock one of their own."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


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
