"""Decoding that proves every byte of a picture, and leaves a small grey copy of it."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

from hubtools.dataset.pictures.header import opened
from hubtools.dataset.pictures.rgb import to_rgb, turned_upright

if TYPE_CHECKING:
    from PIL import Image

    from hubtools.dataset.pictures.appearance import Grey


class Damaged(Exception):
    """The picture does not decode; the message says why."""


class Decoded(NamedTuple):
    """A small grey copy of a picture, and all of its pixels where they had to be decoded for it
    (JPEG is decoded smaller)."""

    grey: Grey
    pixels: Image.Image | None = None


# Chunks of PNG in which Pillow finds nothing to refuse, short of 64 MB of texts.
_HARMLESS = frozenset({b"eXIf", b"tEXt", b"tIME"})
# The longer side of a preview, in pixels.
PREVIEW = 192


def decoded(data: bytes, picture: Image.Image) -> Decoded:
    """Decode all of `data`, which Pillow has opened as `picture`, into a small grey copy as
    `looks` wants it: as stored, not turned upright, transparency over white.

    JPEG is decoded strictly (libjpeg's warnings count as damage, which Pillow and OpenCV accept),
    PNG chunks are checked against their CRCs. Raises `Damaged`, or whatever Pillow's plug-in
    raises on damaged pixels.
    """
    if picture.format in ("JPEG", "MPO") and picture.mode in ("L", "RGB"):
        if (small := decoded_jpeg(data)) is not None:
            return small
    elif picture.format in ("JPEG", "MPO"):
        _jpeg(data)  # for the damage; the colours of print are Pillow's to convert
    elif picture.format == "PNG":
        behind = _check_png(data)
        pixels = _fast_png(data, picture) if behind <= _HARMLESS else None
        if pixels is not None:
            return Decoded(_reduced(pixels), pixels)
        if not getattr(picture, "tile", True):
            # it was loaded in search of tags, and what Pillow refuses behind pixels it refuses once
            with opened(data) as again:
                again.load()
    picture.load()
    return Decoded(_reduced(picture), picture)


def decoded_jpeg(data: bytes) -> Decoded | None:
    """`decoded` of a JPEG in grey or colour; None if only Pillow can do it. Raises `Damaged`."""
    from hubtools.dataset.pictures.appearance import shrunk

    grey = _jpeg(data)
    return None if grey is None else Decoded(shrunk(grey))


def _jpeg(data: bytes) -> Grey | None:
    """A scaled decode by simplejpeg; None if it is not installed or does not know this kind."""
    try:
        import simplejpeg
    except ImportError:
        return None
    from hubtools.dataset.pictures.appearance import SIDE

    try:
        # Scaled decoding still reads the whole entropy stream, at half the cost.
        grey: Grey = simplejpeg.decode_jpeg(
            data, colorspace="GRAY", min_height=SIDE, min_width=SIDE, strict=True
        )
    except ValueError as error:
        text = str(error).strip().rstrip(".")
        if "unsupported" in text.lower() or "not supported" in text.lower():
            return None
        raise Damaged(f"its JPEG data is damaged ({text})") from None
    return grey[..., 0]


def _check_png(data: bytes) -> set[bytes]:
    """Walk the chunks: each has a CRC, and IEND must come (PNG specification, section 5). Answers
    the kinds of those behind the pixels."""
    view = memoryview(data)
    place, behind = 8, set[bytes]()
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise Damaged("it is cut off")
        (stored,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[place + 4 : end - 4]) != stored:
            raise Damaged(f"its {kind.decode('latin-1')} chunk is damaged")
        if kind == b"IEND":
            return behind
        behind = set() if kind == b"IDAT" else behind | {kind}
        place = end
    raise Damaged("it is cut off")


def _fast_png(data: bytes, picture: Image.Image) -> Image.Image | None:
    """Pixels by kornia-rs, at a third of Pillow's time, if it is installed (the extra `fast`) and
    the picture is of a kind that it decodes as Pillow does."""
    if picture.mode not in ("RGB", "RGBA") or "transparency" in picture.info:
        return None
    if data[24:25] != b"\x08":  # Pillow shows pictures of 16 bits a channel as RGB too
        return None
    try:
        from kornia_rs.io import decode_image_png_u8
    except ImportError:
        return None
    from PIL import Image

    size = (picture.height, picture.width)
    try:
        pixels = decode_image_png_u8(data, size, picture.mode.lower())
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # Its errors tell little, and a panic of Rust is no Exception: Pillow is asked instead.
        return None
    if pixels.shape != (*size, len(picture.mode)):
        return None
    return Image.fromarray(pixels)


def _reduced(picture: Image.Image) -> Grey:
    import numpy as np

    from hubtools.dataset.pictures.appearance import SIDE, narrowed

    factor = max(1, min(picture.size) // SIDE)
    if picture.mode.startswith("I") or picture.mode == "F":
        picture = to_rgb(_thinned(picture, factor))
        factor = 1
    elif picture.mode in ("P", "PA", "1") or (picture.has_transparency_data and factor == 1):
        picture = to_rgb(picture)
    if factor > 1:
        picture = picture.reduce(factor)
    if picture.has_transparency_data:
        picture = to_rgb(picture)
    return narrowed(np.asarray(picture.convert("L")))


def _thinned(picture: Image.Image, factor: int) -> Image.Image:
    """Every `factor`th pixel: Pillow averages no 16-bit pictures."""
    from PIL import Image

    if factor == 1:
        return picture
    size = (max(1, picture.width // factor), max(1, picture.height // factor))
    return picture.resize(size, Image.Resampling.NEAREST)


def thumbnail(data: bytes, side: int = 64) -> Any:
    """The picture squeezed into `(side, side, 3)` of `uint8`: upright, transparency over white.

    Raises whatever Pillow raises for what is no whole picture.
    """
    import numpy as np
    from PIL import Image

    small = upright(data, 4 * side, 2 * side)
    return np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))


def upright(data: bytes, draft: int, side: int) -> Image.Image:
    """The picture in RGB, upright, transparency over white, its short side `side` pixels to twice
    that unless it is smaller. A JPEG is decoded no smaller than `draft` pixels square.

    Raises whatever Pillow raises for what is no whole picture.
    """
    with opened(data) as picture:
        picture.draft(None, (draft, draft))
        picture.load()
        turned = to_rgb(turned_upright(picture))
    factor = min(turned.size) // side
    return turned.reduce(factor) if factor > 1 else turned


_ORIENTATION = 0x0112
# EXIF orientation -> how to turn what is stored
_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # values of Image.Transpose


def preview(
    data: bytes, orientation: int | None = None, pixels: Image.Image | None = None
) -> bytes:
    """A small JPEG of the picture, upright, transparency over white.

    `orientation` (EXIF) and `pixels` are those of `data`, if they are known already.
    Raises whatever Pillow raises for what is no whole picture.
    """
    import io

    from PIL import Image

    if pixels is None:
        with opened(data) as picture:
            picture.draft(None, (PREVIEW, PREVIEW))
            picture.load()
            if orientation is None:
                orientation = picture.getexif().get(_ORIENTATION, 1)
            small = _smaller(picture)
    else:
        small = _smaller(pixels)
    small = to_rgb(small)
    small.thumbnail((PREVIEW, PREVIEW), Image.Resampling.BILINEAR)
    if orientation in _TURNS:
        small = small.transpose(Image.Transpose(_TURNS[orientation]))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def _smaller(picture: Image.Image) -> Image.Image:
    """A copy of at most some four times the size of a preview."""
    plain = picture.mode in ("RGB", "RGBA", "L")
    if not plain or (picture.mode != "RGBA" and picture.has_transparency_data):
        picture = to_rgb(picture)
    factor = max(picture.size) // (2 * PREVIEW)
    return picture.reduce(factor) if factor > 1 else picture.copy()


def pixel_digest(data: bytes) -> str:
    """xxh3-128 of the size and all pixels as `thumbnail` sees them."""
    import xxhash

    with opened(data) as picture:
        picture.load()
        upright = to_rgb(turned_upright(picture))
    digest = xxhash.xxh3_128(str(upright.size).encode())
    digest.update(upright.tobytes())
    return digest.hexdigest()
