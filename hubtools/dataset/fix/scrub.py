"""Blank place and device in JPEG, PNG, WebP and TIFF files; the pictures' own data is not read.

Blocks are overwritten where they are: files keep their size (but for compressed text in PNG), so
that whatever else points into them stays true.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable

from hubtools.dataset.fix import exif
from hubtools.dataset.fix.exif import Damaged
from hubtools.dataset.fix.texts import scrub_iptc, scrub_xmp, upright_xmp

_PNG = b"\x89PNG\r\n\x1a\n"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"

Removed = list[str]
# What of the things that `scrub` says it has removed tells where a picture was taken.
PLACES = frozenset({"the GPS position", "place or device in XMP", "the place in IPTC"})


def scrub(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The file without position, serial numbers, maker notes and names of places, and what of it
    there was. Other formats come back as they are. Raises `Damaged`."""
    return _run(data, _Scrub())


def upright(data: bytes) -> bytes:
    """The file with its orientation tags set to 1; the pixels stay. Raises `Damaged`."""
    return _run(data, _Upright())[0]


class _Scrub:
    """What to do with each kind of block; `removed` collects what was there."""

    def __init__(self) -> None:
        self.removed: Removed = []

    def tiff(self, data: bytearray, start: int, end: int) -> None:
        self.removed += exif.scrub(data, start, end)

    def xmp(self, data: bytes) -> bytes:
        cleaned, there = scrub_xmp(data)
        if there:
            self.removed.append("place or device in XMP")
        return cleaned

    def iptc(self, data: bytes) -> bytes:
        cleaned, there = scrub_iptc(data)
        if there:
            self.removed.append("the place in IPTC")
        return cleaned


class _Upright(_Scrub):
    def tiff(self, data: bytearray, start: int, end: int) -> None:
        exif.set_upright(data, start, end)

    def xmp(self, data: bytes) -> bytes:
        return upright_xmp(data)[0]

    def iptc(self, data: bytes) -> bytes:
        return data


def _run(data: bytes, work: _Scrub) -> tuple[bytes, tuple[str, ...]]:
    buffer = bytearray(data)
    try:
        if data.startswith(b"\xff\xd8\xff"):
            _jpeg(buffer, work)
        elif data.startswith(_PNG):
            buffer = _png(data, work)
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            _webp(buffer, work)
        elif data[:4] in (b"II*\0", b"MM\0*"):
            work.tiff(buffer, 0, len(buffer))
    except (struct.error, zlib.error, IndexError) as error:
        raise Damaged(f"its metadata cannot be read: {error}") from None
    return bytes(buffer), tuple(dict.fromkeys(work.removed))


# --- JPEG ----------------------------------------------------------------------------------------


def _jpeg(data: bytearray, work: _Scrub) -> None:
    """Segments up to the first scan; then the Exif blocks of further pictures in the file (an MPO's
    preview has its own)."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            raise Damaged("its JPEG segments do not follow each other")
        kind = data[place + 1]
        if kind == 0xFF:  # fill byte
            place += 1
            continue
        if kind in (0xDA, 0xD9):
            break
        if kind == 0x01 or 0xD0 <= kind <= 0xD7:
            place += 2
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        if end > len(data):
            raise Damaged("its JPEG header is cut off")
        _segment(data, kind, place + 4, end, work)
        place = end
    for match in re.finditer(rb"\xff\xe1(..)Exif\0\0", bytes(data[place:]), re.DOTALL):
        begin = place + match.start() + 4
        end = begin - 2 + int.from_bytes(match[1], "big")
        if end <= len(data):
            _segment(data, 0xE1, begin, end, work)


def _segment(data: bytearray, kind: int, start: int, end: int, work: _Scrub) -> None:
    content = bytes(data[start:end])
    if kind == 0xE1 and content.startswith(b"Exif\0"):
        work.tiff(data, start + 6, end)
    elif kind == 0xE1 and content.startswith((_XMP, _XMP_MORE)):
        data[start:end] = work.xmp(content)
    elif kind == 0xED and content.startswith(b"Photoshop 3.0\0"):
        _photoshop(data, start + 14, end, work)


def _photoshop(data: bytearray, place: int, end: int, work: _Scrub) -> None:
    """Image resource blocks (Adobe Photoshop file formats): `8BIM`, id, name, size, data."""
    while place + 12 <= end and data[place : place + 4] == b"8BIM":
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
            work.tiff(data, start, start + size)
        elif id == 0x0424:
            data[start : start + size] = work.xmp(bytes(data[start : start + size]))
        place = start + size + size % 2


# --- PNG -----------------------------------------------------------------------------------------


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(kind, content) of all chunks up to IEND. Raises `Damaged` if one is cut off."""
    chunks: list[tuple[bytes, bytes]] = []
    place = len(_PNG)
    while place < len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        end = place + 12 + length
        if end > len(data):
            raise Damaged("it is cut off")
        chunks.append((kind, data[place + 8 : end - 4]))
        place = end
        if kind == b"IEND":
            break
    return chunks


def png_file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of these chunks, with their checksums."""
    parts = [_PNG]
    for kind, content in chunks:
        checksum = zlib.crc32(kind + content)
        parts += [struct.pack(">I", len(content)), kind, content, struct.pack(">I", checksum)]
    return b"".join(parts)


def _png(data: bytes, work: _Scrub) -> bytearray:
    chunks = [(kind, _chunk(kind, content, work)) for kind, content in png_chunks(data)]
    if chunks == png_chunks(data):
        return bytearray(data)  # whatever follows IEND stays as well
    return bytearray(png_file(chunks))


def _chunk(kind: bytes, content: bytes, work: _Scrub) -> bytes:
    if kind == b"eXIf":
        block = bytearray(content)
        work.tiff(block, 0, len(block))
        return bytes(block)
    if kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0"):
        packed = content[18:19] == b"\1"
        text = content.find(b"\0", content.find(b"\0", 20) + 1) + 1
        return _text(content, text, packed, work.xmp)
    if kind in (b"tEXt", b"zTXt") and content.startswith(b"Raw profile type "):
        # ImageMagick writes blocks as lines of hexadecimal digits
        name, _, _rest = content.partition(b"\0")
        handle = _PROFILES.get(name.removeprefix(b"Raw profile type ").lower())
        if handle is not None:
            start = len(name) + (2 if kind == b"zTXt" else 1)
            return _text(content, start, kind == b"zTXt", lambda text: handle(text, work))
    return content


def _text(content: bytes, start: int, packed: bool, change: Callable[[bytes], bytes]) -> bytes:
    """The chunk with its text changed; untouched texts are not packed anew."""
    text = zlib.decompress(content[start:]) if packed else content[start:]
    changed = change(text)
    if changed == text:
        return content
    return content[:start] + (zlib.compress(changed, 9) if packed else changed)


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


def _exif_profile(text: bytes, work: _Scrub) -> bytes:
    def change(block: bytearray) -> bytearray:
        start = 6 if block.startswith(b"Exif\0\0") else 0
        work.tiff(block, start, len(block))
        return block

    return _hex(text, change)


def _app1_profile(text: bytes, work: _Scrub) -> bytes:
    def change(block: bytearray) -> bytearray:
        if block.startswith(b"Exif\0\0"):
            work.tiff(block, 6, len(block))
            return block
        return bytearray(work.xmp(bytes(block)))

    return _hex(text, change)


def _xmp_profile(text: bytes, work: _Scrub) -> bytes:
    return _hex(text, lambda block: bytearray(work.xmp(bytes(block))))


def _iptc_profile(text: bytes, work: _Scrub) -> bytes:
    def change(block: bytearray) -> bytearray:
        if block.startswith(b"8BIM"):
            _photoshop(block, 0, len(block), work)
            return block
        return bytearray(work.iptc(bytes(block)))

    return _hex(text, change)


_PROFILES: dict[bytes, Callable[[bytes, _Scrub], bytes]] = {
    b"exif": _exif_profile,
    b"app1": _app1_profile,
    b"xmp": _xmp_profile,
    b"iptc": _iptc_profile,
    b"8bim": _iptc_profile,
}


# --- WebP ----------------------------------------------------------------------------------------


def _webp(data: bytearray, work: _Scrub) -> None:
    place = 12
    while place + 8 <= len(data):
        kind = bytes(data[place : place + 4])
        start = place + 8
        end = start + int.from_bytes(data[place + 4 : start], "little")
        if end > len(data):
            raise Damaged("it is cut off")
        if kind == b"EXIF":
            prefix = 6 if data[start : start + 6] == b"Exif\0\0" else 0
            work.tiff(data, start + prefix, end)
        elif kind == b"XMP ":
            data[start:end] = work.xmp(bytes(data[start:end]))
        place = end + (end - start) % 2
