"""Blocks of metadata that programs keep within others: image resources of Photoshop, and profiles
in texts of a PNG."""

from __future__ import annotations

import re
from collections.abc import Callable

from hubtools.dataset.pictures.private.kinds import Damaged
from hubtools.dataset.pictures.private.strays import Work

TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
RESOURCE = b"8BIM"
RAW_PROFILE = b"raw profile type "  # in small letters: what ImageMagick calls such a text
_EXIF = b"Exif\0\0"


def _prefix(data: bytearray, start: int) -> int:
    """Bytes of the mark before EXIF, which some programs take along."""
    return len(_EXIF) if data.startswith(_EXIF, start) else 0


def photoshop(data: bytearray, place: int, end: int, work: Work) -> None:
    """Image resource blocks (Adobe Photoshop file formats): `8BIM`, id, name, size, data."""
    while place + 12 <= end and data.startswith(RESOURCE, place):
        id = int.from_bytes(data[place + 4 : place + 6], "big")
        name = data[place + 6] + 1
        size_at = place + 6 + name + name % 2
        size = int.from_bytes(data[size_at : size_at + 4], "big")
        start = size_at + 4
        if start + size > end:
            raise Damaged("its Photoshop data is cut off")
        if id == 0x0404:
            data[start : start + size] = work.iptc(bytes(data[start : start + size]))
        elif id in (0x0422, 0x0423):
            work.tiff(data, start + _prefix(data, start), start + size)
        elif id == 0x0424:
            data[start : start + size] = work.xmp(bytes(data[start : start + size]))
        place = start + size + size % 2


def raw_profile(name: bytes, text: bytes, work: Work) -> bytes:
    """A profile in lines of hexadecimal digits. What it is, its first bytes say; where these do
    not, its name. Raises `Damaged` for one of a name that counts which cannot be read."""
    kind = name.lower().removeprefix(RAW_PROFILE)

    def change(block: bytearray) -> bytearray:
        start = _prefix(block, 0)
        if start or block[:4] in TIFFS or kind == b"exif":
            work.tiff(block, start, len(block))
        elif block.startswith(RESOURCE):
            photoshop(block, 0, len(block), work)
        elif kind in (b"iptc", b"8bim"):
            return bytearray(work.iptc(bytes(block)))
        elif kind in (b"xmp", b"app1") or b"<x:xmpmeta" in block or b"<rdf:RDF" in block:
            return bytearray(work.xmp(bytes(block)))
        return block

    try:
        return _hex(text, change)
    except Damaged:
        if kind in _NAMES:
            raise
        return work.text(name, text)


_NAMES = (b"exif", b"app1", b"xmp", b"iptc", b"8bim")


def _hex(text: bytes, change: Callable[[bytearray], bytearray]) -> bytes:
    match = re.match(rb"\s*\w+\s+\d+\s", text)
    if match is None:
        raise Damaged("a profile in its text cannot be read")
    try:
        block = bytearray.fromhex(text[match.end() :].decode("ascii"))
    except ValueError:
        raise Damaged("a profile in its text cannot be read") from None
    before = bytes(block)
    changed = bytes(change(block))
    if changed == before:
        return text
    digits = iter(changed.hex().encode())
    rest = text[match.end() :]
    return text[: match.end()] + bytes(
        mark if chr(mark).isspace() else next(digits, mark) for mark in rest
    )
