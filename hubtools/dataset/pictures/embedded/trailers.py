"""What lies behind the end of a JPEG or a PNG: viewers pass it by, and it is published along.

Phones put a film with sound there (motion photos), hidden archives are there, and what a careless
program left of the picture that was there before. Pictures that the file's own index names (MPF:
previews, gain maps, depth) belong to it.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from hubtools.patterns import regex

_SOI, _EOI = b"\xff\xd8\xff", b"\xff\xd9"
_PNG, _IEND = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_PADDING = b"\0\r\n \t\x1a\xff"
# A marker inside pixel data: neither a stuffed byte nor a restart (ITU-T T.81, B.1.1).
_MARKER = regex(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
# Brands of films (ISO/IEC 14496-12).
_BRANDS = b"isom|iso[2-9]|mp4[12]|avc1|qt  |3gp.|3g2.|hvc1|M4V |MSNV|mmp4|dash"
_FILM = regex(rb"\0\0..ftyp(?:" + _BRANDS + rb")", re.DOTALL)
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08")
_ZIP_END, _ZIP_TAIL = b"PK\x05\x06", 22 + 65535

FILM, ARCHIVE, REST = "a film", "an archive", "the rest of another picture"
PICTURE, NOTES, DATA = "another picture", "a camera's notes", "unknown data"
# What nobody means to publish; the rest is told as a note.
GRAVE = frozenset({FILM, ARCHIVE, REST})


class Trailer(NamedTuple):
    """What lies behind the picture, one of the names above (empty: nothing), and its bytes."""

    trailer: str = ""
    trailer_bytes: int = 0


def trailer_of(format: str | None, data: bytes) -> Trailer:
    """Look behind a whole picture. A JPEG whose last bytes are an end mark is taken to end there:
    to make sure would cost a tenth of what looking at it costs."""
    if format == "PNG":
        end = png_end(data)
    elif format not in ("JPEG", "MPO") or data[-64:].rstrip(_PADDING[:-1]).endswith(_EOI):
        return Trailer()
    else:
        end = jpeg_end(data)
    if end is None or end == len(data):
        return Trailer()
    rest = data[end:]
    if not rest.strip(_PADDING):
        return Trailer()
    return Trailer(_kind(rest), len(rest))


def without_trailer(data: bytes) -> bytes:
    """The file up to the picture's end, and with its XMP saying that it is no motion photo. Files
    that are neither JPEG nor PNG, or not whole, come back as they are."""
    if data.startswith(_PNG):
        end = png_end(data)
    else:
        end = jpeg_end(data) if data.startswith(_SOI) else None
    if end is None or end == len(data):
        return data
    return _MOTION.sub(rb"\g<1>0", data[:end])


# The flags of Google's two formats; 0 says that it is none, whatever else there is.
_MOTION = regex(rb"(GCamera:(?:MotionPhoto|MicroVideo)(?:=[\"']|>))1(?=[\"'<])")


def png_end(data: bytes) -> int | None:
    """Where IEND ends; None if there is none."""
    place, size = 8, len(data)
    unpack = struct.Struct(">I4s").unpack_from
    while place + 12 <= size:
        length, kind = unpack(data, place)
        place += 12 + length
        if kind == b"IEND":
            return place if place <= size else None
    return None


def jpeg_end(data: bytes) -> int | None:
    """Where a JPEG and the further pictures end that its index names (MPF), or its XMP (a gain
    map); None if it does not follow the rules."""
    found = _one_jpeg(data, 0)
    if found is None:
        return None
    end, blocks = found
    for start, length in _indexed(data, blocks):
        if data.startswith(_SOI, start):
            # its own end is surer than what the index says: some programs sum lengths wrongly
            further = _one_jpeg(data, start)
            end = max(end, further[0] if further else min(start + length, len(data)))
    if any(b"Item:Semantic" in data[a:b] and b"GainMap" in data[a:b] for a, b in blocks):
        further = _one_jpeg(data, end) if data.startswith(_SOI, end) else None
        end = further[0] if further else end
    return end


def _one_jpeg(data: bytes, start: int) -> tuple[int, list[tuple[int, int]]] | None:
    """The end of the JPEG at `start`, and its APP1 and APP2 segments, (start, end) of each."""
    place = start + 2
    blocks: list[tuple[int, int]] = []
    while place + 2 <= len(data):
        if data[place] != 0xFF:
            return None
        kind = data[place + 1]
        if kind == 0xFF or kind == 0x01 or 0xD0 <= kind <= 0xD7:
            place += 1 if kind == 0xFF else 2
            continue
        if kind == 0xD9:
            return place + 2, blocks
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if end < place + 4 or end > len(data):
            return None
        if kind in (0xE1, 0xE2):
            blocks.append((place + 4, end))
        if kind == 0xDA:
            marker = _MARKER.search(data, end)
            if marker is None:
                return None
            end = marker.end() - 2
        place = end
    return None


def _indexed(data: bytes, blocks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(start, bytes) of the pictures that an MPF index names (CIPA DC-007, 5.2.3)."""
    for start, end in blocks:
        if not data.startswith(b"MPF\0", start):
            continue
        base = start + 4
        order = {b"II": "<", b"MM": ">"}.get(data[base : base + 2])
        try:
            (first,) = struct.unpack_from(f"{order}I", data, base + 4)
            (count,) = struct.unpack_from(f"{order}H", data, base + first)
            for number in range(min(count, 32)):
                tag, _, size, value = struct.unpack_from(
                    f"{order}HHII", data, base + first + 2 + 12 * number
                )
                if tag == 0xB002 and base + value + size <= end:
                    entries = struct.iter_unpack(
                        f"{order}IIIHH", data[base + value : base + value + size // 16 * 16]
                    )
                    return [(base + offset, length) for _, length, offset, *_ in entries if offset]
        except struct.error:
            continue
    return []


def _kind(rest: bytes) -> str:
    if _FILM.search(rest):
        return FILM
    start = rest.lstrip(_PADDING)
    if start.startswith(_ARCHIVES) or _ZIP_END in rest[-_ZIP_TAIL:]:
        return ARCHIVE
    if rest.endswith(b"SEFT"):  # Samsung's
        return NOTES
    if rest.lstrip(b"\0").startswith((_SOI, _PNG)):
        return PICTURE
    # PNG's last chunk, but not its first: what a shorter file did not overwrite
    return REST if rest.rstrip(_PADDING).endswith((_IEND, _EOI)) else DATA
