"""Blank what EXIF says about place and device, in place: not a byte of the file moves.

EXIF is a TIFF structure (TIFF 6.0; Exif 2.32, section 4): lists of 12-byte entries ("IFDs") that
point to values elsewhere in the block. An entry is removed by moving the following ones up, its
value by writing zeros over it, so that all offsets stay true.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_EXIF_IFD, _GPS_IFD, _INTEROP_IFD, _SUB_IFDS, ORIENTATION = 0x8769, 0x8825, 0xA005, 0x014A, 0x0112
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}

PRIVATE_TAGS = {
    0x927C: "maker notes",  # a camera maker's own data: serial numbers, faces, sometimes the place
    0xA430: "the owner's name",
    0xA431: "the camera's serial number",
    0xA435: "the lens's serial number",
    0xA420: "an id of the picture",
    0xC62F: "the camera's serial number",
    0x013C: "the computer's name",
    0x9C9D: "the owner's name",
    0xC634: "maker notes",
}


class Damaged(ValueError):
    """The structure does not hold together; nothing can be changed for certain."""


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


def scrub(data: bytearray, start: int, end: int) -> list[str]:
    """Blank place and device in the TIFF structure at `data[start:end]`; say what was there.

    Raises `Damaged`, perhaps with some of it blanked.
    """
    block = _opened(data, start, end)
    removed: list[str] = []
    for place in _chain(block):
        _scrub_ifd(block, place, removed, depth=0)
    return removed


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


def _scrub_ifd(block: _Block, place: int, removed: list[str], depth: int) -> None:
    if depth > 4:
        raise Damaged("its EXIF data is nested too deeply")
    for entry in reversed(_entries(block, place)):
        tag = block.short(entry)
        if tag == _GPS_IFD:
            where = block.start + block.long(entry + 8)
            if not block.short(where):
                continue  # it says nothing
            removed.append("the GPS position")
            for inner in _entries(block, where):
                _blank_value(block, inner)
            block.blank(where, 2 + 12 * block.short(where) + 4)
            _remove(block, place, entry)
        elif tag in PRIVATE_TAGS:
            _blank_value(block, entry)
            _remove(block, place, entry)
            removed.append(PRIVATE_TAGS[tag])
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
