"""The headers of plain JPEGs, which most pictures are: Pillow takes a third as long for them as
decoding a small picture takes."""

from __future__ import annotations

from typing import NamedTuple

_QUANTIZATION, _HUFFMAN, _RESTARTS, _JFIF, _SCAN = 0xDB, 0xC4, 0xDD, 0xE0, 0xDA
_FRAMES = (0xC0, 0xC1)  # baseline, and sequential with Huffman codes
_MODES = {1: "L", 3: "RGB"}


class Header(NamedTuple):
    """Pillow's name of the mode, and the size in pixels."""

    mode: str
    width: int
    height: int


def plain_header(data: bytes) -> Header | None:
    """The header of a JPEG in grey or colour, all of it in one scan, that says nothing else: no
    EXIF, profile, comment or the like, and nothing that Pillow would refuse or read otherwise.

    None for any other (ITU-T T.81, annex B; JFIF 1.02).
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    found: Header | None = None
    layers, place, size = 0, 2, len(data)
    while place + 8 < size and data[place] == 0xFF:
        marker, length = data[place + 1], data[place + 2] << 8 | data[place + 3]
        body, end = place + 4, place + 2 + length
        if length < 3 or end >= size:
            return None
        if marker == _QUANTIZATION:
            # a table has its number and 64 values of a byte
            if (length - 2) % 65 or any(data[at] > 3 for at in range(body, end, 65)):
                return None
        elif marker == _JFIF:
            if length < 16 or data[body : body + 5] != b"JFIF\0":
                return None
        elif marker in _FRAMES:
            layers = data[body + 5]
            if found or data[body] != 8 or layers not in _MODES or length != 8 + 3 * layers:
                return None
            height = data[body + 1] << 8 | data[body + 2]
            width = data[body + 3] << 8 | data[body + 4]
            found = Header(_MODES[layers], width, height)
        elif marker == _SCAN:
            return found if found and all(found) and data[body] == layers else None
        elif marker not in (_HUFFMAN, _RESTARTS):
            return None
        place = end
    return None
