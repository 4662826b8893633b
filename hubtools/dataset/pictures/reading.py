"""Reading picture files from a disk that may hold anything."""

from __future__ import annotations

import os
import stat

from hubtools.causes import is_out_of_reach
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.fences import open_kept
from hubtools.files import StrPath, open_regular
from hubtools.limits import PICTURE

# A picture file beyond this is a mistake, and would be held in memory whole.
MAX_BYTES = PICTURE


# How it is told that a disk, and not what is in the file, is the trouble.
UNREAD = "it cannot be read: "


class Unreadable(Exception):
    """The file cannot be read; `facts` say why, with an empty name."""

    def __init__(self, size: int, problem: str) -> None:
        super().__init__(problem)
        self.facts = PictureFacts("", size, "", problem=problem)


def read_picture(path: str | bytes) -> bytes:
    """All bytes of a regular file; bytes are given back as they are. Raises `Unreadable`; never
    waits for a pipe or a device."""
    if isinstance(path, bytes):
        return path
    try:
        # A pipe without a writer would block the opening for ever.
        handle = open_kept(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _binary())
    except OSError as error:
        raise Unreadable(0, f"{UNREAD}{error.strerror}") from None
    try:
        with os.fdopen(handle, "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable(0, "it is no regular file")
            if found.st_size > MAX_BYTES:
                raise Unreadable(
                    found.st_size, f"it has {found.st_size:,} bytes; no picture is that large"
                )
            return file.read()
    except OSError as error:
        raise Unreadable(0, f"{UNREAD}{error.strerror}") from None


def read_file(path: StrPath) -> bytes:
    """All bytes of a regular file. Raises `OSError` for any other; never waits for a pipe."""
    with open_regular(path) as file:
        return file.read()


def head_of(path: StrPath, size: int) -> bytes:
    """The first `size` bytes of a regular file; empty if there is none that this user may read.
    Never waits. Raises `OSError` if the disk fails."""
    try:
        with open_regular(path) as file:
            return file.read(size)
    except OSError as error:
        if not is_out_of_reach(error):
            raise
        return b""
    except ValueError:
        return b""


def _binary() -> int:
    return getattr(os, "O_BINARY", 0)
