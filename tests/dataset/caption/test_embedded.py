"""Captions that photo programs wrote into the pictures are proposed, and replace nobody's."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marked import alt, iptc, itxt, png, xmp
from photos import photo
from PIL import Image, PngImagePlugin
from simple import TRIGGER
from typed import typed

from hubtools import caption, plan_captions, undo_fix
from hubtools.dataset.caption.embedded import Found, caption_in
from hubtools.errors import UsageError
from hubtools.settings import DatasetSettings

SAID = "a red car, \u00fc\u4e2d\U0001f697"


def saved(format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    photo(1, (32, 24)).save(buffer, format, **options)
    return buffer.getvalue()


def exif(tag: int, value: object) -> Image.Exif:
    data = Image.Exif()
    data[tag] = value
    return data


def photoshop(block: bytes) -> bytes:
    """A JPEG with a block of IPTC."""
    resource = (
        b"8BIM\x04\x04\0\0" + struct.pack(">I", len(block)) + block + b"\0" * (len(block) % 2)
    )
    body = b"Photoshop 3.0\0" + resource
    data = saved("JPEG")
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(body) + 2) + body + data[2:]


DESCRIBED = xmp(alt("dc:description", SAID))
SEVERAL = xmp(
    '<dc:description><rdf:Alt><rdf:li xml:lang="de">ein Auto</rdf:li>'
    f'<rdf:li xml:lang="x-default">{SAID}</rdf:li></rdf:Alt></dc:description>'
)
TEXT = PngImagePlugin.PngInfo()
TEXT.add_itxt("Description", SAID)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (saved("JPEG", xmp=DESCRIBED), "XMP"),
        (saved("JPEG", xmp=SEVERAL), "XMP"),
        (saved("JPEG", xmp=xmp(attributes=f'dc:description="{SAID}"')), "XMP"),
        (saved("JPEG", xmp=xmp(f"<dc:description>{SAID}</dc:description>")), "XMP"),
        (saved("WEBP", xmp=DESCRIBED), "XMP"),
        (png(itxt(DESCRIBED)), "XMP"),
        (saved("TIFF", tiffinfo={700: DESCRIBED}), "XMP"),
        (photoshop(iptc(n120=SAID)), "IPTC"),
        (saved("JPEG", exif=exif(0x9C9C, SAID.encode("utf-16-le") + b"\0\0")), "EXIF"),
        (saved("PNG", pnginfo=TEXT), "PNG Description"),
    ],
)
def test_where_captions_are(data: bytes, place: str) -> None:
    assert caption_in(data) == Found(SAID, place)


def test_exif_is_read_as_programs_write_it() -> None:
    data = saved("JPEG", exif=exif(0x010E, "  a red\r\ncar "))
    assert caption_in(data) == Found("a red car", "EXIF")


def test_what_cameras_write_is_no_caption() -> None:
    for text in ("OLYMPUS DIGITAL CAMERA", "SONY DSC", "DCIM\\100MEDIA\\DJI_0001.JPG", "  ",
                 "IMG_2041.JPG", "Created with GIMP", "<KENOX S630>", "0001"):  # fmt: skip
        assert caption_in(saved("JPEG", exif=exif(0x010E, text))) is None, text
    # what a person wrote elsewhere counts then
    data = saved("JPEG", exif=exif(0x010E, "SONY DSC"), xmp=DESCRIBED)
    assert caption_in(data) == Found(SAID, "XMP")


def test_a_damaged_block_does_not_hide_the_others() -> None:
    data = saved("JPEG", exif=exif(0x010E, "a car"), xmp=b"<rdf description")
    assert caption_in(data) == Found("a car", "EXIF")
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]>' + DESCRIBED
    assert caption_in(saved("JPEG", exif=exif(0x010E, "a car"), xmp=bomb)) == Found("a car", "EXIF")


WHOLE = saved("JPEG", exif=exif(0x010E, "a car"), xmp=DESCRIBED)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_nothing_in_a_file_stops_it(place: int, value: int) -> None:
    hurt = bytearray(WHOLE)
    hurt[place] = value
    caption_in(bytes(hurt))
    caption_in(bytes(hurt[:place]))


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    folder = tmp_path / "camera"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(
            saved("JPEG", xmp=xmp(alt("dc:description", f"car {number}")))
        )
    (folder / "bare.jpg").write_bytes(saved("JPEG"))
    rows = [{"file_name": "0.jpg", "text": "mine"}, {"file_name": "1.jpg", "text": " "}]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_persons_caption_stays(camera: Path, settings: DatasetSettings) -> None:
    before = (camera / "metadata.jsonl").read_bytes()
    done = caption(camera, settings, source="embedded", trigger_insert=True)
    rows = [json.loads(line) for line in (camera / "metadata.jsonl").read_text().splitlines()]
    assert {row["file_name"]: row["text"] for row in rows} == {
        "0.jpg": f"{TRIGGER}, mine", "1.jpg": f"{TRIGGER}, car 1", "2.jpg": f"{TRIGGER}, car 2",
    }  # fmt: skip
    assert [change.how for change in done.plan.changes] == [
        "edited",
        "from its XMP",
        "from its XMP",
    ]
    assert done.plan.without == ("bare.jpg",)
    undo_fix(camera)
    assert (camera / "metadata.jsonl").read_bytes() == before
    plan = plan_captions(camera, settings, source="embedded", overwrite=True)
    assert [change.after for change in plan.changes] == ["car 0", "car 1", "car 2"]


def test_there_is_no_folder_to_read_them_from(camera: Path, settings: DatasetSettings) -> None:
    with pytest.raises(UsageError, match="in the pictures"):
        plan_captions(camera, settings, source="embedded", source_dir=camera)


def test_on_the_command_line(camera: Path) -> None:
    shown = typed("caption", str(camera), "--import", "embedded", "--dry-run")
    assert shown.returncode == 0
    assert "@@ 1.jpg (from its XMP) @@" in shown.stdout
    assert "1 picture keeps its caption" in shown.stderr
