"""What sqlite says of its disk, as an error of the system: no room, not allowed, a device fails."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# https://www.sqlite.org/rescode.html; an extended code is its primary code in the last byte
_CODES = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}
_DENIED = (errno.EROFS, errno.EACCES)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raises `OSError`, naming the database, where sqlite raises an error about its disk; others as
    they are."""
    try:
        yield
    except sqlite3.Error as error:
        code = _CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        if code is None:
            raise
        if code in _DENIED:
            _try(path)
        raise OSError(code, os.strerror(code), str(path)) from error


def _try(path: Path) -> None:
    """sqlite says only that it cannot: the system says why."""
    os.close(os.open(path.parent, os.O_RDONLY))
    if path.exists():
        os.close(os.open(path, os.O_RDWR))
