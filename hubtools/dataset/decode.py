"""Decoding that proves every byte of a picture, and leaves a small grey copy of it."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from hubtools.dataset.looks import Grey


class Damaged(Exception):
    """The picture does not decode; the message says why."""


def small_grey(data: bytes, picture: Image.Image) -> Grey:
    """Decode all of `data`, which Pillow has opened as `picture`, into a small grey copy as
    `looks` wants it: as stored, not turned upright, transparency over white.

    JPEG is decoded strictly (libjpeg's warnings count as damage, which Pillow and OpenCV accept),
    PNG chunks are checked against their CRCs. Raises `Damaged`, or whatever Pillow's plug-in
    raises on damaged pixels.
    """
    from hubtools.dataset.looks import shrunk

    if picture.format in ("JPEG", "MPO") and picture.mode in ("L", "RGB"):
        grey = _jpeg(data)
        if grey is not None:
            return shrunk(grey)
    elif picture.format in ("JPEG", "MPO"):
        _jpeg(data)  # for the damage; the colours of print are Pillow's to convert
    elif picture.format == "PNG":
        _check_png(data)
        pixels = _fast_png(data, picture)
        if pixels is not None:
            return _reduced(pixels)
    picture.load()
    return _reduced(picture)


def _jpeg(data: bytes) -> Grey | None:
    """A scaled decode by simplejpeg; None if it is not installed or does not know this kind."""
    try:
        import simplejpeg
    except ImportError:
        return None
    from hubtools.dataset.looks import SIDE

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


def _check_png(data: bytes) -> None:
    """Walk the chunks: each has a CRC, and IEND must come (PNG specification, section 5)."""
    view = memoryview(data)
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise Damaged("it is cut off")
        (stored,) = struct.unpack_from(">I", data, end - 4)
        if zlib.crc32(view[place + 4 : end - 4]) != stored:
            raise Damaged(f"its {kind.decode('latin-1')} chunk is damaged")
        if kind == b"IEND":
            return
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

    from hubtools.dataset.load import to_rgb
    from hubtools.dataset.looks import SIDE

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
    return np.asarray(picture.convert("L"))


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
    import io

    import numpy as np
    from PIL import Image, ImageOps

    from hubtools.dataset.load import to_rgb

    with Image.open(io.BytesIO(data)) as picture:
        picture.draft(None, (4 * side, 4 * side))
        picture.load()
        upright = to_rgb(ImageOps.exif_transpose(picture))
    factor = min(upright.size) // (2 * side)
    if factor > 1:
        upright = upright.reduce(factor)
    return np.asarray(upright.resize((side, side), Image.Resampling.BILINEAR))


def pixel_digest(data: bytes) -> str:
    """xxh3-128 of the size and all pixels as `thumbnail` sees them."""
    import io

    import xxhash
    from PIL import Image, ImageOps

    from hubtools.dataset.load import to_rgb

    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        upright = to_rgb(ImageOps.exif_transpose(picture))
    digest = xxhash.xxh3_128(str(upright.size).encode())
    digest.update(upright.tobytes())
    return digest.hexdigest()
