"""Any picture as a trainer should see it: RGB, upright, first frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.causes import cannot_be
from hubtools.dataset.pictures.header import opened
from hubtools.errors import HubtoolsError
from hubtools.files import read_within
from hubtools.limits import PICTURE

if TYPE_CHECKING:
    from PIL import Image


def open_image(path: Path) -> Image.Image:
    """The picture as a trainer should see it: RGB, upright, first frame.

    Transparency is laid over white (a bare `convert("RGB")` shows whatever colour hides under
    it), 16-bit and float grey is scaled to 8 bits (Pillow clips it to white or black).
    Raises `HubtoolsError` for a file that is no whole picture.
    """
    return decoded_image(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture. Raises `HubtoolsError` for a file that cannot be read."""
    try:
        return read_within(path, PICTURE)
    except OSError as error:
        raise cannot_be("read", path, error) from None
    except ValueError as error:
        raise _unreadable(path, error) from None


def decoded_image(data: bytes, path: Path) -> Image.Image:
    """`open_image` of a file whose bytes were read already."""
    from PIL import Image

    try:
        with opened(data) as found:
            found.load()
            picture = turned_upright(found)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from None
    return to_rgb(picture)


def _unreadable(path: Path, error: Exception) -> HubtoolsError:
    return HubtoolsError(
        f"{path} cannot be read as a picture: {error}.",
        hint="export it again as PNG or JPEG",
        code="file-damaged",
    )


def turned_upright(picture: Image.Image) -> Image.Image:
    """A copy of the picture, turned as EXIF's orientation says. Whoever looks at pixels goes
    through here; sizes and orientations alone are those of the table of facts."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(picture)


def to_rgb(picture: Image.Image) -> Image.Image:
    """Any Pillow picture as 8-bit RGB; see `open_image`."""
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    if picture.mode.startswith("I") or picture.mode == "F":
        return _scaled(picture).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return picture.convert("RGB")


def _scaled(picture: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    values = np.asarray(picture, dtype=np.float64)
    if picture.mode == "F":
        top = 1.0 if values.max(initial=0) <= 1.0 else 255.0
    else:
        top = 65535.0 if values.max(initial=0) > 255 or picture.mode.startswith("I;16") else 255.0
    return Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8))
