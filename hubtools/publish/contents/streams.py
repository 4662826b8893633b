"""Packed bytes that stand in other files: behind a picture's end, in a PNG's chunks, in a PDF."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, NamedTuple

from hubtools.patterns import regex
from hubtools.publish.contents.member import NotOpened

# Bytes that are looked at, bytes that one stream is unpacked to, and all of them.
_ALL, _ONE, _TOGETHER = 64 << 20, 16 << 20, 64 << 20
_WINDOW = 1 << 22
_TRIED = 64 << 20  # bytes that may be tried in vain, and eight times what was read
_FIRST = 4096  # bytes that must unpack before more are tried


def _zlib_starts() -> bytes:
    """RFC 1950: the first two bytes, of any window and level."""
    return b"|".join(
        re.escape(bytes((first, second)))
        for first in range(0x08, 0x88, 0x10)
        for second in range(256)
        if (first * 256 + second) % 31 == 0 and not second & 0x20
    )


_START = regex(rb"\x1f\x8b\x08|BZh[1-9]1AY&SY|\xfd7zXZ\0|" + _zlib_starts(), re.DOTALL)
_OPEN: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(31),
    b"BZ": bz2.BZ2Decompressor,
    b"\xfd7": lambda: lzma.LZMADecompressor(memlimit=256 << 20),
}
# What is not opened here, wherever it stands; Zstandard and LZ4 by their frame's header too, for
# four bytes come by chance.
_CLOSED = regex(
    rb"7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|Salted__[\0-\xff]{8}"
    rb"|\x28\xb5\x2f\xfd|\x04\x22\x4d\x18[\x40-\x7f][\x40\x50\x60\x70]"
    rb"|LZIP\x01|brob.{4}"
)


_ZSTD, _BOXES = b"\x28\xb5\x2f\xfd", (b"exif", b"xml ", b"jumb")


def _is_zstd(data: bytes) -> bool:
    """A frame's header, and that of its first block (RFC 8878, 3.1.1)."""
    if len(data) < 9 or data[4] & 0x18:
        return False
    single = data[4] >> 5 & 1
    size = (single, 2, 4, 8)[data[4] >> 6] + (0, 1, 2, 4)[data[4] & 3] + 1 - single
    block = int.from_bytes(data[5 + size : 8 + size], "little")
    return block >> 1 & 3 != 3 and block >> 3 <= 1 << 17


# What no text holds, not even one for a terminal; packed bytes hold one in every dozen.
_ALIEN = bytes((*range(8), *range(14, 27), *range(28, 32), 127))
_ANY_ALIEN = regex(b"[" + re.escape(_ALIEN) + b"]")
_NEAR = 256  # bytes, within which a packed stream surely has one of them


def alien_from(file: IO[bytes]) -> int | None:
    """From where on a text may hold something packed; None if it is a text to its end."""
    place = 0
    while data := file.read(1 << 20):
        if len(data.translate(None, _ALIEN)) < len(data):
            match = _ANY_ALIEN.search(data)
            return max(0, place + (match.start() if match else 0) - _NEAR)
        place += len(data)
    return None


class _Ranges:
    """Places in a file, to be asked for one of them in the time that a bisection takes."""

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(ranges):
            if self._ends and start <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def end_of(self, place: int) -> int:
        """Where the range ends in which `place` lies; 0 if it lies in none."""
        at = bisect_right(self._starts, place) - 1
        return self._ends[at] if at >= 0 and place < self._ends[at] else 0


class Stream(NamedTuple):
    """What a stream unpacks to; `whole`: it was read to its end."""

    data: bytes
    whole: bool


def streams(data: bytes) -> Iterator[Stream]:
    """Every gzip, bzip2, xz and zlib stream in `data`."""
    return streams_of(io.BytesIO(data), 0) if _START.search(data) else iter(())


def streams_of(
    file: IO[bytes], start: int, skip: Sequence[tuple[int, int]] = (), *, text: bool = False
) -> Iterator[Stream]:
    """The same in `file` from `start` on, window by window: memory does not grow with it. What lies
    in `skip` (start, end) is pixels; among `text` only what no text holds is tried. Raises
    `NotOpened` where it is too much to be tried."""
    tried, left, place, pixels = 0, _TOGETHER, start, _Ranges(skip)
    while True:
        file.seek(place)
        data = file.read(_ALL)
        if not data:
            return
        last, at, following = len(data) < _ALL, 0, place + len(data)
        while (match := _START.search(data, at)) is not None:
            begins = match.start()
            if inside := pixels.end_of(place + begins):
                at = max(begins + 1, min(inside - place, len(data)))
                continue
            if text and not _ANY_ALIEN.search(data, begins, begins + _NEAR):
                at = begins + 1
                continue
            found, used, ended = _unpacked(data, begins, min(_ONE, left))
            tried += used
            if tried > _TRIED + 8 * (place + begins - start):
                raise NotOpened("too much in it looks like a packed stream and is none")
            if not ended and begins + used >= len(data) and not last and begins and found:
                following = place + begins  # it goes on in the next window
                break
            if not found or not (ended or len(found) >= 64):
                at = begins + 1
                continue
            left -= len(found)
            yield Stream(found, len(found) < _ONE and left > 0)
            if left <= 0:
                return
            at = begins + (used if ended else 1)
        if last:
            return
        place = following


def packed_among_text(data: bytes) -> bool:
    """Whether something packed stands in a piece of a text, be it one that cannot be opened."""
    if alien_from(io.BytesIO(data)) is None:
        return False
    try:
        found = next(streams_of(io.BytesIO(data), 0, text=True), None)
    except NotOpened:
        return True
    return found is not None or closed(io.BytesIO(data), 0)


# Bytes at a file's start of which each may begin a raw deflate stream, and of such a one.
_RAW_STARTS, _RAW_LEAST = 256, 20
_NO_TEXT = bytes((*range(9), 11, 12, *range(14, 32), 127))


def raw(data: bytes, starts: int = _RAW_STARTS) -> bytes | None:
    """What a raw deflate stream (RFC 1951) unpacks to that begins within `starts` bytes; None where
    none does. Nothing marks one, so it is one if it holds text."""
    for start in range(min(starts, len(data))):
        kind, codes = data[start] >> 1 & 3, data[start] >> 3
        if kind == 3 or (kind == 2 and codes > 29):
            continue  # no block begins so (3.2.3, 3.2.7)
        if kind == 0 and any(a ^ b != 255 for a, b in zip(*_length(data, start), strict=False)):
            continue  # the length of one that is stored is there twice (3.2.4)
        unpacker = zlib.decompressobj(-15)
        try:
            found = unpacker.decompress(data[start : start + 2 * _FIRST], _FIRST)
            if len(found) < _RAW_LEAST or len(found.translate(None, _NO_TEXT)) < len(found):
                continue
            if not unpacker.eof and len(found) < _FIRST:
                continue
            return found + unpacker.decompress(
                unpacker.unconsumed_tail + data[start + 2 * _FIRST :], _ONE
            )
        except zlib.error:
            continue
    return None


def _length(data: bytes, start: int) -> tuple[bytes, bytes]:
    return data[start + 1 : start + 3], data[start + 3 : start + 5]


def _unpacked(data: bytes, start: int, most: int) -> tuple[bytes, int, bool]:
    """(what it unpacks to, bytes that it takes, whether its end was there)."""
    opened = _OPEN.get(data[start : start + 2], zlib.decompressobj)()
    found, place, size = bytearray(), start, _FIRST
    try:
        while not opened.eof and place < len(data) and len(found) < most:
            piece = data[place : place + size]
            place += len(piece)
            found += opened.decompress(piece, most - len(found))
            size = min(2 * size, 1 << 18)
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError):
        return bytes(found), place - start, False
    return bytes(found), place - start - len(opened.unused_data), opened.eof


def closed(file: IO[bytes], start: int, skip: Sequence[tuple[int, int]] = ()) -> bool:
    """Whether from `start` on an archive begins that cannot be opened here, or packed metadata of a
    JPEG XL (its `brob` boxes)."""
    file.seek(start)
    place, rest, pixels = start, b"", _Ranges(skip)
    while data := file.read(_WINDOW):
        whole = rest + data
        for match in _CLOSED.finditer(whole):
            at = place - len(rest) + match.start()
            found = match[0]
            if found.startswith(b"brob") and found[4:].lower() not in _BOXES:
                continue
            if found == _ZSTD and not _is_zstd(whole[match.start() : match.start() + 24]):
                continue
            if not pixels.end_of(at):
                return True
        place += len(data)
        rest = whole[-32:]
    return False
