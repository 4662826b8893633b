"""What lies behind a picture's end is found and cut off; what belongs to the picture stays."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from marked import xmp
from photos import photo
from PIL import Image
from test_rules import exif

from hubtools.dataset.edits.pixels import Refused, apply_edits, shown
from hubtools.dataset.fix.run import fix, undo_fix
from hubtools.dataset.pictures.embedded.trailers import (
    ARCHIVE,
    DATA,
    FILM,
    NOTES,
    PICTURE,
    REST,
    jpeg_end,
    png_end,
    trailer_of,
    without_trailer,
)
from hubtools.dataset.pictures.probe import probe_bytes
from hubtools.settings import DatasetSettings

MOTION = (
    'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1"'
    ' GCamera:MicroVideo="1" GCamera:MotionPhotoVersion="1"'
)


def film() -> bytes:
    """The first boxes of an MP4."""
    brand = b"ftyp" + b"mp42" + b"\0\0\0\0" + b"isommp42"
    return struct.pack(">I", len(brand) + 4) + brand + struct.pack(">I", 1008) + b"mdat" * 251


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("secret.txt", "x" * 100)
    return buffer.getvalue()


def jpeg(seed: int = 1, size: tuple[int, int] = (96, 80), **options: object) -> bytes:
    buffer = io.BytesIO()
    photo(seed, size).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def png(seed: int = 1, size: tuple[int, int] = (96, 80)) -> bytes:
    buffer = io.BytesIO()
    photo(seed, size).save(buffer, "PNG")
    return buffer.getvalue()


def mpo(*more: bytes) -> bytes:
    """A JPEG with further pictures that its index names."""
    buffer = io.BytesIO()
    pictures = [Image.open(io.BytesIO(data)) for data in more]
    photo(1, (96, 80)).save(buffer, "MPO", save_all=True, append_images=pictures)
    return buffer.getvalue()


SAMSUNG = b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data1767225600000SEFH" + bytes(20) + b"SEFT"


@pytest.mark.parametrize("base", [jpeg(), jpeg(progressive=True), jpeg(2, (33, 47)), png()])
@pytest.mark.parametrize(
    ("more", "kind"),
    [
        (b"", ""),
        (b"\0" * 40, ""),
        (b"\r\n", ""),
        (film(), FILM),
        (b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + film() + b"SEFH" + bytes(20) + b"SEFT", FILM),
        (archive(), ARCHIVE),
        (b"hello\n" + archive(), ARCHIVE),
        (b"Rar!\x1a\x07\0 and more", ARCHIVE),
        (SAMSUNG, NOTES),
        (b"some words that somebody left here", DATA),
    ],
)
def test_kinds(base: bytes, more: bytes, kind: str) -> None:
    facts = probe_bytes(base + more, "a")
    assert facts.problem is None
    assert (facts.trailer, facts.trailer_bytes) == (kind, len(more) if kind else 0)
    assert without_trailer(base + more) == base


def test_what_a_program_did_not_overwrite() -> None:
    """A smaller screenshot over a larger one: the end of the old file is still there."""
    old, new = png(3, (128, 128)), png(4, (48, 48))
    found = trailer_of("PNG", new + old[len(new) :])
    assert found == (REST, len(old) - len(new))
    assert trailer_of("PNG", new + old) == (PICTURE, len(old))


def test_pictures_that_the_index_names_belong_to_it() -> None:
    data = mpo(jpeg(5), jpeg(6, (24, 24)))
    assert probe_bytes(data, "a").trailer == ""
    assert jpeg_end(data) == len(data)
    # a film behind them does not
    facts = probe_bytes(data + film(), "a")
    assert (facts.trailer, facts.trailer_bytes) == (FILM, len(film()))
    assert without_trailer(data + film()) == data


def test_a_gain_map_belongs_to_it() -> None:
    named = xmp(
        '<c:Directory xmlns:c="x" xmlns:Item="y"><Item Item:Semantic="GainMap"/></c:Directory>'
    )
    data = jpeg(xmp=named) + jpeg(7, (24, 24))
    assert without_trailer(data) == data
    assert without_trailer(data + film()) == data
    assert trailer_of("JPEG", data + film()) == (FILM, len(film()))


def test_thumbnails_and_odd_segments_do_not_end_a_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = "ends \xff\xd9 not"
    data = jpeg(exif=exif, comment=b"\xff\xd9\xff\xda", progressive=True)
    assert jpeg_end(data) == len(data)
    # bytes that fill the place before a marker
    filled = data[:2] + b"\xff\xff" + data[2:-2] + b"\xff\xff\xff\xd9"
    assert jpeg_end(filled) == len(filled)


@pytest.mark.parametrize("data", [jpeg(), mpo(jpeg(5)), png(), jpeg(xmp=xmp(attributes=MOTION))])
def test_no_end_is_found_in_what_is_not_whole(data: bytes) -> None:
    for place in range(0, len(data) - 1, 23):
        cut = data[:place]
        assert without_trailer(cut) in (cut, data[: len(without_trailer(cut))])
        jpeg_end(cut)
        png_end(cut)
        hurt = bytearray(data)
        hurt[place] ^= 0xFF
        probe_bytes(bytes(hurt) + film(), "a")
        without_trailer(bytes(hurt) + film())


def test_it_is_no_motion_photo_any_more() -> None:
    data = jpeg(xmp=xmp(attributes=MOTION))
    changed, proof = apply_edits(data + film(), ("cut",))
    assert proof == shown(data)
    assert len(changed) == len(data)
    assert b'MotionPhoto="0"' in changed
    assert b'MicroVideo="0"' in changed
    assert b'MotionPhotoVersion="1"' in changed
    assert apply_edits(changed, ("cut",))[0] == changed


def test_what_cannot_be_proven_is_refused() -> None:
    with pytest.raises(Refused):
        apply_edits(jpeg()[:400] + film(), ("cut",))


def test_fix_cuts_and_undo_brings_back(good: Path, settings: DatasetSettings) -> None:
    exif(good, gps=True)
    whole = (good / "2.png").read_bytes() + film()
    (good / "2.png").write_bytes(whole)
    plan = fix(good, settings, resolution=64).plan
    assert plan.left == {}
    (operation,) = (op for op in plan.operations if op.path == "2.png")
    assert set(operation.rules) == {"D701", "D711"}
    after = (good / "2.png").read_bytes()
    assert b"ftyp" not in after
    assert not probe_bytes(after, "2.png").gps
    assert shown(after) == shown(whole)
    assert not fix(good, settings, resolution=64).plan.operations
    undo_fix(good)
    assert (good / "2.png").read_bytes() == whole


def test_a_gain_map_stays_when_the_film_behind_it_goes(
    good: Path, settings: DatasetSettings
) -> None:
    data = mpo(jpeg(5))
    (good / "2.jpg").write_bytes(data + film())
    (good / "2.png").unlink()
    text = (good / "metadata.jsonl").read_text().replace("2.png", "2.jpg")
    (good / "metadata.jsonl").write_text(text)
    assert fix(good, settings, resolution=64, select=["D711"]).plan.left == {}
    assert (good / "2.jpg").read_bytes() == data
