"""Position, serial numbers and maker notes go; pixels, profile and all the rest stay."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from hubtools.dataset.edits.pixels import Refused, apply_edits, shown
from hubtools.dataset.pictures.private.kinds import Damaged
from hubtools.dataset.pictures.private.png_blocks import png_chunks, png_file
from hubtools.dataset.pictures.private.scrub import scrub, upright

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b"<rdf:RDF><rdf:Description exif:GPSLatitude=\"52,31.1N\" aux:SerialNumber='987654'"
    b' dc:format="image/jpeg" tiff:Orientation="6">'
    b"<dc:title>A cat</dc:title><photoshop:City>Wexford</photoshop:City>"
    b"<Iptc4xmpExt:LocationShown><rdf:Bag><rdf:li>Wexford</rdf:li></rdf:Bag>"
    b"</Iptc4xmpExt:LocationShown></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end='w'?>"
)
SECRETS = (b"987654", b"Wexford", b"SN-12345", b"makernote-bytes", b"52,31.1N", b"LENS-77")


def a_picture(mode: str = "RGB") -> Image.Image:
    return Image.radial_gradient("L").resize((40, 24)).convert(mode)


def an_exif(orientation: int = 6) -> Image.Exif:
    data = Image.Exif()
    data[0x010F] = "Maker of cameras"
    data[0x0112] = orientation
    data[0x013B] = "Ann Artist"
    gps = data.get_ifd(0x8825)
    gps[1], gps[2], gps[3] = "N", (52.0, 31.0, 7.25), "E"
    inner = data.get_ifd(0x8769)
    inner[0x9003] = "2026:05:04 03:02:01"
    inner[0xA431] = "SN-12345"
    inner[0xA435] = "LENS-77"
    inner[0x927C] = b"makernote-bytes" * 3
    return data


def iptc() -> bytes:
    def dataset(number: int, text: bytes) -> bytes:
        return bytes([0x1C, 2, number]) + struct.pack(">H", len(text)) + text

    block = dataset(5, b"A cat") + dataset(90, b"Wexford") + dataset(80, b"Ann Artist")
    block += b"\0" * (len(block) % 2)
    resource = b"8BIM" + struct.pack(">H", 0x0404) + b"\0\0" + struct.pack(">I", len(block)) + block
    return b"Photoshop 3.0\0" + resource


def with_segment(data: bytes, kind: int, content: bytes) -> bytes:
    return data[:2] + bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content + data[2:]


def a_jpeg() -> bytes:
    out = io.BytesIO()
    a_picture().save(out, "JPEG", exif=an_exif(), icc_profile=PROFILE, quality=90, comment=b"hello")
    data = with_segment(out.getvalue(), 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    return with_segment(data, 0xED, iptc())


def a_png(**more: Any) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "A cat")
    text.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=more.pop("zip", False))
    out = io.BytesIO()
    a_picture(more.pop("mode", "RGB")).save(
        out, "PNG", exif=an_exif(), icc_profile=PROFILE, pnginfo=text, **more
    )
    return out.getvalue()


def a_magick_png() -> bytes:
    """EXIF as ImageMagick writes it: hexadecimal digits in a compressed text."""
    out = io.BytesIO()
    a_picture().save(out, "PNG")
    block = b"Exif\0\0" + an_exif().tobytes().removeprefix(b"Exif\0\0")
    digits = block.hex()
    lines = "\n".join(digits[n : n + 72] for n in range(0, len(digits), 72))
    text = zlib.compress(f"\nexif\n{len(block):8d}\n{lines}\n".encode())
    chunks = png_chunks(out.getvalue())
    return png_file([chunks[0], (b"zTXt", b"Raw profile type exif\0\0" + text), *chunks[1:]])


def a_webp() -> bytes:
    out = io.BytesIO()
    a_picture().save(out, "WEBP", exif=an_exif(), icc_profile=PROFILE, xmp=XMP)
    return out.getvalue()


def a_tiff() -> bytes:
    out = io.BytesIO()
    a_picture().save(out, "TIFF", exif=an_exif(1).tobytes(), icc_profile=PROFILE)
    return out.getvalue()


FILES = {
    "jpeg": a_jpeg(),
    "png": a_png(),
    "png-zip": a_png(zip=True),
    "png-palette": a_png(mode="P"),
    "png-magick": a_magick_png(),
    "webp": a_webp(),
    "tiff": a_tiff(),
}


def facts_of(data: bytes) -> tuple[Any, ...]:
    with Image.open(io.BytesIO(data)) as opened:
        exif = opened.getexif()
        inner = exif.get_ifd(0x8769)
        return (
            opened.info.get("icc_profile"),
            exif.get(0x010F),
            exif.get(0x0112),
            exif.get(0x013B),
            inner.get(0x9003),
        )


@pytest.mark.parametrize("name", FILES)
def test_private_parts_go_and_the_rest_stays(name: str) -> None:
    data = FILES[name]
    cleaned, found = scrub(data)
    removed = [one.what for one in found]
    assert "the GPS position" in removed
    assert "the camera's serial number" in removed
    assert "maker notes" in removed
    unpacked = cleaned + b"".join(_unpacked(cleaned))
    for secret in SECRETS:
        assert secret not in unpacked
        assert secret.hex().encode() not in unpacked.replace(b"\n", b"")
    assert facts_of(cleaned) == facts_of(data)
    with Image.open(io.BytesIO(cleaned)) as opened:
        exif = opened.getexif()
        assert 0x8825 not in exif
        assert not {0x927C, 0xA431, 0xA435} & set(exif.get_ifd(0x8769))
    assert shown(cleaned) == shown(data)
    assert scrub(cleaned) == (cleaned, ())
    if name not in ("png-zip", "png-magick"):
        assert len(cleaned) == len(data)
    edited, proof = apply_edits(data, ("scrub",))
    assert (edited, proof) == (cleaned, shown(data))


def _unpacked(data: bytes) -> list[bytes]:
    if not data.startswith(b"\x89PNG"):
        return []
    found = []
    for kind, content in png_chunks(data):
        if kind == b"zTXt":
            found.append(zlib.decompress(content[content.index(b"\0") + 2 :]))
        elif kind == b"iTXt" and content[18:19] == b"\1":
            found.append(zlib.decompress(content[content.index(b"\0", 20) + 2 :]))
    return found


def test_texts_in_other_blocks_stay() -> None:
    cleaned = scrub(FILES["jpeg"])[0]
    for text in (b"A cat", b"Ann Artist", b"<dc:title>", b"hello", b'tiff:Orientation="6"'):
        assert text in cleaned
    assert b"A cat" in scrub(FILES["png"])[0]


def test_a_picture_without_secrets_comes_back_as_it_is() -> None:
    for format in ("JPEG", "PNG", "WEBP", "TIFF", "GIF"):
        out = io.BytesIO()
        a_picture().save(out, format)
        assert scrub(out.getvalue()) == (out.getvalue(), ())


def test_the_preview_of_an_mpo_is_scrubbed_too() -> None:
    out = io.BytesIO()
    a_picture().save(
        out, "MPO", exif=an_exif(), save_all=True, append_images=[a_picture().rotate(180)]
    )
    data = out.getvalue()
    second = data.index(b"\xff\xd8\xff", 1000)
    inner = with_segment(data[second:], 0xE1, b"Exif\0\0" + an_exif().tobytes()[6:])
    cleaned, _ = scrub(data[:second] + inner)
    assert b"SN-12345" in data
    assert b"SN-12345" not in cleaned


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "1", "I;16"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_png_is_turned_bit_for_bit(mode: str, orientation: int) -> None:
    out = io.BytesIO()
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "A cat")
    a_picture(mode).save(out, "PNG", exif=an_exif(orientation), pnginfo=text)
    data = out.getvalue()
    edited, proof = apply_edits(data, ("upright",))
    assert proof == shown(data)
    with Image.open(io.BytesIO(edited)) as opened:
        opened.load()
        assert opened.getexif()[0x0112] == 1
        assert opened.getexif().get_ifd(0x8769)[0xA431] == "SN-12345"
        assert opened.info["Title"] == "A cat"
        assert opened.size == ((24, 40) if orientation > 4 else (40, 24))


def test_what_turning_would_lose_is_refused() -> None:
    data = FILES["png"]
    chunks = png_chunks(data)
    deep = chunks[0][1][:8] + b"\x10" + chunks[0][1][9:]
    for bad in (
        FILES["jpeg"],
        png_file([(b"IHDR", deep), *chunks[1:]]),
        png_file([chunks[0], (b"acTL", struct.pack(">II", 1, 0)), *chunks[1:]]),
    ):
        with pytest.raises(Refused):
            apply_edits(bad, ("upright",))


def test_the_tags_are_set_upright_everywhere() -> None:
    data = upright(FILES["jpeg"])
    assert b'tiff:Orientation="1"' in data
    assert facts_of(data)[2] == 1
    assert len(data) == len(FILES["jpeg"])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(FILES)),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=6),
    st.integers(0, 1 << 16),
)
def test_broken_files_are_refused_or_keep_their_pixels(
    name: str, changes: list[tuple[int, int]], cut: int
) -> None:
    """Whatever the bytes: an edit that is done has proven its pixels."""
    data = bytearray(FILES[name])
    for place, value in changes:
        data[place % len(data)] = value
    broken = bytes(data if cut % 3 else data[: cut % len(data)])
    with contextlib.suppress(Damaged):
        scrub(broken)
    try:
        edited, proof = apply_edits(broken, ("scrub",))
    except Refused:
        return
    assert proof == shown(broken) == shown(edited)


def test_files_on_disk_are_not_touched_by_looking(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(FILES["jpeg"])
    apply_edits((tmp_path / "a.jpg").read_bytes(), ("scrub",))
    assert (tmp_path / "a.jpg").read_bytes() == FILES["jpeg"]


@pytest.mark.parametrize(
    ("entry", "rest"),
    [
        (struct.pack("<HHII", 0x8825, 4, 1, 26), bytes(6)),  # a list of positions
        (struct.pack("<HHII", 0x9C9D, 0, 0, 0), b""),  # XPAuthor without type and value
        (struct.pack("<HHI4s", 0xA431, 2, 4, b"    "), b""),  # a serial number of blanks
    ],
)
def test_what_says_nothing_is_left_as_it_is(entry: bytes, rest: bytes) -> None:
    """Taking it out would be a change of which nobody is told."""
    data = b"II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4) + rest
    assert scrub(data) == (data, ())
