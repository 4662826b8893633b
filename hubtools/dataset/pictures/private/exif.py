"""Blank what EXIF says about place and device, in place: not a byte of the file moves.

EXIF is a TIFF structure (TIFF 6.0; Exif 2.32, section 4): lists of 12-byte entries ("IFDs") that
point to values elsewhere in the block. An entry is removed by moving the following ones up, its
value by writing zeros over it, so that all offsets stay true. In a BigTIFF entries have 20 bytes,
and numbers of entries and places 8.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hubtools.dataset.pictures.private.kinds import Damaged, Found, Kind, TooMuch, says
from hubtools.dataset.text.positions import blanked_bytes

_EXIF_IFD, _GPS_IFD, _INTEROP_IFD, _SUB_IFDS, ORIENTATION = 0x8769, 0x8825, 0xA005, 0x014A, 0x0112
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
          16: 8, 17: 8, 18: 8}  # fmt: skip

_NOTE_TAGS = frozenset({0x927C, 0xC634})
_INNER = 4  # EXIF within maker notes that is looked at
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
# GeoTIFF 1.1: where on the earth a pixel lies; without the keys that says nothing
_GEO_KEYS = 34735
_GEO_PLACES = frozenset({33922, 34264})
_GEO_REST = frozenset({33550, _GEO_KEYS, 34736, 34737})
_GEO = Found(Kind.POSITION, "the position (GeoTIFF)", "GeoTIFF")
# Version, time, satellites, datum, date and the like: cameras write them without a position.
_NO_POSITION = frozenset({0x00, 0x07, 0x08, 0x09, 0x0A, 0x0B, 0x12, 0x1B, 0x1D, 0x1E, 0x1F})
_POSITION = Found(Kind.POSITION, "the GPS position", "GPS")
_NOTED = Found(Kind.POSITION, "a position in a note", "GPS")


@dataclass
class _Block:
    data: bytearray
    start: int
    end: int
    order: str
    big: bool = False  # a BigTIFF
    left: int = 0  # bytes that may still be read, blanked and moved

    def take(self, size: int) -> None:
        """Entries may name the same bytes again and again: raises `TooMuch` when that is much."""
        self.left -= size
        if self.left < 0:
            raise TooMuch("its EXIF data names far more than there is")

    @property
    def item(self) -> int:
        """Bytes of an entry: tag and type, then how many values, then these or their place."""
        return 20 if self.big else 12

    @property
    def head(self) -> int:
        """Bytes of the number of entries."""
        return 8 if self.big else 2

    @property
    def word(self) -> int:
        """Bytes of a place, and of a number of values."""
        return 8 if self.big else 4

    def short(self, place: int) -> int:
        return int(struct.unpack_from(self.order + "H", self.data, self._inside(place, 2))[0])

    def long(self, place: int) -> int:
        return int(struct.unpack_from(self.order + "I", self.data, self._inside(place, 4))[0])

    def pointer(self, place: int) -> int:
        form = self.order + ("Q" if self.big else "I")
        return int(struct.unpack_from(form, self.data, self._inside(place, self.word))[0])

    def count(self, place: int) -> int:
        """How many entries the list at `place` has."""
        return self.pointer(place) if self.big else self.short(place)

    def value_at(self, entry: int) -> int:
        """Where an entry has its value, or the place of it."""
        return entry + 4 + self.word

    def _inside(self, place: int, size: int) -> int:
        if place < self.start or place + size > self.end:
            raise Damaged("its EXIF data points outside itself")
        return place

    def blank(self, place: int, size: int) -> None:
        self._inside(place, size)
        self.take(size)
        self.data[place : place + size] = bytes(size)


def scrub(data: bytearray, start: int, end: int) -> list[Found]:
    """Blank place and device in the TIFF structure at `data[start:end]`; say what was there.

    What says nothing (blanks, zeros) is removed and not mentioned. Raises `Damaged`, perhaps with
    some of it blanked.
    """
    block = _opened(data, start, end)
    removed: list[Found] = []
    seen: set[int] = set()
    for place in _chain(block):
        _scrub_ifd(block, place, removed, seen)
    return removed[::-1]  # entries are taken out from behind


def set_upright(data: bytearray, start: int, end: int) -> bool:
    """Set the orientation to 1 (upright); True if it was another one."""
    block = _opened(data, start, end)
    changed = False
    for place in _chain(block)[:1]:
        for entry in _entries(block, place):
            value = block.value_at(entry)
            if block.short(entry) == ORIENTATION and block.short(value) != 1:
                struct.pack_into(block.order + "H", data, value, 1)
                changed = True
    return changed


_ORDERS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}


def _opened(data: bytearray, start: int, end: int) -> _Block:
    order = _ORDERS.get(bytes(data[start : start + 4]))
    if order is None:
        raise Damaged("its EXIF data has no known beginning")
    left = min(4 * (end - start) + (1 << 16), 1 << 27)
    return _Block(data, start, end, order, b"+" in data[start : start + 4], left)


def _chain(block: _Block) -> list[int]:
    """Places of the main IFDs: the picture's, then the thumbnail's (in a TIFF, the pages')."""
    places: list[int] = []
    seen: set[int] = set()
    offset = block.pointer(block.start + (8 if block.big else 4))
    while offset and block.start + offset not in seen and len(places) < 1000:
        place = block.start + offset
        places.append(place)
        seen.add(place)
        offset = block.pointer(place + block.head + block.item * block.count(place))
    return places


def _entries(block: _Block, place: int) -> range:
    """Places of the entries of an IFD."""
    first, size = place + block.head, block.item * block.count(place)
    block.take(size)
    if first + size > block.end:
        raise Damaged("its EXIF data points outside itself")
    return range(first, first + size, block.item)


def _scrub_ifd(
    block: _Block, place: int, removed: list[Found], seen: set[int], depth: int = 0
) -> None:
    if place in seen:
        return  # many entries may lead to the same list
    if depth > 4:
        raise Damaged("its EXIF data is nested too deeply")
    seen.add(place)
    entries = _entries(block, place)
    on_earth = any(block.short(entry) == _GEO_KEYS for entry in entries)
    for entry in reversed(entries):
        tag, value = block.short(entry), block.value_at(entry)
        if tag == _GPS_IFD:
            where = block.start + block.pointer(value)
            if not block.count(where):
                continue  # it says nothing
            for inner in _entries(block, where):
                if block.short(inner) not in _NO_POSITION and says(_value(block, inner)):
                    removed.append(_POSITION)
                _blank_value(block, inner)
            size = block.head + block.item * block.count(where) + block.word
            block.blank(where, size)
            _remove(block, place, entry)
        elif tag in PRIVATE_TAGS or (on_earth and tag in _GEO_PLACES | _GEO_REST):
            if tag not in _GEO_REST and says(value_of := _value(block, entry)):
                removed.append(PRIVATE_TAGS.get(tag, _GEO))
                if tag in _NOTE_TAGS:
                    removed += _in_notes(value_of, depth)
            _blank_value(block, entry)
            _remove(block, place, entry)
        elif tag in (_EXIF_IFD, _INTEROP_IFD):
            _scrub_ifd(block, block.start + block.pointer(value), removed, seen, depth + 1)
        elif tag == _SUB_IFDS:
            for where in _places(block, entry):
                _scrub_ifd(block, block.start + where, removed, seen, depth + 1)
        elif block.short(entry + 2) in _TEXT_TYPES:
            _blank_positions(block, entry, removed)


def _in_notes(value: bytes, depth: int) -> list[Found]:
    """The position that maker notes hold: as EXIF of their own, in JSON, in words."""
    found: list[Found] = []
    for magic in _ORDERS:
        place, tried = value.find(magic), 0
        while place >= 0 and tried < _INNER and depth <= 4:
            inner = _opened(bytearray(value[place:]), 0, len(value) - place)
            with contextlib.suppress(Damaged, struct.error, IndexError):
                for where in _chain(inner):
                    _scrub_ifd(inner, where, found, set(), depth + 1)
            place, tried = value.find(magic, place + 4), tried + 1
    if blanked_bytes(value) != value:
        found.append(_NOTED)
    return [one for one in found if one.kind is Kind.POSITION][:1]


def _blank_positions(block: _Block, entry: int, removed: list[Found]) -> None:
    """Those that a text of the entry says."""
    value = _value(block, entry)
    changed = blanked_bytes(value)
    if changed != value:
        place = _value_place(block, entry)
        block.data[place : place + len(value)] = changed
        removed.append(_NOTED)


def _places(block: _Block, entry: int) -> list[int]:
    count = block.pointer(entry + 4)
    if count == 1:
        return [block.pointer(block.value_at(entry))]
    base = block.start + block.pointer(block.value_at(entry))
    wide = block.big and block.short(entry + 2) in (16, 18)
    read, size = (block.pointer, 8) if wide else (block.long, 4)
    return [read(base + size * n) for n in range(min(count, 100))]


def _size(block: _Block, entry: int) -> int:
    return _SIZES.get(block.short(entry + 2), 1) * block.pointer(entry + 4)


def _value_place(block: _Block, entry: int) -> int:
    value = block.value_at(entry)
    return value if _size(block, entry) <= block.word else block.start + block.pointer(value)


def _value(block: _Block, entry: int) -> bytes:
    place = _value_place(block, entry)
    size = min(_size(block, entry), 1 << 16)
    block.take(size)
    return bytes(block.data[place : min(place + size, block.end)])


def _blank_value(block: _Block, entry: int) -> None:
    size = _size(block, entry)
    if size > block.word:
        block.blank(block.start + block.pointer(block.value_at(entry)), size)


def _remove(block: _Block, place: int, entry: int) -> None:
    """Take an entry out: the following ones, and the pointer behind them, move up."""
    count, item = block.count(place), block.item
    end = place + block.head + item * count + block.word
    block.take(end - entry)
    block.data[entry : end - item] = block.data[entry + item : end]
    block.blank(end - item, item)
    struct.pack_into(block.order + ("Q" if block.big else "H"), block.data, place, count - 1)


_UTF16 = range(0x9C9B, 0x9CA0)  # XPTitle, XPComment, XPAuthor, XPKeywords, XPSubject
_TEXT_TYPES = frozenset({1, 2, 7, 129})


def texts(data: bytearray, start: int, end: int) -> Iterator[str]:
    """All texts in the TIFF structure at `data[start:end]`. Raises `Damaged`."""
    for text in _texts(_opened(data, start, end)):
        if text.strip("\0 "):
            yield text


def _texts(block: _Block) -> Iterator[str]:
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
                pending.append(block.start + block.pointer(block.value_at(entry)))
            elif tag == _SUB_IFDS:
                pending += (block.start + where for where in _places(block, entry))
            elif kind in _TEXT_TYPES:
                value = _value(block, entry)
                if tag in _UTF16:
                    yield value.decode("utf-16-le", "replace")
                elif value.startswith(b"UNICODE\0"):  # of a user's comment
                    order = "utf-16-le" if block.order == "<" else "utf-16-be"
                    yield from (value[8:].decode(code, "replace") for code in (order, "utf-8"))
                else:
                    yield value.decode("utf-8", "replace")
