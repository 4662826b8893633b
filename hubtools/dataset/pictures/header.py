"""Which pictures any process may decode: in formats whose decoders see hostile files every day, in
sizes that fit anywhere. It is judged by the head of a file, before anything is allocated for it."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hubtools.dataset.pictures.jpeg_header import Header, plain_header

if TYPE_CHECKING:
    from PIL import ImageFile

# Without any handler, Python would print what Pillow logs about odd files.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_FORMATS = frozenset({"JPEG", "MPO", "PNG", "GIF", "WEBP", "BMP"})
# To look at a picture takes up to 30 bytes a pixel, and 8 where libjpeg decodes it smaller.
_PIXELS = 16_000_000
_JPEG_PIXELS = 50_000_000
_USUAL = (1 << 30) // 4 // 3  # Pillow warns beyond, and refuses twice as much
_BYTES = 64_000_000
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")  # by a plug-in, as HEIC and AVIF
_ICONS = (b"\0\0\1\0", b"\0\0\2\0")
_SPIDER = 108  # bytes of the longest header without a signature
_SCANS = 64  # of a progressive JPEG; each costs a pass over the whole picture


def is_trusted_format(data: bytes, picture: ImageFile.ImageFile) -> bool:
    """True if any process may decode `picture`, which Pillow has opened from `data`."""
    small = picture.format in ("JPEG", "MPO") and picture.mode in ("L", "RGB")
    return (
        picture.format in _FORMATS
        and picture.width * picture.height <= (_JPEG_PIXELS if small else _PIXELS)
        and len(data) <= _BYTES
        and (picture.format not in ("JPEG", "MPO") or _scans(data, picture) <= _SCANS)
    )


def trusted_jpeg(data: bytes) -> Header | None:
    """The header of a JPEG that any process may decode, if it holds nothing but its pixels."""
    header = plain_header(data)
    if header is None or header.width * header.height > _JPEG_PIXELS or len(data) > _BYTES:
        return None
    return header


def _scans(data: bytes, picture: ImageFile.ImageFile) -> int:
    """At least as many as a decoder of this JPEG makes. Counting them takes a tenth of the time
    of decoding, and is for those whose first scan does not hold all (ITU T.81, B.2.3)."""
    if "progressive" not in picture.info:
        header = data.rfind(b"\xff\xda", 0, picture.fp.tell() if picture.fp else 0)
        if header > 0 and data[header + 4] == len(picture.getbands()):
            return 1
    return data.count(b"\xff\xda")


def opens_as_trusted(data: bytes) -> bool:
    """False if Pillow would allocate much for only opening it: WebP's canvas, all of an icon."""
    if data.startswith(_ICONS):
        return False
    width, height = webp_canvas(data) or (0, 0)
    return width * height <= _PIXELS


def trusted_format(data: bytes) -> bool:
    """`is_trusted_format` of the bytes of a file; True as well for what no decoder takes."""
    if not opens_as_trusted(data) or data[4:8] == b"ftyp" or data.startswith(_JXL):
        return False
    try:
        with pillow_limits_lifted(), opened(data) as picture:
            return is_trusted_format(data, picture)
    except Exception:  # nearly anything, on hostile bytes: there is nothing to decode
        return True


def webp_canvas(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels that the head of a WebP announces (RFC 9649); None for others."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = (int.from_bytes(body[at : at + 2], "little") for at in (6, 8))
        return width & 0x3FFF, height & 0x3FFF
    return None


def opened(data: bytes) -> ImageFile.ImageFile:
    """`Image.open`, which would ask the plug-ins of all formats one after the other, and start
    Ghostscript for what calls itself a picture and is a PostScript program."""
    from PIL import Image, UnidentifiedImageError

    likely = "JPEG" if data.startswith(b"\xff\xd8\xff") else "PNG"
    try:
        return Image.open(io.BytesIO(data), formats=(likely,))
    except UnidentifiedImageError:
        if starts_as_text(data):
            raise  # the other plug-ins take longer to load than a small folder to check
        return Image.open(io.BytesIO(data), formats=kinds())


def kinds() -> list[str]:
    """All formats that Pillow reads but PostScript, for which it starts Ghostscript."""
    from PIL import Image

    Image.init()
    return [name for name in Image.ID if name != "EPS"]


def starts_as_text(data: bytes) -> bool:
    """Whether these bytes begin like JSON or front matter, and are no picture of any format that
    Pillow knows: six have no signature, of which PCD stands at byte 2048, and the headers of the
    others have a letter first or bytes that are no text."""
    return (
        data.startswith((b"{", b"---"))
        and min(data[:_SPIDER]) > 8
        and data[4:8] != b"ftyp"
        and data[2048:2052] != b"PCD_"
    )


@contextmanager
def pillow_limits_lifted() -> Iterator[None]:
    """Let Pillow open the header of a picture of any size (what is too large is not decoded), and
    keep its warnings to itself. Who looks at many enters it once for all."""
    from PIL import Image

    if Image.MAX_IMAGE_PIXELS is None:
        yield
        return
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def pillow_limits_default() -> Iterator[None]:
    """Within `pillow_limits_lifted`: Pillow again refuses what it refuses in other programs."""
    from PIL import Image

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, _USUAL
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit
