"""Sparse files, read without their holes: these hold nothing, and may be as long as one likes."""

from __future__ import annotations

import errno
import io
import os
from typing import IO

# Bytes that are held, so that they can be read again.
HELD = 64 << 20


class Holes:
    """A sparse file, read without its holes: they hold nothing, and may be as long as one likes."""

    def __init__(self, file: IO[bytes], descriptor: int) -> None:
        self._file, self._fd, self._end = file, descriptor, 0

    @staticmethod
    def over(file: IO[bytes]) -> IO[bytes]:
        """`file` itself where there are no holes."""
        try:
            descriptor = file.fileno()
            state = os.fstat(descriptor)
        except (OSError, AttributeError):
            return file
        if not hasattr(os, "SEEK_HOLE") or state.st_blocks * 512 >= state.st_size // 2:
            return file
        return Holes(file, descriptor)  # type: ignore[return-value]

    @staticmethod
    def without(file: IO[bytes]) -> IO[bytes] | None:
        """`file`, or what is in it between its holes; None if that is too long to be held."""
        holes = Holes.over(file)
        if holes is file:
            return file
        file.seek(0)
        data = bytearray()
        while len(data) <= HELD and (part := holes.read(1 << 20)):
            data += part
        return io.BytesIO(data) if len(data) <= HELD else None

    def read(self, size: int) -> bytes:
        place = self._file.tell()
        if place >= self._end:
            try:
                start = os.lseek(self._fd, place, os.SEEK_DATA)
                self._end = os.lseek(self._fd, start, os.SEEK_HOLE)
            except OSError as error:
                if error.errno != errno.ENXIO:  # a disk that fails is no end of the file
                    raise
                return b""  # nothing but a hole up to the end
            self._file.seek(start)
            place = start
        return self._file.read(min(size, self._end - place))
