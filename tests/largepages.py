"""Memory in pages of 2 MB: a process that holds 500 MB is then forked, and ends, in a third of the
time, as its page table is that much shorter."""

from __future__ import annotations

import ctypes
from pathlib import Path

_SIZE = 1 << 21
_MADV_COLLAPSE = 25  # madvise(2), since Linux 6.1


def gather() -> None:
    """Gather what this process has in memory of its own; where the system cannot, all stays."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return
    madvise = ctypes.CDLL(None).madvise
    for line in maps.read_text("utf-8", "surrogateescape").splitlines():
        place, mode, _, _, _, *name = line.split(None, 5)
        if not mode.startswith("rw") or not mode.endswith("p"):
            continue
        if name and name != ["[heap]"]:
            continue
        first, end = (int(number, 16) for number in place.split("-"))
        for start in range(-(-first // _SIZE) * _SIZE, end - _SIZE + 1, _SIZE):
            madvise(ctypes.c_void_p(start), ctypes.c_size_t(_SIZE), _MADV_COLLAPSE)
