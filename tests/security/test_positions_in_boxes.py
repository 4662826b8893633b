"""Positions in HEIC, films and JPEG XL, for which there is no decoder: `fix` blanks them, and
changes no coded byte."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image

from hubtools.dataset.pictures.private.reading import private_of
from hubtools.dataset.validate import validate
from tests.drawing import write_pictures
from tests.security.test_positions import gopro
from tests.typed import typed

CODED = bytes(range(256)) * 8


def block() -> bytes:
    data = Image.Exif()
    data[0x0131] = "a program"  # Pillow takes one without tags of its own for empty
    gps = data.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (48.0, 8.0, 13.0), "E", (11.0, 34.0, 30.0)
    return data.tobytes().removeprefix(b"Exif\0\0")


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description exif:GPSLatitude="48,8.23N"'
    b' exif:GPSLongitude="11,34.5E"/></x:xmpmeta>'
)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, kind) + content


def heic(inside: bytes = CODED) -> bytes:
    """A picture, its EXIF and its XMP as three items in one `mdat`."""
    exif = b"\0\0\0\x06Exif\0\0" + block()
    kinds = (b"hvc1", b"Exif", b"mime")
    entries = b"".join(
        box(
            b"infe",
            b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0" +
            (b"application/rdf+xml\0" if kind == b"mime" else b""),
        )
        for number, kind in enumerate(kinds, 1)
    )  # fmt: skip
    iinf = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", 3) + entries)
    parts = (inside, exif, XMP)
    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    size = len(head) + 12 + len(iinf) + 8 + 8 + 3 * 14 + 8  # of all before the content of mdat
    iloc, place = b"\0\0\0\0\x44\0" + struct.pack(">H", 3), size
    for number, part in enumerate(parts, 1):
        iloc += struct.pack(">HHHII", number, 0, 1, place, len(part))
        place += len(part)
    meta = box(b"meta", b"\0\0\0\0" + iinf + box(b"iloc", iloc))
    data = head + meta + box(b"mdat", b"".join(parts))
    assert data.index(inside) == size
    return data


FTYP = box(b"ftyp", b"mp42\0\0\0\0isommp42")


def film() -> bytes:
    udta = box(b"udta", box(b"\xa9xyz", b"\0\x12\x15\xc7+48.1370+011.5750/"))
    return FTYP + box(b"moov", udta) + box(b"mdat", CODED)


def jxl() -> bytes:
    start = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    return start + box(b"Exif", b"\0\0\0\0" + block()) + box(b"jxlc", CODED)


FILES = {"a.heic": heic(), "a.mp4": film(), "a.jxl": jxl()}


@pytest.mark.parametrize("name", FILES)
def test_it_is_blanked_and_comes_back(name: str, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "data", 1)
    (folder / name).write_bytes(FILES[name])
    (found,) = validate(folder, select=["D701"]).findings
    assert "`hubtools fix` blanks it" in str(found.fix)
    done = typed("fix", folder, "--select", "D701", "--yes", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    after = (folder / name).read_bytes()
    assert len(after) == len(FILES[name])
    assert CODED in after
    assert not private_of(after).there
    assert not validate(folder, select=["D701"]).findings
    assert typed("fix", folder, "--undo", cwd=tmp_path).returncode == 0
    assert (folder / name).read_bytes() == FILES[name]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        # what looks like EXIF lies in the picture's own bytes
        ("a.heic", heic(CODED + b"Exif\0\0" + block() + CODED)),
        ("a.heic", heic()[:-40]),
        ("a.mp4", FTYP + box(b"mdat", CODED + gopro() + CODED)),
        ("a.nef", b"MM\0*" + block()[4:] if block()[:2] == b"MM" else block()),
        ("a.cr3", b"\0\0\0\x18ftypcrx " + b"\0" * 12 + box(b"moov", b"Exif\0\0" + block())),
    ],
)
def test_what_cannot_be_told_from_the_picture_is_left(
    name: str, data: bytes, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "data", 1)
    (folder / name).write_bytes(data)
    done = typed("fix", folder, "--select", "D701", "--yes", cwd=tmp_path)
    assert (folder / name).read_bytes() == data
    assert "leave it out" in done.stdout + done.stderr
