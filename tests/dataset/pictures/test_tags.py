"""What a file carries beside its pixels is told, and what is meant to be read is not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import P3_RED, photo, profile
from PIL import Image

from hubtools.dataset.pictures.embedded.chunks import png_chunks, png_without_pixels
from hubtools.dataset.pictures.embedded.exif_tags import (
    Tags,
    foreign_profile,
    orientation_of,
    tags_of,
)

CAMERA = {0xA431: "0123456789", 0xA430: "A. N. Owner", 0xA435: "000000"}


def read(format: str, exif: Mapping[int, Any] = {}, **options: Any) -> Tags:
    data = Image.Exif()
    data[0x0112] = 6
    for tag, value in exif.items():
        (data.get_ifd(0x8769) if tag > 0xA000 else data)[tag] = value
    buffer = io.BytesIO()
    photo(1, (64, 48)).save(buffer, format, exif=data, **options)
    with Image.open(io.BytesIO(buffer.getvalue())) as picture:
        return tags_of(picture, buffer.getvalue())


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_tags_of_every_format(format: str) -> None:
    assert read(format, CAMERA) == Tags(6, False, "CameraOwnerName, BodySerialNumber", "")


def test_what_identifies_nobody_is_not_told() -> None:
    meant = {0x013B: "An Artist", 0x8298: "(c) An Artist", 0x0110: "A Camera 5"}
    assert read("JPEG", meant | {0xA431: "", 0xA435: "\0\0"}).owner == ""
    assert read("JPEG", {0x9C9D: "user".encode("utf-16-le")}).owner == "XPAuthor"


def test_names_in_xmp() -> None:
    packet = b'<x:xmpmeta><rdf:Description aux:SerialNumber="77" tiff:Model="B"/></x:xmpmeta>'
    assert read("JPEG", xmp=packet).owner == "SerialNumber"
    assert read("JPEG", xmp=packet.replace(b'"77"', b'""')).owner == ""


def test_profiles() -> None:
    assert foreign_profile(profile()) == ""
    assert foreign_profile(profile(P3_RED)) == "sRGB built-in"  # its name is what it says it is
    assert read("PNG", icc_profile=profile(P3_RED)).profile
    assert read("PNG", icc_profile=profile()).profile == ""


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_profiles_are_passed_over(data: st.DataObject) -> None:
    whole = bytearray(profile(P3_RED))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(128, 300))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    picture = photo(1, (8, 8))
    picture.info["icc_profile"] = cut
    assert isinstance(tags_of(picture, b"").profile, str)


def test_tags_behind_the_pixels_are_found_without_reading_those(tmp_path: Path) -> None:
    path, exif = tmp_path / "turned.png", Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((300, 200), 90).save(path)
    data = path.read_bytes()
    content = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    tag = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    path.write_bytes(data[:-12] + tag + data[-12:])
    with path.open("rb") as file, Image.open(path) as picture:
        small = png_without_pixels(file)
        assert len(small) < 200 < len(data) / 100
        assert list(png_chunks(small)) == list(png_chunks(path.read_bytes()))
        assert orientation_of(picture, small) == 6
    for end in range(60):
        assert len(png_without_pixels(io.BytesIO(data[:end]))) <= end
