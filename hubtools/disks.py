"""What not every file system can, and does without."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

_CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS)
_NO_MODES = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)


def sync_folder(folder: int | str) -> None:
    """fsync a folder, so that names in it survive a power cut, where its file system can (some of
    networks and of virtual machines answer EINVAL)."""
    try:
        os.fsync(folder)  # type: ignore[arg-type]
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def private_mode(descriptor: int) -> int | None:
    """The mode of a copy of an open file that its owner alone may read; None for any other file,
    whose copy has what the umask leaves."""
    is_private = os.name != "nt" and not os.fstat(descriptor).st_mode & 0o077
    return 0o600 if is_private else None


def is_private(path: Path) -> bool:
    """Whether a file that is there can be read by its owner alone, or a folder holds one that is
    not hidden."""
    if os.name == "nt":
        return False
    if not path.is_dir():
        return path.is_file() and not path.stat().st_mode & 0o077
    pending = [os.fspath(path)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as found:
            for one in found:
                if one.name.startswith("."):
                    continue
                if one.is_dir(follow_symlinks=False):
                    pending.append(one.path)
                elif one.is_file(follow_symlinks=False) and not one.stat().st_mode & 0o077:
                    return True
    return False


def set_mode(descriptor: int, mode: int) -> None:
    """Give an open file its mode, where the file system has modes (FAT and shared folders of a
    phone have none, and answer EPERM also to the owner)."""
    if os.name == "nt":
        return
    facts = os.fstat(descriptor)
    if stat.S_IMODE(facts.st_mode) == mode:
        return
    try:
        os.fchmod(descriptor, mode)
    except OSError as error:
        if error.errno not in _NO_MODES or facts.st_uid != os.geteuid():
            raise
