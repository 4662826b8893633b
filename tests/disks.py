"""Disks that are full or read-only, and a user who may not: the real errors of the system.

Each is skipped where the system does not let the test cause it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_VERSION = 0x20080522  # of capset(2)
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


@contextlib.contextmanager
def small_disk(place: Path, size: int = 300_000) -> Iterator[Path]:
    """A file system of so many bytes."""
    place.mkdir(parents=True)
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(place: Path, leave: int = 0) -> Path:
    """Use up all room of a small disk, but `leave` bytes."""
    filler = place / "filler"
    with pytest.raises(OSError, match="No space left"):
        _write_on(filler)
    if leave:
        os.truncate(filler, filler.stat().st_size - leave)
    return filler


def _write_on(filler: Path) -> None:
    with filler.open("wb") as file:
        while True:
            file.write(b"\0" * 4096)
            file.flush()


@contextlib.contextmanager
def read_only(place: Path) -> Iterator[None]:
    """A small disk that takes no writes."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)


@contextlib.contextmanager
def without_privilege() -> Iterator[None]:
    """File permissions hold for this thread, also if it is root's."""
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("permissions do not hold for root")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    kept, less = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    if libc.capget(header, kept) != 0:
        pytest.skip("capabilities cannot be read here")
    less[:] = kept[:]
    less[0] &= ~(1 << _DAC_OVERRIDE | 1 << _DAC_READ_SEARCH)  # of the effective ones
    if libc.capset(header, less) != 0:
        pytest.skip("capabilities cannot be dropped here")
    try:
        yield
    finally:
        assert libc.capset(header, kept) == 0


@contextlib.contextmanager
def limited(what: int, most: int) -> Iterator[None]:
    """A limit of this process (`resource.RLIMIT_...`)."""
    before = resource.getrlimit(what)
    resource.setrlimit(what, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)
