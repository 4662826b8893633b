"""Where GoPro's cameras keep positions: streams of samples, in films and in the APP6 of pictures.

GPMF (github.com/gopro/gpmf-parser): a key of four letters, the type of its numbers, bytes of a
sample, how many samples; then these, big-endian. `GPS5` and `GPS9` begin with latitude and
longitude in 1e-7 degrees.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from hubtools.patterns import regex

_STREAM = regex(rb"GPS5l\x14(..)|GPS9\?\x20(..)", re.DOTALL)
_MOST = 10_000  # streams of a file
_NORTH, _EAST = 900_000_000, 1_800_000_000


def positions(data: bytearray, rest: int) -> Iterator[tuple[int, int]]:
    """(start, end) of latitude and longitude of every sample from `rest` on that says something."""
    for number, match in enumerate(_STREAM.finditer(data, rest)):
        if number >= _MOST:
            return
        size = 20 if match[1] else 32
        for sample in range(int.from_bytes(match[1] or match[2], "big")):
            start = match.end() + size * sample
            if start + 8 > len(data):
                return
            north, east = struct.unpack_from(">ii", data, start)
            if abs(north) > _NORTH or abs(east) > _EAST:
                break
            if north and east:
                yield start, start + 8
