"""Blank what EXIF says about place and device, in place: not a byte of the file moves.

EXIF is a TIFF structure (TIFF 6.0; Exif 2.32, section 4): lists of 12-byte entries ("IFDs") that
point to values elsewhere in the block. An entry is removed by moving the following ones up, its
value by writing zeros over it, so that all offsets stay true.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hubtools.dataset.pictures.private.kinds import Damaged, Found, Kind, says

_EXIF_IFD, _GPS_IFD, _INTEROP_IFD, _SUB_IFDS, ORIENTATION = 0x8769, 0x8825, 0xA005, 0x014A, 0x0112
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

_NOTES = "maker notes"  # a camera maker's own data: serial numbers, faces, sometimes the place
PRIVATE_TAGS = {
    0x927C: Found(Kind.REST, _NOTES),
    0xC634: Found(Kind.REST, _NOTES),
    0xA430: Found(Kind.OWNER, "the owner's name", "CameraOwnerName"),
    0xA431: Found(Kind.OWNER, "the camera's serial number", "BodySerialNumber"),
    0xA435: Found(Kind.OWNER, "the lens's serial number", "LensSerialNumber"),
    0xC62F: Found(Kind.OWNER, "the camera's serial number", "CameraSerialNumber"),
    0x9C9D: Found(Kind.OWNER, "the owner's name", "XPAuthor"),
    0xA420: Found(Kind.REST, "an id of the picture"),
    0x013C: Found(Kind.REST, "the computer's name"),
}
# Version, time, satellites, datum, date and the like: cameras write them without a position.
_NO_POSITION = frozenset({0x00, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x12, 0x1B, 0x1D, 0x1E, 0x1F})
_POSITION = Found(Kind.POSITION, "the GPS position", "GPS")


@dataclass
class _Block:
    data: bytearray
    start: int
    end: int
    order: str

    def short(self, place: int) -> int:
        return int(struct.unpack_from(self.order + "H", self.data, self._inside(place, 2))[0])

    def long(self, place: int) -> int:
        return int(struct.unpack_from(self.order + "I", self.data, self._inside(place, 4))[0])

    def _inside(self, place: int, size: int) -> int:
        if place < self.start or place + size > self.end:
            raise Damaged("its EXIF data points outside itself")
        return place

    def blank(self, place: int, size: int) -> None:
        self._inside(place, size)
        self.data[place : place + size] = bytes(size)


def scrub(data: bytearray, start: int, end: int) -> list[Found]:
    """Blank place and device in the TIFF structure at `data[start:end]`; say what was there.

    What says nothing (blanks, zeros) is removed and not mentioned. Raises `Damaged`, perhaps with
    some of it blanked.
    """
    block = _opened(data, start, end)
    removed: list[Found] = []
    for place in _chain(block):
        _scrub_ifd(block, place, removed, depth=0)
    return removed[::-1]  # entries are taken out from behind


def set_upright(data: bytearray, start: int, end: int) -> bool:
    """Set the orientation to 1 (upright); True if it was another one."""
    block = _opened(data, start, end)
    changed = False
    for place in _chain(block)[:1]:
        for entry in _entries(block, place):
            if block.short(entry) == ORIENTATION and block.short(entry + 8) != 1:
                struct.pack_into(block.order + "H", data, entry + 8, 1)
                changed = True
    return changed


def _opened(data: bytearray, start: int, end: int) -> _Block:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[start : start + 4]))
    if order is None:
        raise Damaged("its EXIF data has no known beginning")
    return _Block(data, start, end, order)


def _chain(block: _Block) -> list[int]:
    """Places of the main IFDs: the picture's, then the thumbnail's (in a TIFF, the pages')."""
    places: list[int] = []
    offset = block.long(block.start + 4)
    while offset and block.start + offset not in places and len(places) < 1000:
        place = block.start + offset
        places.append(place)
        offset = block.long(place + 2 + 12 * block.short(place))
    return places


def _entries(block: _Block, place: int) -> list[int]:
    return [place + 2 + 12 * n for n in range(block.short(place))]


def _scrub_ifd(block: _Block, place: int, removed: list[Found], depth: int) -> None:
    if depth > 4:
        raise Damaged("its EXIF data is nested too deeply")
    for entry in reversed(_entries(block, place)):
        tag = block.short(entry)
        if tag == _GPS_IFD:
            where = block.start + block.long(entry + 8)
            if not block.short(where):
                continue  # it says nothing
            for inner in _entries(block, where):
                if block.short(inner) not in _NO_POSITION and says(_value(block, inner)):
                    removed.append(_POSITION)
                _blank_value(block, inner)
            block.blank(where, 2 + 12 * block.short(where) + 4)
            _remove(block, place, entry)
        elif tag in PRIVATE_TAGS:
            if says(_value(block, entry)):
                removed.append(PRIVATE_TAGS[tag])
            _blank_value(block, entry)
            _remove(block, place, entry)
        elif tag in (_EXIF_IFD, _INTEROP_IFD):
            _scrub_ifd(block, block.start + block.long(entry + 8), removed, depth + 1)
        elif tag == _SUB_IFDS:
            for where in _longs(block, entry):
                _scrub_ifd(block, block.start + where, removed, depth + 1)


def _longs(block: _Block, entry: int) -> list[int]:
    count = block.long(entry + 4)
    if count == 1:
        return [block.long(entry + 8)]
    base = block.start + block.long(entry + 8)
    return [block.long(base + 4 * n) for n in range(min(count, 100))]


def _value(block: _Block, entry: int) -> bytes:
    size = _SIZES.get(block.short(entry + 2), 1) * block.long(entry + 4)
    place = entry + 8 if size <= 4 else block.start + block.long(entry + 8)
    return bytes(block.data[place : min(place + min(size, 1 << 16), block.end)])


def _blank_value(block: _Block, entry: int) -> None:
    size = _SIZES.get(block.short(entry + 2), 1) * block.long(entry + 4)
    if size > 4:
        block.blank(block.start + block.long(entry + 8), size)


def _remove(block: _Block, place: int, entry: int) -> None:
    """Take an entry out: the following ones, and the pointer behind them, move up."""
    count = block.short(place)
    end = place + 2 + 12 * count + 4
    block.data[entry : end - 12] = block.data[entry + 12 : end]
    block.blank(end - 12, 12)
    struct.pack_into(block.order + "H", block.data, place, count - 1)


_UTF16 = range(0x9C9B, 0x9CA0)  # XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject
_TEXT_TYPES = frozenset({1, 2, 7, 129})


def texts(data: bytearray, start: int, end: int) -> list[str]:
    """All texts in the TIFF structure at `data[start:end]`. Raises `Damaged`."""
    block = _opened(data, start, end)
    found: list[str] = []
    pending = _chain(block)
    seen: set[int] = set()
    while pending and len(seen) < 1000:
        place = pending.pop()
        if place in seen:
            continue
        seen.add(place)
        for entry in _entries(block, place):
            tag, kind = block.short(entry), block.short(entry + 2)
            if tag in (_EXIF_IFD, _GPS_IFD, _INTEROP_IFD):
                pending.append(block.start + block.long(entry + 8))
            elif tag == _SUB_IFDS:
                pending += (block.start + where for where in _longs(block, entry))
            elif kind in _TEXT_TYPES:
                value = _value(block, entry)
                if tag in _UTF16:
                    found.append(value.decode("utf-16-le", "replace"))
                elif value.startswith(b"UNICODE\0"):  # of a user's comment
                    order = "utf-16-le" if block.order == "<" else "utf-16-be"
                    found += (value[8:].decode(code, "replace") for code in (order, "utf-8"))
                else:
                    found.append(value.decode("utf-8", "replace"))
    return [text for text in found if text.strip("\0 ")]
