"""The calls of the system that the operations on a folder are made of."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hubtools.disks import sync_folder

FLOCK = os.name != "nt"
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | NOFOLLOW | getattr(os, "O_CLOEXEC", 0)
READ = (
    os.O_RDONLY
    | NOFOLLOW
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
WRITE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | NOFOLLOW
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
BLOCK = 1 << 20
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_FICLONE = 0x40049409  # ioctl of Linux: share the blocks of a file, copied when one is written


def is_link(name: str, folder: int) -> bool:
    """True for a symbolic link in an open folder."""
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def sync(at: dict[str, Any]) -> None:
    """fsync the folder."""
    if at:
        sync_folder(at["dir_fd"])


def clone(source: int, target: int) -> bool:
    """Share the blocks of a file with an empty one; False where the file system cannot."""
    try:
        import fcntl

        fcntl.ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True


def carry_attributes(source: int, target: int) -> None:
    """Give an open file what another one has beside its bytes: extended attributes of the user's
    (tags, comments) and its access list. What the file system does not take is left out."""
    if not hasattr(os, "listxattr"):  # Linux only
        return
    try:
        names = os.listxattr(source)
    except OSError:
        return
    for name in names:
        if name.startswith("user.") or name == "system.posix_acl_access":
            with suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))


@contextmanager
def flocked(descriptor: int, path: str | os.PathLike[str]) -> Iterator[bool]:
    """Lock an open file, which errors call `path`; False if another process has it. It ends with
    the descriptor. A file system without locks is ENOLCK."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held = False
    except OSError as error:
        code = errno.ENOLCK if error.errno in _NO_LOCKS else error.errno or 0
        raise OSError(code, os.strerror(code), os.fspath(path)) from None
    else:
        held = True
    yield held
