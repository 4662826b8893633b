"""Positions in blocks that go on in another segment, in profiles of any name, and in EXIF whose
first list of tags is not where it mostly is: told, and blanked with nothing else changed."""

from __future__ import annotations

import io
import struct
import time
import zlib

import pytest
from PIL import Image

from hubtools.dataset.pictures.private.png_blocks import png_chunks, png_file
from hubtools.dataset.pictures.private.reading import private_of
from hubtools.dataset.pictures.private.scrub import look, scrub
from hubtools.dataset.pictures.private.strays import Work
from tests.security.test_positions_in_boxes import block

EXIF, BLOCK = b"Exif\0\0", block()


def drawn(kind: str) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((32, 32), 60).convert("RGB").save(out, kind)
    return out.getvalue()


def far() -> bytes:
    """EXIF with GPS whose first list of tags is at its end."""
    order = "<" if BLOCK[:2] == b"II" else ">"
    (place,) = struct.unpack(order + "I", BLOCK[4:8])
    (count,) = struct.unpack(order + "H", BLOCK[place : place + 2])
    tags = BLOCK[place : place + 2 + 12 * count + 4]
    return BLOCK[:4] + struct.pack(order + "I", len(BLOCK)) + BLOCK[8:] + tags


def resource(data: bytes, id: int = 0x0422) -> bytes:
    name = b"8BIM" + struct.pack(">H", id) + b"\0\0" + struct.pack(">I", len(data))
    return name + data + b"\0" * (len(data) % 2)


def jpeg(*segments: tuple[int, bytes]) -> bytes:
    data = drawn("JPEG")
    more = b"".join(
        bytes((0xFF, mark)) + struct.pack(">H", len(part) + 2) + part for mark, part in segments
    )
    return data[:2] + more + data[2:]


def png(name: str, data: bytes, *, packed: bool = False) -> bytes:
    digits = data.hex()
    lines = "\n".join(digits[n : n + 72] for n in range(0, len(digits), 72))
    text = f"\n{name}\n{len(data):8}\n{lines}\n".encode()
    key = b"Raw profile type " + name.encode() + b"\0"
    chunk = (b"zTXt", key + b"\0" + zlib.compress(text)) if packed else (b"tEXt", key + text)
    chunks = png_chunks(drawn("PNG"))
    return png_file([chunks[0], chunk, *chunks[1:]])


def with_chunk(data: bytes) -> bytes:
    chunks = png_chunks(drawn("PNG"))
    return png_file([chunks[0], (b"prVt", data), *chunks[1:]])


def webp(data: bytes) -> bytes:
    whole = drawn("WEBP") + b"ABCD" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(whole) - 8) + whole[8:]


PHOTOSHOP = b"Photoshop 3.0\0"
CASES = {
    "EXIF in two segments": jpeg((0xE1, EXIF + BLOCK[:60]), (0xE1, EXIF + BLOCK[60:])),
    "EXIF in three": jpeg(*((0xE1, EXIF + part) for part in (BLOCK[:8], BLOCK[8:50], BLOCK[50:]))),
    "Photoshop's block in two": jpeg(
        (0xED, PHOTOSHOP + resource(BLOCK)[:40]), (0xED, PHOTOSHOP + resource(BLOCK)[40:])
    ),
    "behind another one": jpeg(
        (0xED, PHOTOSHOP + resource(b"abc", 0x0409)),
        (0xED, PHOTOSHOP + resource(BLOCK)[:70]),
        (0xED, PHOTOSHOP + resource(BLOCK)[70:]),
    ),
    "8bim with a prefix": png("8bim", resource(EXIF + BLOCK)),
    "8bim with a prefix, packed": png("8bim", resource(EXIF + BLOCK), packed=True),
    "a profile of any name": png("foo", EXIF + BLOCK),
    "without a prefix": png("foo", BLOCK, packed=True),
    "blocks of any name": png("foo", resource(BLOCK)),
    "tags at the end, in a chunk": with_chunk(far()),
    "in a chunk of a WebP": webp(far()),
    "in another segment": jpeg((0xE4, b"mine" + far())),
    "behind the picture": drawn("JPEG") + far(),
}


@pytest.mark.parametrize("case", CASES)
def test_a_position_in_pieces_is_told_and_blanked(case: str) -> None:
    data = CASES[case]
    assert private_of(data).gps
    cleaned, removed = scrub(data)
    assert removed
    assert not private_of(cleaned).gps
    with Image.open(io.BytesIO(data)) as one, Image.open(io.BytesIO(cleaned)) as other:
        assert one.tobytes() == other.tobytes()
    if data.startswith(b"\xff\xd8"):
        assert len(cleaned) == len(data)


@pytest.mark.parametrize(
    "data",
    [
        png("icc", bytes(range(256))),
        png("foo", b"a note, and no more"),
        png("generic", b"II*\0 and words that are no tags at all, however long"),
        jpeg((0xE1, EXIF + BLOCK[:8]), (0xED, PHOTOSHOP + b"8BIM\4\4")),
        with_chunk(b"MM\0*\0\0\1\0" + bytes(range(256)) * 3),
        drawn("JPEG") + b"II*\0\x20\0\0\0" + bytes(range(256)) * 3,
    ],
)
def test_what_is_none_is_left(data: bytes) -> None:
    assert not private_of(data).gps


def test_many_segments_are_read_in_time_that_grows_with_them() -> None:
    def segment(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content

    picture, count = drawn("JPEG"), 12_000
    begin = segment(0xE1, EXIF + b"II*\0\x08\0\0\0" + bytes(6))
    blocks = segment(0xED, b"Photoshop 3.0\x008BIM") * count
    data = picture[:2] + begin + blocks + segment(0xE1, EXIF) * count + picture[2:]
    start = time.process_time()
    look(data, Work())
    assert time.process_time() - start < 1  # seconds; each asking all that were before: 2.5
