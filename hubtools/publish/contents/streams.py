"""Packed bytes that stand in other files: behind a picture's end, in a PNG's chunks, in a PDF."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

# Bytes that are looked at, bytes that one stream is unpacked to, and all of them.
_ALL, _ONE, _TOGETHER = 64 << 20, 16 << 20, 64 << 20
_FIRST = 4096  # bytes that must unpack before more are tried


def _zlib_starts() -> bytes:
    """RFC 1950: the first two bytes, of any window and level."""
    return b"|".join(
        re.escape(bytes((first, second)))
        for first in range(0x08, 0x88, 0x10)
        for second in range(256)
        if (first * 256 + second) % 31 == 0 and not second & 0x20
    )


_START = re.compile(rb"\x1f\x8b\x08|BZh[1-9]1AY&SY|\xfd7zXZ\0|" + _zlib_starts(), re.DOTALL)
_OPEN: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZ": bz2.BZ2Decompressor,
    b"\xfd7": lambda: lzma.LZMADecompressor(memlimit=256 << 20),
}
# What is not opened here, wherever it stands behind a picture.
_CLOSED = re.compile(rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|Salted__")


def streams(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """(unpacked, whether to its end) of every gzip, bzip2, xz and zlib stream in `data`."""
    place, left = 0, _TOGETHER
    while (match := _START.search(data, place)) is not None:
        found, used, ended = _unpacked(data, match.start(), min(_ONE, left))
        if not found or not (ended or len(found) >= 64):
            place = match.start() + 1
            continue
        left -= len(found)
        yield found, len(found) < _ONE and left > 0
        if left <= 0:
            return
        place = match.start() + (used if ended else 1)


def _unpacked(data: bytes, start: int, most: int) -> tuple[bytes, int, bool]:
    """(what it unpacks to, bytes that it takes, whether its end was there)."""
    opened = _OPEN.get(data[start : start + 2], zlib.decompressobj)()
    found, place, size = bytearray(), start, _FIRST
    try:
        while not opened.eof and place < len(data) and len(found) < most:
            piece = data[place : place + size]
            place += len(piece)
            found += opened.decompress(piece, most - len(found))
            size = 1 << 18
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError):
        return bytes(found), place - start, False
    return bytes(found), place - start - len(opened.unused_data), opened.eof


def closed(data: bytes) -> bool:
    """Whether an archive begins in `data` that cannot be opened here."""
    return data.startswith(b"\x28\xb5\x2f\xfd") or _CLOSED.search(data) is not None


def behind(file: IO[bytes], head: bytes) -> bytes:
    """What stands behind a picture's end; for a PDF its whole. At most 64 MB."""
    file.seek(0)
    data = file.read(_ALL)
    if head.startswith(b"%PDF-") or b"%PDF-" in head[:1024]:
        return data
    end = len(data)
    if head.startswith(b"\x89PNG"):
        mark = data.find(b"IEND\xae\x42\x60\x82")
        end = mark + 8 if mark >= 0 else end
    elif head.startswith(b"\xff\xd8\xff"):
        end = _jpeg_end(data)
    elif head[:4] == b"RIFF":
        end = int.from_bytes(head[4:8], "little") + 8
    elif head[:2] == b"BM":
        end = int.from_bytes(head[2:6], "little")
    elif head[:4] == b"GIF8":
        mark = data.find(b"\0;")
        end = mark + 2 if mark >= 0 else end
    return data[end:]


def _jpeg_end(data: bytes) -> int:
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + max(2, int.from_bytes(data[place + 2 : place + 4], "big"))
    mark = data.find(b"\xff\xd9", place)
    return mark + 2 if mark >= 0 else len(data)
