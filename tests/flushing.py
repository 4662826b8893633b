"""No waiting for the disk: what tests write need not survive a power cut.

To flush a small file takes milliseconds in which nothing is computed; thousands are flushed. What
a flush may find (a disk that is full) it finds on small disks of their own, see `disks`: there it
is done.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def hurry() -> None:
    """Files on the disk of temporary files are not flushed from here on, in this process."""
    usual, flush = Path(tempfile.gettempdir()).stat().st_dev, os.fsync

    def fsync(file: int) -> None:
        if os.fstat(file).st_dev != usual:
            flush(file)

    os.fsync = fsync
    if hasattr(os, "sync"):
        os.sync = lambda: None
