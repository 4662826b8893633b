"""What a picture file tells about people and places, and all the texts in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hubtools.dataset.pictures.header import opened
from hubtools.dataset.pictures.private import exif
from hubtools.dataset.pictures.private.kinds import Found, Kind
from hubtools.dataset.pictures.private.scrub import look
from hubtools.dataset.pictures.private.strays import Work


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

    def tiff(self, data: bytearray, start: int, end: int) -> None:
        self.texts += (("EXIF", text) for text in exif.texts(data, start, end))

    def xmp(self, data: bytes) -> bytes:
        self.texts.append(("XMP", data.decode("utf-8", "replace")))
        return data

    def iptc(self, data: bytes) -> bytes:
        self.texts.append(("IPTC", _runs(data)))
        return data

    def film(self, data: bytearray, start: int, end: int) -> None:
        pass

    def drop(self, content: bytes) -> bool:
        return False

    def text(self, keyword: bytes, text: bytes) -> bytes:
        self.texts.append((keyword.decode("latin-1"), text.decode("utf-8", "replace")))
        return text


_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")


def _runs(data: bytes) -> str:
    """Texts between bytes that are none."""
    return _CONTROLS.sub(b"\n", data).decode("utf-8", "replace")


def texts_of(data: bytes) -> Iterator[tuple[str, str]]:
    """(where, text) of all texts in a picture's metadata: EXIF with Windows' own tags and notes,
    XMP, IPTC, PNG's texts, comments. Never raises for what the bytes hold."""
    work = _Texts()
    look(data, work)
    yield from work.texts
