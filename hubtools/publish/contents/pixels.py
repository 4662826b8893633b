"""Where in a picture its pixels lie, packed: what unpacks there is no stream of somebody's."""

from __future__ import annotations

import math
import re
import struct
from typing import IO

_PNG, _NUMPY = b"\x89PNG\r\n\x1a\n", b"\x93NUMPY"
_MOST = 1 << 16  # pieces, tags and pages that are read

_OFFSETS = re.compile(
    rb"\"data_offsets\"\s{0,9}:\s{0,9}\[\s{0,9}(\d{1,18})\s{0,9},\s{0,9}(\d{1,18})"
)
# The header of an array: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
_ARRAY = re.compile(
    rb"\{'descr': '[<>|=]?[biufc](\d{1,2})', 'fortran_order': (?:True|False),"
    rb" 'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), ?\}"
)

Ranges = list[tuple[int, int]]


def pixels(file: IO[bytes], head: bytes) -> Ranges:
    """(start, end) in bytes, in order. Weights and arrays are such as well."""
    if head.startswith(_PNG):
        return _of_png(file)
    if head[:4] in (b"II*\0", b"MM\0*"):
        return sorted(_of_tiff(file, "<" if head[:1] == b"I" else ">"))
    if head.startswith(_NUMPY):
        return _of_array(head)
    if head[8:9] == b"{" and is_weights(head):  # safetensors
        header = int.from_bytes(head[:8], "little")
        file.seek(8)
        each = _OFFSETS.finditer(file.read(min(header, 1 << 25)))
        return [(8 + header + int(found[1]), 8 + header + int(found[2])) for found in each]
    return [(0, 1 << 62)] if is_weights(head) else []


def is_weights(head: bytes) -> bool:
    """Whether weights or an array begin so."""
    header = int.from_bytes(head[:8], "little")
    if head.startswith(_NUMPY):
        return bool(_of_array(head))
    return (head[8:9] == b"{" and header < 1 << 28) or head.startswith(b"GGUF")


def _of_array(head: bytes) -> Ranges:
    """The numbers of a NumPy file."""
    wide = head[6:7] != b"\1"
    start = (12 if wide else 10) + int.from_bytes(head[8 : 12 if wide else 10], "little")
    told = _ARRAY.search(head[:start])
    if told is None:
        return []
    size = int(told[1]) * math.prod(int(n) for n in told[2].replace(b",", b" ").split())
    return [(0, start + size)]


def _of_png(file: IO[bytes]) -> Ranges:
    found: Ranges = []
    place = 8
    file.seek(place)
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind in (b"IDAT", b"fdAT"):
            if found and found[-1][1] == place:
                found[-1] = (found[-1][0], place + 12 + length)
            else:
                found.append((place, place + 12 + length))
        place += 12 + length
        if kind == b"IEND" or len(found) > _MOST:
            break
        file.seek(place)
    return found


def _of_tiff(file: IO[bytes], order: str) -> Ranges:
    """Strips and tiles (TIFF 6.0: tags 273 and 279, 324 and 325)."""
    found: Ranges = []
    try:
        file.seek(4)
        place, seen = _numbers(file.read(4), order, 4)[0], set[int]()
        while place and place not in seen and len(seen) < 1000 and len(found) < _MOST:
            seen.add(place)
            file.seek(place)
            count = _numbers(file.read(2), order, 2)[0]
            entries = file.read(12 * count + 4)
            tags = {}
            for n in range(count):
                entry = entries[12 * n : 12 * n + 12]
                tag, kind, many = struct.unpack(order + "HHI", entry[:8])
                if tag in (273, 279, 324, 325) and kind in (3, 4) and many <= _MOST:
                    tags[tag] = _values(file, entry[8:], order, 2 * kind - 4, many)
            for starts, sizes in ((273, 279), (324, 325)):
                pairs = zip(tags.get(starts, ()), tags.get(sizes, ()), strict=False)
                found += ((start, start + size) for start, size in pairs)
            place = _numbers(entries[12 * count :], order, 4)[0]
    except (struct.error, IndexError):
        return found
    return found


def _values(file: IO[bytes], field: bytes, order: str, size: int, many: int) -> tuple[int, ...]:
    if size * many > 4:
        file.seek(_numbers(field, order, 4)[0])
        field = file.read(size * many)
    return _numbers(field[: size * many], order, size)


def _numbers(data: bytes, order: str, size: int) -> tuple[int, ...]:
    return struct.unpack(f"{order}{len(data) // size}{'H' if size == 2 else 'I'}", data)
