"""What is done with blocks of metadata, and those that lie anywhere in a file."""

from __future__ import annotations

import re
import struct

from hubtools.dataset.pictures.private import exif
from hubtools.dataset.pictures.private.gopro import positions
from hubtools.dataset.pictures.private.kinds import Damaged, Found, Kind, TooMuch
from hubtools.dataset.pictures.private.texts import scrub_iptc, scrub_xmp
from hubtools.dataset.text.positions import blanked_bytes
from hubtools.patterns import regex

_SERIAL = Found(Kind.OWNER, "the camera's serial number", "BodySerialNumber")


_UNPACKED = 64_000_000  # bytes of the packed texts of one file


class Work:
    """What to do with each kind of block, as it is for `scrub`; `removed` collects what was there,
    `stuck` what has to stay."""

    strays = True

    def __init__(self) -> None:
        self.removed: list[Found] = []
        self.stuck: list[Found] = []
        self.left = _UNPACKED

    def take(self, size: int) -> None:
        """So many bytes of it were unpacked. Raises `TooMuch` when that is more than one file's
        texts may have together."""
        self.left -= size
        if self.left < 0:
            raise TooMuch(f"the texts in it unpack to more than {_UNPACKED // 10**6} MB")

    def tiff(self, data: bytearray, start: int, end: int) -> None:
        self.removed += exif.scrub(data, start, end)

    def xmp(self, data: bytes) -> bytes:
        cleaned, there = scrub_xmp(data)
        self.removed += there
        return cleaned

    def iptc(self, data: bytes) -> bytes:
        cleaned, there = scrub_iptc(data)
        self.removed += there
        return cleaned

    def film(self, data: bytearray, start: int, end: int) -> None:
        """The position in a film: its digits become zeros."""
        data[start:end] = re.sub(rb"\d", b"0", bytes(data[start:end]))
        self.removed.append(_IN_FILM)

    def drop(self, content: bytes) -> bool:
        """True if a text of a PNG, which is a copy of a tag, is to go."""
        position = content.lower().startswith(b"exif:gps")
        found = Found(Kind.POSITION, "the GPS position", "GPS") if position else _SERIAL
        self.removed.append(found)
        return True

    def text(self, keyword: bytes, text: bytes) -> bytes:
        """A text of a PNG, the comment of a GIF or a JPEG: digits of positions in it become
        zeros."""
        changed = blanked_bytes(text, keyword)
        if changed != text:
            self.removed.append(Found(Kind.POSITION, "a position in a comment", "GPS"))
        return changed


# Magic, and how far behind it the block begins.
_TIFFS = (
    (b"II*\0", 0),
    (b"MM\0*", 0),
    (b"Exif\0\0II*\0", 6),
    (b"Exif\0\0MM\0*", 6),
)
_XMP_ENDS = (("<x:xmpmeta", "</x:xmpmeta>"), ("<rdf:RDF", "</rdf:RDF>"))
_XMPS = tuple(
    (opens.encode(codec), closes.encode(codec))
    for codec in ("ascii", "utf-16-le", "utf-16-be")
    for opens, closes in _XMP_ENDS
)
_STRAY_TIFF = 1 << 18  # EXIF is hardly ever beyond 64 kB
_STRAY_XMP = 4_000_000
_MOST_STRAYS = 200
# Where films say it, ISO 6709: +48.1370+011.5750/
_FILM = regex(
    rb"(\xa9xyz.{4}|(?:location\.ISO6709|loci).{0,400}?"
    rb"|LOCATION(?:-[a-z]{3})?\x44\x87.{1,8}?)([+-]\d{1,3}(?:\.\d{1,9})?[+-]\d{1,3}(?:\.\d{1,9})?"
    rb"(?:[+-]\d{1,6}(?:\.\d{1,9})?)?)",
    re.DOTALL,
)
# 3GPP TS 26.244: language, name, role; longitude, latitude in 16.16
_LOCI = regex(rb"loci\0{4}..[^\0]{0,200}\0[\0-\x03](.{4})(.{4})", re.DOTALL)
_IN_FILM = Found(Kind.POSITION, "the GPS position in the film", "GPS")
# Nothing can be taken out of what is signed.
_STUCK = Found(Kind.POSITION, "the GPS position in its content credentials", "GPS")
_FILM_HINTS = (b"\xa9xyz", b"location.ISO6709", b"LOCATION")


def blank_strays(data: bytearray, rest: int, work: Work) -> None:
    """EXIF, XMP and positions of films from `rest` on, wherever they lie. What only looks like one
    is left as it is."""
    if rest < len(data):
        _blank_from(data, rest, work)
    # content credentials and others of which nothing can be taken away
    if data.find(b"GPSLatitude") >= 0:
        work.stuck.append(_STUCK)


def _may_be_tiff(data: bytearray, start: int) -> bool:
    """Whether the first list of tags of such a block lies in it, behind its head."""
    order = "little" if data[start] == 0x49 else "big"
    first = int.from_bytes(data[start + 4 : start + 8], order)  # type: ignore[arg-type]
    return 8 <= first < _STRAY_TIFF


def _blank_from(data: bytearray, rest: int, work: Work) -> None:
    for magic, skip in _TIFFS:
        place, seen = data.find(magic, rest), 0
        while place >= 0 and seen < _MOST_STRAYS:
            start = place + skip
            if not skip and not _may_be_tiff(data, start):
                place = data.find(magic, place + 8)
                continue
            block = bytearray(data[start : start + _STRAY_TIFF])
            before = len(work.removed)
            try:
                work.tiff(block, 0, len(block))
                data[start : start + len(block)] = block
            except (Damaged, struct.error, IndexError):
                del work.removed[before:]
            place, seen = data.find(magic, place + 8), seen + 1
    for opens, closes in _XMPS:
        place, seen = data.find(opens, rest), 0
        while place >= 0 and seen < _MOST_STRAYS:
            end = data.find(closes, place)
            if end < 0:
                break
            end += len(closes)
            if end - place <= _STRAY_XMP:
                data[place:end] = work.xmp(bytes(data[place:end]))
            place, seen = data.find(opens, end), seen + 1
    for hint in _FILM_HINTS:
        place, seen = data.find(hint, rest), 0
        while place >= 0 and seen < _MOST_STRAYS:
            match = _FILM.match(data, place)
            if match is not None and any(digit in match[2] for digit in b"123456789"):
                work.film(data, match.start(2), match.end(2))
            place, seen = data.find(hint, place + len(hint)), seen + 1
    for match in _LOCI.finditer(data, rest):
        if any(any(match[part]) for part in (1, 2)):
            start, end = match.start(1), match.end(2)
            data[start:end] = bytes(end - start)
            work.removed.append(_IN_FILM)
    if data.find(b"GPS", rest) >= 0 and (samples := list(positions(data, rest))):
        for start, end in samples:
            data[start:end] = bytes(end - start)
        work.removed.append(_IN_FILM)
