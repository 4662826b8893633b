"""Picture files with faults where they hurt: in segments, chunks, tags and profiles."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import lru_cache

from PIL import Image, ImageCms, ImageDraw

_XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    'syntax-ns#"><rdf:Description aux:SerialNumber="12" exif:GPSLatitude="52,31.2N"'
    ' dc:rights="(c) é"><plus:DataMining>DMI-PROHIBITED</plus:DataMining></rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "MPO", "BMP", "AVIF", "ICO", "PPM")


def _drawn(mode: str, size: tuple[int, int], hue: int) -> Image.Image:
    made = Image.new("RGB", size, (hue, 90, 200))
    ImageDraw.Draw(made).ellipse((2, 2, size[0] // 2, size[1] - 2), fill=(250, 30, hue))
    return made.convert(mode)


@lru_cache(maxsize=256)
def plain(format: str, mode: str = "RGB", tagged: bool = True, hue: int = 40) -> bytes:
    """A whole picture with EXIF data, a position, XMP and a colour profile."""
    tags = Image.Exif()
    tags[0x0112], tags[0x013B], tags[0x9C9D] = 6, "Jane", b"J\0a\0"
    tags.get_ifd(0x8769).update({0xA431: "SN-1", 0x927C: b"maker", 0x9286: b"ASCII\0\0\0hi"})
    tags.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0)})
    more: dict[str, object] = {}
    if tagged and format in ("JPEG", "PNG", "WEBP", "TIFF", "MPO", "AVIF"):
        more["exif"] = tags
        if mode == "RGB":
            more["icc_profile"] = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        if format in ("JPEG", "WEBP", "AVIF", "MPO"):
            more["xmp"] = _XMP.encode()
    picture = _drawn(mode, (40, 32), hue)
    if format in ("MPO", "GIF") or (format in ("WEBP", "TIFF", "PNG") and hue % 3 == 0):
        more |= {"save_all": True, "append_images": [_drawn(mode, (40, 32), hue + 99)]}
    out = io.BytesIO()
    picture.save(out, format, **more)
    return out.getvalue()


def some(random: random.Random) -> bytes:
    """A picture that is well."""
    format = random.choice(FORMATS[:6] * 3 + FORMATS)
    mode = random.choice(["RGB", "RGB", "RGBA", "L", "P", "CMYK", "I;16", "1", "LA"])
    hue = random.randrange(8) * 13
    for kind in (mode, "RGB"):
        try:
            return plain(format, kind, random.random() < 0.8, hue)
        except (OSError, ValueError, KeyError):
            continue
    return plain("PNG")


def hostile(random: random.Random) -> bytes:
    """A picture with up to six faults."""
    data = some(random)
    for _ in range(random.choice([0, 1, 1, 1, 2, 3, 6])):
        data = random.choice(_FAULTS)(random, data)
    return data[:2_000_000]


# --- faults anywhere -----------------------------------------------------------------------------

_ODD = (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1")


def _flip(random: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 8])):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(random: random.Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _put(random: random.Random, data: bytes) -> bytes:
    place, odd = random.randrange(len(data) + 1), random.choice(_ODD)
    over = len(odd) if random.random() < 0.7 else 0
    return data[:place] + odd + data[place + over :]


def _twice(random: random.Random, data: bytes) -> bytes:
    start = random.randrange(len(data) + 1)
    part = data[start : start + random.randrange(1, 400)]
    return data[:start] + part * random.choice([2, 3, 50]) + data[start:]


def _zeros(random: random.Random, data: bytes) -> bytes:
    start = random.randrange(len(data) + 1)
    size = min(random.randrange(1, 300), len(data) - start)
    return data[:start] + bytes(size) + data[start + size :]


def _behind(random: random.Random, data: bytes) -> bytes:
    return data + random.choice([b"noise", some(random), bytes(5000), b"PK\3\4"])


def _headless(random: random.Random, data: bytes) -> bytes:
    return some(random)[: random.randrange(40)] + data[random.randrange(40) :]


# --- faults of one format ------------------------------------------------------------------------


def _jpeg(random: random.Random, data: bytes) -> bytes:
    """Segments dropped, doubled, swapped, of a wrong length."""
    if not data.startswith(b"\xff\xd8"):
        return _flip(random, data)
    parts, place = [], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != 0xDA:
        size = struct.unpack_from(">H", data, place + 2)[0] + 2
        parts.append(data[place : place + size])
        place += size
    if parts:
        number = random.randrange(len(parts))
        part = parts[number]
        what = random.randrange(6)
        if what == 0:
            del parts[number]
        elif what == 1:
            parts.insert(random.randrange(len(parts)), part)
        elif what == 2:
            random.shuffle(parts)
        elif what == 3:
            parts[number] = part[:2] + struct.pack(">H", random.randrange(65536)) + part[4:]
        elif what == 4:
            parts[number] = b"\xff" + bytes([random.randrange(0xC0, 0xFF)]) + part[2:]
        else:
            parts[number] = part[:4] + _flip(random, part[4:])
    return data[:2] + b"".join(parts) + data[place:]


def _png(random: random.Random, data: bytes) -> bytes:
    """Chunks dropped, doubled, swapped, filled anew; with the right sum, or not."""
    if not data.startswith(b"\x89PNG"):
        return _put(random, data)
    parts, place = [], 8
    while place + 12 <= len(data):
        size = struct.unpack_from(">I", data, place)[0]
        parts.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    if not parts:
        return data
    number, what = random.randrange(len(parts)), random.randrange(7)
    kind, content = parts[number]
    if what == 0:
        del parts[number]
    elif what == 1:
        parts.insert(random.randrange(len(parts) + 1), parts[number])
    elif what == 2:
        middle = parts[1:-1]
        random.shuffle(middle)
        parts[1:-1] = middle
    elif what == 3:
        parts[number] = (kind, _flip(random, content) if content else b"x")
    elif what == 4:
        text = random.choice([b"XML:com.adobe.xmp\0\0\0\0\0", b"Raw profile type exif\0\0"])
        packed = zlib.compress(random.choice([bytes(3_000_000), _XMP.encode(), b"\nexif\n9\n4d"]))
        parts.insert(1, (random.choice([b"iTXt", b"zTXt", b"tEXt"]), text + packed))
    elif what == 5:
        parts[number] = (bytes(random.randrange(256) for _ in range(4)), content)
    else:
        head = bytearray(parts[0][1])
        if len(head) >= 13:
            struct.pack_into(">I", head, random.choice([0, 4]), random.choice([0, 1, 1 << 20]))
            head[random.randrange(8, 13)] = random.choice([0, 1, 3, 16, 255])
        parts[0] = (parts[0][0], bytes(head))
    made = [data[:8]]
    for kind, content in parts:
        total = zlib.crc32(kind + content)
        total ^= random.random() < 0.1
        made.append(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", total))
    return b"".join(made)


def _tiff(random: random.Random, data: bytes) -> bytes:
    """An entry of a tag directory, in a TIFF or in EXIF data, says something else."""
    starts = [data.find(mark) for mark in (b"II*\0", b"MM\0*")]
    start = max(starts)
    if start < 0 or len(data) < start + 40:
        return _cut(random, data)
    order = "<" if data[start] == 0x49 else ">"
    changed = bytearray(data)
    first = start + struct.unpack_from(order + "I", data, start + 4)[0]
    if first + 2 > len(data):
        return data
    count = struct.unpack_from(order + "H", data, first)[0]
    entry = first + 2 + 12 * random.randrange(max(1, min(count, 40)))
    if entry + 12 <= len(data):
        what = random.randrange(5)
        if what == 0:
            struct.pack_into(order + "H", changed, entry, random.choice([0x8769, 0x8825, 0x927C]))
        elif what == 1:
            struct.pack_into(order + "H", changed, entry + 2, random.randrange(20))
        elif what == 2:
            struct.pack_into(
                order + "I", changed, entry + 4, random.choice([0, 1 << 28, 2**32 - 1])
            )
        elif what == 3:  # a directory that leads to itself
            struct.pack_into(order + "I", changed, entry + 8, first - start)
        else:
            struct.pack_into(order + "H", changed, first, random.choice([0, 1, 65535]))
    return bytes(changed)


def _riff(random: random.Random, data: bytes) -> bytes:
    """A chunk of a WebP file of another kind or length."""
    if data[:4] != b"RIFF" or len(data) < 30:
        return _twice(random, data)
    changed, place = bytearray(data), 12
    for _ in range(random.randrange(4)):
        size = struct.unpack_from("<I", data, place + 4)[0]
        if place + 8 + size + 8 > len(data):
            break
        place += 8 + size + size % 2
    if random.random() < 0.5:
        struct.pack_into("<I", changed, place + 4, random.choice([0, 1, 2**32 - 1, 1 << 24]))
    else:
        changed[place : place + 4] = random.choice([b"VP8X", b"EXIF", b"XMP ", b"ANMF", b"ICCP"])
    return bytes(changed)


def _words(random: random.Random, data: bytes) -> bytes:
    """Texts within say something else, at the same length."""
    for word in (b"SerialNumber", b"GPSLatitude", b"SN-1", b"Jane", b"desc", b"rXYZ", b"DMI-"):
        if word in data and random.random() < 0.5:
            odd = bytes(random.choice(b'\0\x1b<>&"\xff\xc3A0') for _ in word)
            data = data.replace(word, odd, 1)
    return data


_FAULTS = (
    _flip, _cut, _put, _twice, _zeros, _behind, _headless,
    _jpeg, _jpeg, _png, _png, _tiff, _tiff, _riff, _words,
)  # fmt: skip
