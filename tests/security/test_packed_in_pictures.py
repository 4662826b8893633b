"""What is packed anywhere in a picture is opened, and what is not looked at is told (P117)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image

from hubtools.publish.contents import Kind, member, pictures, scan, streams
from tests.security.secrets_corpus import picture

TOKEN = "h" + "f_" + "aB3" * 11 + "x"
TEXT = f"the token is {TOKEN}, keep it".encode()
PACK = {"gzip": gzip.compress, "zlib": zlib.compress, "bz2": bz2.compress, "xz": lzma.compress}
FORMATS = ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "AVIF", "BMP")


def kinds(data: bytes) -> set[Kind]:
    return {leak.kind for leak in scan("a.png", io.BytesIO(data), len(data))}


def jxl(*boxes: tuple[bytes, bytes]) -> bytes:
    start = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
    return start + b"".join(struct.pack(">I4s", 8 + len(d), k) + d for k, d in boxes)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK)
@pytest.mark.parametrize("format", FORMATS)
def test_behind_the_end(format: str, pack: Callable[[bytes], bytes]) -> None:
    assert kinds(picture(format)) == set()
    assert Kind.SECRET in kinds(picture(format) + pack(TEXT))
    assert Kind.SECRET in kinds(picture(format) + b"\0" * 999 + pack(TEXT))


@pytest.mark.parametrize(
    "tail",
    [
        b"7z\xbc\xaf\x27\x1c" + bytes(99),
        b"Rar!\x1a\x07\1\0" + bytes(99),
        b"\x28\xb5\x2f\xfd\x24\x0ci\0\0hello, world.\0\0\0\0",
        b"\x04\x22\x4d\x18\x64\x40\xa7" + bytes(99),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_what_cannot_be_opened_behind_the_end_is_told(format: str, tail: bytes) -> None:
    assert kinds(picture(format) + tail) == {Kind.UNREAD}


def test_boxes_of_jpeg_xl() -> None:
    frame = (b"jxlc", b"\xff\x0a" + bytes(99))
    assert kinds(jxl(frame)) == set()
    assert kinds(jxl(frame, (b"brob", b"Exif" + bytes(40)))) == {Kind.UNREAD}
    assert kinds(jxl(frame, (b"brob", b"xml " + bytes(40)))) == {Kind.UNREAD}
    assert Kind.SECRET in kinds(jxl(frame, (b"uuid", bytes(16) + zlib.compress(TEXT))))
    assert Kind.SECRET in kinds(jxl(frame) + zlib.compress(TEXT))


def test_a_long_chunk_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_CHUNK", 1000)
    png = picture()
    data = png[:33] + png_chunk(b"prVt", bytes(2000) + zlib.compress(TEXT)) + png[33:]
    assert Kind.SECRET in kinds(data)


@pytest.mark.parametrize("format", [*FORMATS, "PDF"])
def test_streams_beyond_a_window(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_ALL", 4096)
    start = b"%PDF-1.7\n" if format == "PDF" else picture(format)
    for before in (4000, 4080, 9000):  # within a window, over its end, in a later one
        data = start + b" " * (before - len(start)) + zlib.compress(TEXT + bytes(99))
        assert Kind.SECRET in kinds(data), before


def test_metadata_of_long_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_ALL", 2000)
    noise = Image.effect_noise((64, 64), 90)
    for format, expected in (("PNG", set()), ("TIFF", {Kind.UNREAD}), ("WEBP", {Kind.UNREAD})):
        out = io.BytesIO()
        noise.save(out, format, **({"lossless": True} if format == "WEBP" else {}))
        assert kinds(out.getvalue()) == expected, format


def test_packed_pixels_are_no_streams() -> None:
    out = io.BytesIO()
    Image.effect_noise((512, 512), 90).save(out, "TIFF", compression="tiff_deflate")
    assert kinds(out.getvalue()) == set()
    assert Kind.SECRET in kinds(out.getvalue() + zlib.compress(TEXT))


def test_bombs_in_bombs_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "_FREE", 1 << 22)
    inner = zlib.compress(bytes(1 << 20), 9)
    assert kinds(picture() + zlib.compress(inner * 200, 9)) == {Kind.UNREAD}


def test_empty_blocks_take_no_time() -> None:
    # each start of them unpacks to nothing up to the end
    data = (b"\x78\x01" + b"\0\0\0\xff\xff" * 12) * 30_000
    kinds(picture("BMP") + data)


def test_an_object_of_git_is_opened() -> None:
    assert Kind.SECRET in kinds(zlib.compress(b"blob 58\0" + TEXT))
