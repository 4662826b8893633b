"""Small files that announce pictures of gigabytes."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable

from PIL import Image

_CODES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # PNG colour type -> samples a pixel
_PIECE = 1 << 20


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A whole PNG of zeros, compressed to a thousandth."""
    left = height * (1 + -(-width * depth * _CODES[colour] // 8))
    packer, pixels = zlib.compressobj(9), b""
    while left:
        size = min(left, _PIECE)
        pixels += packer.compress(bytes(size))
        left -= size
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = _chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    body = _chunk(b"IDAT", pixels + packer.flush())
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + palette + body + _chunk(b"IEND", b"")


def webp_still(width: int, height: int) -> bytes:
    """A lossless WebP of one colour: a few bytes at any size up to 16383 x 16383, of which most
    are the numbers for width and height."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "WEBP", lossless=True, method=0)
    data = bytearray(out.getvalue())
    bits = int.from_bytes(data[21:25], "little") & ~0xFFFFFFF
    data[21:25] = (bits | (width - 1) | (height - 1) << 14).to_bytes(4, "little")
    return bytes(data)


def webp_animation(width: int, height: int, frames: int = 2) -> bytes:
    """Small frames on a large canvas."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "WEBP", lossless=True, method=0)
    still = out.getvalue()[12:]
    frame = bytes(6) + b"\x0f\0\0\x0f\0\0d\0\0\0" + still
    parts = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    parts += (b"ANMF" + struct.pack("<I", len(frame)) + frame) * frames
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + sides + parts
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def tiff(width: int, height: int, bits: int = 8, packing: int = 5) -> bytes:
    """One strip of a few bytes for the whole picture."""
    tags = {256: width, 257: height, 258: bits, 259: packing, 262: 1, 273: 8, 277: 1, 278: height,
            279: 20}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return (
        b"II*\0"
        + struct.pack("<I", 36)
        + bytes(28)
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )


def gif(width: int, height: int) -> bytes:
    """Small frames on a large screen."""
    out = io.BytesIO()
    frames = [Image.new("P", (16, 16), number) for number in range(3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    data = bytearray(out.getvalue())
    struct.pack_into("<HH", data, 6, min(width, 65535), min(height, 65535))
    return bytes(data)


def jpeg(width: int, height: int, progressive: bool = False) -> bytes:
    """Data for 64 x 64 pixels under a head that says otherwise."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "JPEG", progressive=progressive)
    data = bytearray(out.getvalue())
    place = data.find(b"\xff\xc2" if progressive else b"\xff\xc0")
    struct.pack_into(">HH", data, place + 5, min(height, 65535), min(width, 65535))
    return bytes(data)


def bmp(width: int, height: int) -> bytes:
    """Packed by run lengths, and cut off."""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, 0, 2835, 2835, 256, 0)
    start = 14 + len(head) + 1024
    return b"BM" + struct.pack("<IHHI", start + 2, 0, 0, start) + head + bytes(1024) + b"\0\1"


def icon(width: int, height: int) -> bytes:
    """An icon of 16 x 16 pixels that is a PNG of other ones."""
    inside = png(width, height)
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inside), 22) + inside


def texts(width: int, height: int) -> bytes:
    """A PNG with a text that grows when it is unpacked."""
    plain = png(16, 16)
    at = plain.index(b"IDAT") - 4
    packed = zlib.compress(bytes(min(width * height, 50_000_000)), 9)
    return plain[:at] + _chunk(b"zTXt", b"Raw profile type exif\0\0" + packed) + plain[at:]


KINDS: tuple[Callable[[int, int], bytes], ...] = (
    png, webp_still, webp_animation, tiff, gif, jpeg, bmp, icon, texts,
)  # fmt: skip
# Sides in pixels; some beyond what is decoded at all.
SIZES = ((40, 4_194_336), (16_383, 16_383), (12_000, 12_000), (7_000, 7_000), (5_000, 3_000),
         (65_535, 300), (1, 3_000_000))  # fmt: skip


def hostile(random: random.Random) -> bytes:
    """One of them."""
    width, height = random.choice(SIZES)
    kind = random.choice(KINDS)
    if kind is webp_still:
        width, height = min(width, 16_383), min(height, 16_383)
    return kind(width, height)
