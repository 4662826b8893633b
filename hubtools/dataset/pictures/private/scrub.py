"""Blank place, people and device in picture files; the pictures' own data is not read.

JPEG, PNG, WebP and TIFF are read block by block; in other files (AVIF, HEIC, JPEG XL, GIF, films)
and behind the end of those, EXIF and XMP are looked for by their first bytes. Blocks are
overwritten where they are: files keep their size (but for compressed text in PNG), so that whatever
else points into them stays true.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import struct
import zlib
from collections.abc import Callable

from hubtools.dataset.pictures.private import exif
from hubtools.dataset.pictures.private.kinds import Damaged, Found
from hubtools.dataset.pictures.private.png_blocks import PNG, beside_pixels, chunk_places, png_file
from hubtools.dataset.pictures.private.profiles import (
    RAW_PROFILE,
    RESOURCE,
    TIFFS,
    photoshop,
    raw_profile,
)
from hubtools.dataset.pictures.private.strays import Work, blank_strays
from hubtools.dataset.pictures.private.texts import upright_xmp

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_XMP_MORE = b"http://ns.adobe.com/xmp/extension/\0"


def scrub(data: bytes) -> tuple[bytes, tuple[Found, ...]]:
    """The file without position, people, serial numbers, maker notes and names of places, and what
    of it there was. Other formats come back as they are, and so does a file with nothing
    of it: an entry that says nothing is no reason to write it anew. Raises `Damaged`."""
    cleaned, removed = _run(data, Work())
    return (cleaned, removed) if removed else (data, ())


def look(data: bytes, work: Work) -> None:
    """Let `work` see every block; what it gives back is thrown away. Never raises for what the
    bytes hold: damaged blocks are passed over."""
    if _is_nothing(data):
        return
    try:
        # pixels are most of a PNG, and packed: no text is found in them
        _blanked(beside_pixels(data) if data.startswith(PNG) else data, work)
    except DAMAGES:
        look_for_strays(data, work)


def look_for_strays(data: bytes, work: Work) -> None:
    """The same, of blocks that lie anywhere in a piece of a file, and of comments of a GIF."""
    if _is_nothing(data):
        return
    with contextlib.suppress(*DAMAGES):
        blank_strays(bytearray(data), 0, work)


def _is_nothing(data: bytes) -> bool:
    """Zeros, as holes of a file are read."""
    return data[:1] == b"\0" and data.count(0) == len(data)


def upright(data: bytes) -> bytes:
    """The file with its orientation tags set to 1; the pixels stay. Raises `Damaged`."""
    return _run(data, _Upright())[0]


class _Upright(Work):
    strays = False

    def tiff(self, data: bytearray, start: int, end: int) -> None:
        exif.set_upright(data, start, end)

    def xmp(self, data: bytes) -> bytes:
        return upright_xmp(data)[0]

    def film(self, data: bytearray, start: int, end: int) -> None:
        pass

    def iptc(self, data: bytes) -> bytes:
        return data

    def drop(self, content: bytes) -> bool:
        return False

    def text(self, keyword: bytes, text: bytes) -> bytes:
        return text


DAMAGES = (Damaged, struct.error, zlib.error, IndexError, ValueError, OverflowError)


def _run(data: bytes, work: Work) -> tuple[bytes, tuple[Found, ...]]:
    return bytes(_blanked(data, work)), tuple(dict.fromkeys(work.removed))


def _blanked(data: bytes, work: Work) -> bytearray:
    rest = 0  # what follows has not been read block by block
    try:
        if data.startswith(PNG):
            buffer, rest = _png(data, work)
        else:
            buffer = bytearray(data)
        if data.startswith(b"\xff\xd8\xff"):
            _jpeg(buffer, work)
            rest = 2
        elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            _webp(buffer, work)
            rest = 12
        elif data[:4] in TIFFS:
            work.tiff(buffer, 0, len(buffer))
            rest = 8
        elif data.startswith(b"GIF8"):
            _gif(buffer, work)
    except (struct.error, zlib.error, IndexError) as error:
        raise Damaged(f"its metadata cannot be read: {error}") from None
    if work.strays:
        blank_strays(buffer, rest, work)
    return buffer


# --- JPEG ----------------------------------------------------------------------------------------


def _jpeg(data: bytearray, work: Work) -> None:
    """Segments up to the first scan; then the Exif blocks of further pictures in the file (an MPO's
    preview has its own)."""
    place = 2
    more: list[tuple[int, int]] = []
    blocks: list[_Block] = []
    last: dict[int, _Block] = {}
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
        if kind == 0xE1 and data.startswith(_XMP_MORE, place + 4):
            more.append((place + 4, end))
        elif not _goes_on(data, kind, place + 4, end, blocks, last):
            _segment(data, kind, place + 4, end, work)
        place = end
    for block in blocks:
        _joined(data, block, work)
    _extended_xmp(data, more, work)
    for match in re.finditer(rb"\xff\xe1(..)Exif\0\0", bytes(data[place:]), re.DOTALL):
        begin = place + match.start() + 4
        end = begin - 2 + int.from_bytes(match[1], "big")
        if end <= len(data):
            _segment(data, 0xE1, begin, end, work)


_EXIF, _PHOTOSHOP = b"Exif\0", b"Photoshop 3.0\0"
_Block = tuple[int, list[tuple[int, int]]]  # the kind of its segments, and (start, end) in each


def _goes_on(
    data: bytearray, kind: int, start: int, end: int, blocks: list[_Block], last: dict[int, _Block]
) -> bool:
    """True for a segment of EXIF or of Photoshop's blocks, which may go on with what one began
    before it (`last`, by kind): programs cut so what is longer than 64 kB."""
    if kind == 0xE1 and data.startswith(_EXIF, start):
        start += 6
        begins = data[start : start + 4] in TIFFS
    elif kind == 0xED and data.startswith(_PHOTOSHOP, start):
        start += len(_PHOTOSHOP)
        begins = data.startswith(RESOURCE, start)
    else:
        return False
    if begins or kind not in last:
        last[kind] = (kind, [])
        blocks.append(last[kind])
    last[kind][1].append((start, end))
    return True


def _joined(data: bytearray, block: _Block, work: Work) -> None:
    """Its pieces as one, each of which stays as long as it is."""
    kind, pieces = block
    whole = bytearray().join(data[start:end] for start, end in pieces)
    if kind == 0xE1:
        work.tiff(whole, 0, len(whole))
    else:
        photoshop(whole, 0, len(whole), work)
    place = 0
    for start, end in pieces:
        data[start:end] = whole[place : place + end - start]
        place += end - start


_HEAD = len(_XMP_MORE) + 40  # then a digest of 32 letters, the whole length, and the place in it


def _extended_xmp(data: bytearray, segments: list[tuple[int, int]], work: Work) -> None:
    """XMP beyond 64 kB lies in several segments (XMP specification, part 3, 1.1.3.1), which may cut
    anything in two. The digest in the main packet is set anew, or readers would pass it by."""
    parts = [(start + _HEAD, end) for start, end in segments if end - start >= _HEAD]
    parts.sort(key=lambda part: bytes(data[part[0] - _HEAD : part[0]]))  # by digest, then place
    whole = b"".join(bytes(data[start:end]) for start, end in parts)
    cleaned = work.xmp(whole)
    if cleaned == whole or len(cleaned) != len(whole):
        return
    olds = {bytes(data[start - 40 : start - 8]) for start, _ in parts}
    place = 0
    for start, end in parts:
        data[start:end] = cleaned[place : place + end - start]
        place += end - start
    if len(olds) == 1 and re.fullmatch(rb"[0-9A-Fa-f]{32}", old := olds.pop()):
        new = hashlib.md5(cleaned, usedforsecurity=False).hexdigest().upper().encode()
        data[:] = data.replace(old, new)


def _segment(data: bytearray, kind: int, start: int, end: int, work: Work) -> None:
    content = bytes(data[start:end])
    if kind == 0xE1 and content.startswith(_EXIF):
        work.tiff(data, start + 6, end)
    elif kind == 0xE1 and content.startswith(_XMP):
        data[start:end] = work.xmp(content)
    elif kind == 0xFE:
        data[start:end] = work.text(b"comment", content)


# --- PNG -----------------------------------------------------------------------------------------


def _png(data: bytes, work: Work) -> tuple[bytearray, int]:
    """The file, and where it ends: whatever follows IEND stays."""
    places = chunk_places(data)
    end = places[-1][2] + 4 if places else len(PNG)
    if _OTHERS.issuperset([kind for kind, _, _ in places]):
        return bytearray(data), end
    before = [(kind, data[start:end_of]) for kind, start, end_of in places]
    chunks = [
        (kind, _chunk(kind, content, work))
        for kind, content in before
        if not (kind in _TEXTS and content.lower().startswith(_COPIED) and work.drop(content))
    ]
    if chunks == before:
        return bytearray(data), end
    whole = png_file(chunks)
    return bytearray(whole + data[end:]), len(whole)


_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
# ImageMagick copies tags into texts of their own; a keyword says it all.
_COPIED = (b"exif:gps", b"exif:bodyserialnumber", b"exif:cameraownername", b"exif:lensserialnumber")
# Chunks that are no metadata, or signed.
_OTHERS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"fdAT", b"iCCP", b"caBX"})


def _chunk(kind: bytes, content: bytes, work: Work) -> bytes:
    if kind == b"eXIf":
        block = bytearray(content)
        work.tiff(block, 0, len(block))
        return bytes(block)
    if kind not in _TEXTS:
        if kind in _OTHERS or not work.strays or len(content) < 8:
            return content
        other = bytearray(content)
        blank_strays(other, 0, work)
        return bytes(other)
    name = content.partition(b"\0")[0]
    start = len(name) + (2 if kind == b"zTXt" else 1)
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = content[start : start + 1] == b"\1"
        start = content.find(b"\0", content.find(b"\0", start + 2) + 1) + 1
    if name == b"XML:com.adobe.xmp":
        return _text(content, start, packed, work, work.xmp)
    # ImageMagick writes blocks as lines of hexadecimal digits
    if name.lower().startswith(RAW_PROFILE):
        return _text(content, start, packed, work, lambda text: raw_profile(name, text, work))
    return _text(content, start, packed, work, lambda text: work.text(name, text))


def _text(
    content: bytes, start: int, packed: bool, work: Work, change: Callable[[bytes], bytes]
) -> bytes:
    """The chunk with its text changed; untouched texts are not packed anew."""
    text = _unpacked(content[start:], work) if packed else content[start:]
    changed = change(text)
    if changed == text:
        return content
    return content[:start] + (zlib.compress(changed, 9) if packed else changed)


def _unpacked(data: bytes, work: Work) -> bytes:
    unpack = zlib.decompressobj()
    text = unpack.decompress(data, max(work.left, 1))
    work.take(len(text) + len(unpack.unconsumed_tail))
    return text


# --- WebP ----------------------------------------------------------------------------------------


def _webp(data: bytearray, work: Work) -> None:
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


# --- GIF -----------------------------------------------------------------------------------------


def _gif(data: bytearray, work: Work) -> None:
    """Comments (GIF89a, 24): blocks of up to 255 bytes."""
    place, seen = data.find(b"\x21\xfe"), 0
    while place >= 0 and seen < 1000:
        at, parts = place + 2, []
        while at < len(data) and data[at]:
            parts.append((at + 1, min(at + 1 + data[at], len(data))))
            at += 1 + data[at]
        changed = work.text(b"comment", b"".join(bytes(data[a:b]) for a, b in parts))
        for start, end in parts:
            data[start:end], changed = changed[: end - start], changed[end - start :]
        place, seen = data.find(b"\x21\xfe", at), seen + 1
