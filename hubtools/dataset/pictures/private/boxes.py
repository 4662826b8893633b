"""Files made of boxes (ISO base media: HEIC, AVIF, MP4, MOV; JPEG XL), for which there may be no
decoder here: what of them is coded picture or sound, and hence must stay byte for byte."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import NamedTuple

from hubtools.dataset.pictures.private.kinds import Damaged

# By the brand behind `ftyp`. Raw files of cameras (crx) are not among them.
_BRANDS = (
    b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis",
    b"mp41", b"mp42", b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"M4V ", b"qt  ", b"3gp4",
    b"3gp5", b"3gp6", b"3gs7", b"avc1", b"mp71", b"MSNV",
)  # fmt: skip
_JXL = b"\0\0\0\x0cJXL \r\n\x87\n"
_CODED = frozenset({b"mdat", b"jxlc", b"jxlp", b"idat"})
_MOST_BOXES = 10_000


class _Box(NamedTuple):
    kind: bytes
    start: int  # of its content
    end: int


def is_boxed(data: bytes) -> bool:
    """True for the kinds of files above, by their first bytes."""
    return data.startswith(_JXL) or (data[4:8] == b"ftyp" and data[8:12] in _BRANDS)


def coded(data: bytes) -> str:
    """SHA-256 over all that is not metadata, with its place. Raises `Damaged` if the boxes do not
    fill the file, or if it cannot be told which of it is metadata."""
    digest = hashlib.sha256()
    for start, end in _coded_ranges(data):
        digest.update(f"{start} {end} ".encode())
        digest.update(memoryview(data)[start:end])
    return digest.hexdigest()


def _coded_ranges(data: bytes) -> list[tuple[int, int]]:
    boxes = list(_boxes(data, 0, len(data)))
    items = [
        extent
        for box in boxes
        if box.kind == b"meta"
        for extent in _metadata_items(data, box.start, box.end)
    ]
    ranges = []
    for box in boxes:
        if box.kind not in _CODED:
            continue
        start = box.start
        for first, last in sorted(items):
            if start <= first and last <= box.end:
                ranges.append((start, first))
                start = last
        ranges.append((start, box.end))
    return ranges


def _boxes(data: bytes, place: int, end: int) -> Iterator[_Box]:
    seen = 0
    while place + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, place)
        start = place + 8
        if size == 1:
            size = struct.unpack_from(">Q", data, start)[0] if start + 8 <= end else 0
            start += 8
        last = end if size == 0 else place + size
        seen += 1
        if last > end or last < start or seen > _MOST_BOXES:
            raise Damaged("its boxes do not fill it")
        yield _Box(kind, start, last)
        place = last
    if any(data[place:end]):
        raise Damaged("its boxes do not fill it")


def _metadata_items(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """(start, end) of the parts of the items that are EXIF or XMP (ISO 14496-12, 8.11)."""
    inner = {box.kind: box for box in _boxes(data, start + 4, end)}
    if b"iinf" not in inner or b"iloc" not in inner:
        return []
    wanted = set(_items_called(data, inner[b"iinf"]))
    return [extent for item, extent in _extents(data, inner[b"iloc"]) if item in wanted]


def _items_called(data: bytes, box: _Box) -> Iterator[int]:
    skip = 6 if data[box.start] == 0 else 8
    for entry in _boxes(data, box.start + skip, box.end):
        version = data[entry.start]
        if entry.kind != b"infe" or version < 2:
            continue
        wide = version > 2
        item = int.from_bytes(data[entry.start + 4 : entry.start + (8 if wide else 6)], "big")
        kind = data[entry.start + (10 if wide else 8) :][:4]
        xmp = kind == b"mime" and b"application/rdf+xml" in data[entry.start : entry.end]
        if kind == b"Exif" or xmp:
            yield item


def _extents(data: bytes, box: _Box) -> Iterator[tuple[int, tuple[int, int]]]:
    version, sizes, more = data[box.start], data[box.start + 4], data[box.start + 5]
    widths = (sizes >> 4, sizes & 15, more >> 4, more & 15 if version else 0)
    if version > 2 or any(width not in (0, 4, 8) for width in widths):
        raise Damaged("its list of items cannot be read")
    reader = _Reader(data, box.start + 6, box.end)
    for _ in range(reader.number(4 if version == 2 else 2)):
        item = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base = reader.number(widths[2])
        for _ in range(reader.number(2)):
            reader.number(widths[3])
            start = base + reader.number(widths[0])
            length = reader.number(widths[1])
            if method == 0 and length:  # places in the file
                yield item, (start, start + length)


class _Reader:
    def __init__(self, data: bytes, place: int, end: int) -> None:
        self._data, self._place, self._end = data, place, end

    def number(self, width: int) -> int:
        place, self._place = self._place, self._place + width
        if self._place > self._end:
            raise Damaged("its list of items cannot be read")
        return int.from_bytes(self._data[place : self._place], "big")
