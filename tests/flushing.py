"""No waiting for the disk and for memory: what tests write need not survive a power cut, and what
one frees the next one takes.

Where there is room their temporary files lie in memory: to make a folder and to remove it takes a
disk milliseconds, and that is done a hundred thousand times.

To flush a small file takes milliseconds in which nothing is computed; thousands are flushed. What
a flush may find (a disk that is full) it finds on small disks of their own, see `disks`: there it
is done.

To hand memory back and take it again is a tenth of the time of a short training: the system clears
each page before it gives it out. Tensors of this size are small ones in real trainings.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

_TRIM, _PAD, _MMAP = -1, -2, -3  # of mallopt(3)
_MEMORY, _NAME = Path("/dev/shm"), "hubtools-tests-"  # noqa: S108
_ROOM, _FREE = 4 << 30, 10 << 30  # bytes that the files may take, and of memory


def in_memory() -> Path | None:
    """The folder of all temporary files from here on, of this process and those that it starts, if
    one was made: whoever sets TMPDIR decides, and so does a machine with little memory. What runs
    that were killed or had failed left behind is removed."""
    if "TMPDIR" in os.environ or not _has_room():
        return None
    for old in _MEMORY.glob(f"{_NAME}*"):
        if not Path("/proc", old.name.removeprefix(_NAME)).exists():
            shutil.rmtree(old, ignore_errors=True)
    place = _MEMORY / f"{_NAME}{os.getpid()}"
    place.mkdir(mode=0o700)
    os.environ["TMPDIR"] = str(place)
    tempfile.tempdir = None  # found anew
    return place


def _has_room() -> bool:
    try:
        facts = os.statvfs(_MEMORY)
        told = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2].split()[0]
    except (OSError, IndexError):
        return False
    if facts.f_flag & os.ST_NOEXEC or not os.access(_MEMORY, os.W_OK):
        return False
    return facts.f_bavail * facts.f_frsize >= _ROOM and int(told) * 1024 >= _FREE


def hurry() -> None:
    """Files on the disk of temporary files are not flushed from here on, in this process, and
    memory that it frees stays with it."""
    with contextlib.suppress(AttributeError, OSError):  # of other systems than glibc's
        allocator = ctypes.CDLL(None)
        for name, number in ((_MMAP, 32 << 20), (_TRIM, 256 << 20), (_PAD, 16 << 20)):
            allocator.mallopt(name, number)
    usual, flush = Path(tempfile.gettempdir()).stat().st_dev, os.fsync

    def fsync(file: int) -> None:
        if os.fstat(file).st_dev != usual:
            flush(file)

    os.fsync = fsync
    if hasattr(os, "sync"):
        os.sync = lambda: None


class _Hurried:
    """The module `time`, but for its sleep."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / 10)


def ask_again_soon() -> None:
    """Whoever asks a Hub again, in this process, waits a tenth as long before it."""
    from huggingface_hub.utils import _http

    from hubtools.hub import patience
    from hubtools.publish import push

    for module in (_http, patience, push):
        module.time = _Hurried()  # type: ignore[assignment]
