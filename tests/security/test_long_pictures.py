"""What a long picture or film tells is found wherever it stands: all of it is read, in pieces."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.dataset.pictures.private import reading
from hubtools.dataset.pictures.private.besides import private_in
from hubtools.dataset.pictures.private.png_blocks import png_chunks, png_file
from tests.security.test_positions import XMP, drawn
from tests.security.test_positions_in_boxes import box

LONG = 2_000_000  # pieces are a quarter of a megabyte here, in place of 32


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_WHOLE", 1 << 18)
    monkeypatch.setattr(reading, "_OVERLAP", 1 << 14)


def film() -> bytes:
    data = box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"mdat", bytes(LONG // 2))
    data += box(b"moov", box(b"udta", box(b"\xa9xyz", b"\0\x12\x15\xc7+48.1370+011.5750/")))
    return data + box(b"mdat", bytes(LONG // 2))


def png() -> bytes:
    chunks = png_chunks(drawn("PNG"))
    packed = zlib.compress(b'{"latitude": 48.1372, "longitude": 11.5755}')
    text = (b"zTXt", b"Comment\0\0" + packed)
    pixels = (b"IDAT", bytes(LONG // 2))
    return png_file([*chunks[:-1], pixels, text, pixels, chunks[-1]])


def tiff() -> bytes:
    """Its only list of tags, and what that leads to, in the middle."""
    middle = LONG // 2
    degrees = struct.pack("<6I", 48, 1, 8, 1, 13, 1)
    own = struct.pack("<HHHII", 1, 2, 5, 3, middle) + bytes(4)
    main = struct.pack("<HHHII", 1, 0x8825, 4, 1, middle + len(degrees)) + bytes(4)
    head = b"II*\0" + struct.pack("<I", middle + len(degrees) + len(own))
    return head + bytes(middle - 8) + degrees + own + main + bytes(middle)


def gif() -> bytes:
    return drawn("GIF") + bytes(LONG // 2) + XMP.encode() + bytes(LONG // 2)


@pytest.mark.parametrize("make", [film, png, tiff, gif])
def test_the_middle_is_read(make: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(make())
    assert private_in("long", lambda name: path.open("rb")).gps


def test_a_block_on_a_border_is_found() -> None:
    data = bytes((1 << 18) - 100) + XMP.encode() + bytes(100)
    assert private_in("x.mov", lambda name: io.BytesIO(data)).gps
    assert not private_in("x.mov", lambda name: io.BytesIO(bytes(1 << 20))).there
