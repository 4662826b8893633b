"""No waiting for the disk and for memory: what tests write need not survive a power cut, and what
one frees the next one takes.

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
import tempfile
import time
from pathlib import Path
from typing import Any

_TRIM, _PAD, _MMAP = -1, -2, -3  # of mallopt(3)


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
