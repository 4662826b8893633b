"""What a picture file tells about people and places, and all the texts in it."""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, NamedTuple

from hubtools.dataset.pictures.header import opened
from hubtools.dataset.pictures.private import exif
from hubtools.dataset.pictures.private.kinds import Found, Kind, TooMuch
from hubtools.dataset.pictures.private.png_blocks import PNG
from hubtools.dataset.pictures.private.profiles import TIFFS
from hubtools.dataset.pictures.private.scrub import DAMAGES, look, look_for_strays
from hubtools.dataset.pictures.private.strays import Work
from hubtools.dataset.pictures.private.texts import iptc_values
from hubtools.limits import PICTURE_TEXTS
from hubtools.patterns import regex


class Private(NamedTuple):
    """`gps`: a position; `owner`: tags that lead to somebody's camera or computer, by name;
    `people`: what names who is to be seen, or the place, in words."""

    gps: bool = False
    owner: str = ""
    people: str = ""

    @property
    def there(self) -> bool:
        """True if there is anything."""
        return self != Private()


def private_of(data: bytes) -> Private:
    """Read the metadata of a picture (or film) of any format, whatever it is called. Never raises
    for what the bytes hold."""
    work = Work()
    look(data, work)
    return summed([*work.removed, *work.stuck, *_in_tiff(data)])


_WHOLE = 1 << 25  # bytes of a file that is read at once, and of a piece of a longer one
_OVERLAP = 1 << 22  # bytes that pieces share: the longest XMP that is looked for


def private_of_file(file: BinaryIO) -> Private:
    """The same of a file of any length, all of which is read, piece by piece. Memory is bounded.

    Of a file of more than 32 MB, what is cut in parts that each say nothing (texts of a JPEG beyond
    its first 32 MB) is not put together. Raises `OSError`."""
    data = file.read(_WHOLE + 1)
    if len(data) <= _WHOLE:
        return private_of(data)
    work = Work()
    found: dict[Found, None] = {}
    look(data, work)
    if data.startswith(PNG):
        look(without_pixels(file, _WHOLE), work)
    elif data[:4] in TIFFS:
        _in_long_tiff(file, work)
    file.seek(len(data))
    while more := _read_on(file):
        data = data[-_OVERLAP:] + more
        look_for_strays(data, work)
        found |= dict.fromkeys((*work.removed, *work.stuck))
        work.removed, work.stuck = [], []
    return summed(list(found))


def _read_on(file: BinaryIO) -> bytes:
    """The next piece; holes of a sparse file, which hold nothing, are passed over."""
    if hasattr(os, "SEEK_DATA"):
        try:
            file.seek(os.lseek(file.fileno(), file.tell(), os.SEEK_DATA))
        except (OSError, AttributeError) as error:
            if getattr(error, "errno", None) == errno.ENXIO:
                return b""  # nothing but a hole up to the end
    return file.read(_WHOLE)


def without_pixels(file: IO[bytes], most: int) -> bytes:
    """A PNG without the chunks that hold its pixels, at most about so many bytes of it."""
    file.seek(len(PNG))
    data = bytearray(PNG)
    while len(data) <= most and len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IDAT":
            file.seek(length + 4, 1)
        else:
            data += header + file.read(min(length + 4, most))
        if kind == b"IEND":
            break
    return bytes(data)


def _in_long_tiff(file: BinaryIO, work: Work) -> None:
    """Its lists of tags lie anywhere: they are looked up where they are. A change that is made on
    the way stays in this process."""
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
            held: Any = mapped
            work.tiff(held, 0, len(mapped))
    except (*DAMAGES, OSError):  # no file of this machine
        return


_POSITION = Found(Kind.POSITION, "the GPS position", "GPS")
# GeoTIFF 1.1: where on the earth a pixel lies, and in which system that is said
_TIE_POINTS, _TRANSFORMATION, _GEO_KEYS = 33922, 34264, 34735


def _in_tiff(data: bytes) -> list[Found]:
    """The place of a TIFF whose structure only Pillow makes sense of."""
    big = data[:4] in (b"II+\0", b"MM\0+")
    if not big and data[:4] not in (b"II*\0", b"MM\0*"):
        return []
    try:
        with opened(data) as picture:
            tags = picture.getexif()
            if big and tags.get_ifd(0x8825):
                return [_POSITION]
            places = [
                value for tag in (_TIE_POINTS, _TRANSFORMATION) for value in tags.get(tag, ())
            ]
            if _GEO_KEYS in tags and any(places):
                return [Found(Kind.POSITION, "the position (GeoTIFF)", "GeoTIFF")]
    except Exception:  # Pillow raises nearly anything on hostile bytes
        return []
    return []


def summed(found: list[Found]) -> Private:
    """The same, of what was found."""
    return Private(
        any(one.kind is Kind.POSITION for one in found),
        ", ".join(dict.fromkeys(one.name for one in found if one.kind is Kind.OWNER)),
        ", ".join(
            dict.fromkeys(one.what for one in found if one.kind in (Kind.PEOPLE, Kind.PLACE))
        ),
    )


class _Texts(Work):
    """Collects the texts instead of cleaning."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.too_much = ""
        self._kept = 0

    def take(self, size: int) -> None:
        try:
            super().take(size)
        except TooMuch as error:
            self.too_much = str(error)
            raise

    def _add(self, where: str, text: str) -> None:
        self._kept += len(text)
        if self._kept > PICTURE_TEXTS:
            self.too_much = f"its texts are longer than {PICTURE_TEXTS // 10**6} MB"
            raise TooMuch(self.too_much)
        self.texts.append((where, text))

    def tiff(self, data: bytearray, start: int, end: int) -> None:
        try:
            for text in exif.texts(data, start, end):
                self._add("EXIF", text)
        except TooMuch as error:
            self.too_much = str(error)
            raise

    def xmp(self, data: bytes) -> bytes:
        self._add("XMP", data.decode("utf-8", "replace"))
        return data

    def iptc(self, data: bytes) -> bytes:
        self._add("IPTC", "\n".join(map(_runs, iptc_values(data))))
        return data

    def film(self, data: bytearray, start: int, end: int) -> None:
        pass

    def drop(self, content: bytes) -> bool:
        return False

    def text(self, keyword: bytes, text: bytes) -> bytes:
        self._add(keyword.decode("latin-1"), text.decode("utf-8", "replace"))
        return text


_CONTROLS = regex(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")


def _runs(data: bytes) -> str:
    """Texts between bytes that are none."""
    return _CONTROLS.sub(b"\n", data).decode("utf-8", "replace")


def texts_of(data: bytes) -> Iterator[tuple[str, str]]:
    """(where, text) of all texts in a picture's metadata: EXIF with Windows' own tags and notes,
    XMP, IPTC, PNG's texts, comments. Raises `TooMuch` behind the last one if there are more."""
    work = _Texts()
    look(data, work)
    yield from work.texts
    if work.too_much:
        raise TooMuch(work.too_much)
