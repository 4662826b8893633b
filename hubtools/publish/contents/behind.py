"""What a PNG holds that its pixels do not need: bytes behind the end of what they are packed in,
and chunks packed without a header (raw deflate), of which nothing tells but that they unpack
whole."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any

# Bytes of one of them; of the pixels that are unpacked at once, to be thrown away; of all of these.
_MOST, _PIECE, _PIXELS = 16 << 20, 1 << 18, 1 << 29
# Chunks that are read otherwise, or that say nothing.
_KNOWN = frozenset(
    {b"IHDR", b"PLTE", b"IEND", b"IDAT", b"fdAT", b"fcTL", b"acTL", b"iCCP", b"tRNS", b"gAMA"}
    | {b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"hIST", b"pHYs", b"tIME", b"eXIf", b"caBX", b"cICP"}
)  # fmt: skip
_SHORTEST = 20


def behind(file: IO[bytes]) -> Iterator[bytes]:
    """Each such part of a PNG. Ends where the file does not go on as it should."""
    file.seek(8)
    pixels: _Pixels | None = None
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind in (b"IDAT", b"fdAT"):
            skip = min(4 if kind == b"fdAT" else 0, length)  # its number in the order of frames
            file.seek(skip, 1)
            left = length - skip
            pixels = pixels or _Pixels()
            while left > 0 and (piece := file.read(min(left, _PIECE))):
                left -= len(piece)
                pixels.add(piece)
            if pixels.broken:
                return
            file.seek(4, 1)
            continue
        if pixels is not None and kind in (b"fcTL", b"IEND"):
            if pixels.rest:
                yield bytes(pixels.rest)
                if (found := _inflated(bytes(pixels.rest))) is not None:
                    yield found
            pixels = None
        if kind == b"IEND":
            return
        if kind in _KNOWN or not _SHORTEST <= length <= _MOST:
            file.seek(length + 4, 1)
            continue
        found = _inflated(file.read(length))
        file.seek(4, 1)
        if found is not None:
            yield found


class _Pixels:
    """Lets the pixels of one frame go by; `rest` is what is behind their end. `broken`: this is no
    picture that anybody shows, or one that unpacks to more than is waited for."""

    def __init__(self) -> None:
        self._unpacker: Any = zlib.decompressobj()
        self._seen, self.broken, self.rest = 0, False, bytearray()

    def add(self, piece: bytes) -> None:
        if self.broken or len(self.rest) > _MOST:
            return
        if self._unpacker.eof:
            self.rest += piece
            return
        try:
            while piece and not self._unpacker.eof:
                self._seen += len(self._unpacker.decompress(piece, _PIECE))
                piece = self._unpacker.unconsumed_tail
                self.broken = self._seen > _PIXELS
                if self.broken:
                    return
        except zlib.error:
            self.broken = True
            return
        if self._unpacker.eof:
            self.rest += self._unpacker.unused_data


def _inflated(data: bytes) -> bytes | None:
    """What it unpacks to, if all of it is a raw deflate stream."""
    unpacker = zlib.decompressobj(-15)
    try:
        found = unpacker.decompress(data, _MOST)
    except zlib.error:
        return None
    return found if unpacker.eof and not unpacker.unused_data and found else None
