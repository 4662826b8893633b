"""Positions in places of a picture that no camera uses, and push looks at all the same."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from hubtools.dataset.pictures.private.reading import private_of
from hubtools.publish.contents import Kind, scan

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    ' xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="48,8.23N"'
    ' exif:GPSLongitude="11,34.5E"/></rdf:RDF></x:xmpmeta>'
)
JSON = b'{"latitude": 48.1372, "longitude": 11.5755}'
STANDARD = b"+48.1372+011.5755/"


def drawn(kind: str, **more: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 80, 200)).save(out, kind, **more)  # type: ignore[arg-type]
    return out.getvalue()


def with_segment(mark: int, data: bytes) -> bytes:
    jpeg = drawn("JPEG")
    return jpeg[:2] + bytes((0xFF, mark)) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def with_note(text: bytes) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + text
    return drawn("JPEG", exif=exif)


def with_gif_comment(text: bytes) -> bytes:
    return drawn("GIF")[:-1] + b"!\xfe" + bytes((len(text),)) + text + b"\0;"


def geotiff(east: float = 11.5755, north: float = 48.1372) -> bytes:
    tags = ImageFileDirectory_v2()
    for tag, kind, value in (
        (33922, 12, (0.0, 0.0, 0.0, east, north, 0.0)),
        (33550, 12, (0.0001, 0.0001, 0.0)),
        (34735, 3, (1, 1, 0, 2, 1024, 0, 1, 2, 2048, 0, 1, 4326)),
    ):
        tags.tagtype[tag] = kind
        tags[tag] = value
    return drawn("TIFF", tiffinfo=tags)


def with_wide_xmp(codec: str) -> bytes:
    head = b"http://ns.adobe.com/xap/1.0/\0"
    return with_segment(0xE1, head + XMP.encode(codec))


CASES: dict[str, Callable[[], bytes]] = {
    "comment of a JPEG": lambda: with_segment(0xFE, JSON),
    "comment of a JPEG, as films say it": lambda: with_segment(0xFE, STANDARD),
    "note in EXIF": lambda: with_note(JSON),
    "comment of a GIF": lambda: with_gif_comment(JSON),
    "GeoTIFF": geotiff,
    "XMP, low byte first": lambda: with_wide_xmp("utf-16"),
    "XMP, high byte first": lambda: with_wide_xmp("utf-16-be"),
}


def told(data: bytes) -> bool:
    leaks = list(scan("q.bin", io.BytesIO(data), len(data)))
    return private_of(data).gps or any(leak.kind in (Kind.PLACED, Kind.GPS) for leak in leaks)


@pytest.mark.parametrize("case", CASES)
def test_a_position_in_an_odd_place_is_told(case: str) -> None:
    assert told(CASES[case]())


@pytest.mark.parametrize(
    "data",
    [
        with_segment(0xFE, b"made in 2024+01.5 by a program, 48.1372 wide"),
        with_note(b'{"latitude": 48, "longitude": 11, "zoom": 3}'),
        drawn("TIFF"),
        geotiff(0.0, 0.0),
        with_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + "<x:xmpmeta/>".encode("utf-16")),
    ],
)
def test_what_is_no_position_is_left_alone(data: bytes) -> None:
    assert not told(data)
