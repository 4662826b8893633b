"""What a picture file carries beside its pixels: position, names and numbers, a colour profile."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from hubtools.dataset.pictures.embedded.chunks import png_chunks
from hubtools.dataset.pictures.private.reading import private_of

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 0x0112
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


class Tags(NamedTuple):
    """`orientation` 1 upright ... 8; `gps` a position; `owner` the tags that identify somebody,
    by name; `profile` a colour profile other than sRGB, by name; `people`: what names who is to
    be seen, or the place."""

    orientation: int = 1
    gps: bool = False
    owner: str = ""
    profile: str = ""
    people: str = ""


def tags_of(picture: Image.Image, data: bytes) -> Tags:
    """Read the tags of a picture that was opened from `data`. Never raises for what they hold."""
    private = private_of(data)
    return Tags(
        orientation_of(picture, data), private.gps, private.owner, _profile(picture), private.people
    )


def orientation_of(picture: Image.Image, data: bytes) -> int:
    """1 upright ... 8, as EXIF numbers them. `data` is asked of a PNG only, and may be empty for
    pictures of other formats."""
    # Pillow decodes a whole PNG in search of tags behind the pixels.
    if picture.format == "PNG" and not _has_exif(data):
        return 1
    try:
        found = picture.getexif().get(_ORIENTATION)
    except Exception:  # a damaged EXIF block is no reason to give up on the picture
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def stored_size(picture: Image.Image) -> tuple[int, int]:
    """(width, height) in pixels before any rotation. Pillow tells that of a TIFF turned already."""
    tags = getattr(picture, "tag_v2", {}) if picture.format == "TIFF" else {}
    width, height = tags.get(_TIFF_WIDTH), tags.get(_TIFF_HEIGHT)
    if isinstance(width, int) and isinstance(height, int) and {width, height} == {*picture.size}:
        return width, height
    return picture.size


def _has_exif(png: bytes) -> bool:
    return any(
        kind == b"eXIf" or (kind in _TEXTS and content.startswith(b"Raw profile type"))
        for kind, content in png_chunks(png)
    )


# --- colour profiles ---------------------------------------------------------------------------

# Colours of sRGB's primaries under D50, as its ICC profiles store them (IEC 61966-2-1).
_SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
# Profiles round differently and calibrated screens come close; Display P3 is 0.08 away.
_NEAR = 0.03


def _profile(picture: Image.Image) -> str:
    data = picture.info.get("icc_profile")
    if not isinstance(data, bytes) or picture.mode not in ("RGB", "RGBA", "RGBX", "P"):
        return ""
    try:
        return foreign_profile(data)
    except (struct.error, ValueError, IndexError):
        return ""  # programs pass over what they cannot read, and show sRGB


def foreign_profile(data: bytes) -> str:
    """The name of an RGB profile whose primaries are not those of sRGB; empty for sRGB and for
    anything that is no RGB profile of matrix type (ICC.1:2022, 7.2 and 9.2)."""
    if data[16:20] != b"RGB ":
        return ""
    (count,) = struct.unpack_from(">I", data, 128)
    places = {}
    for number in range(min(count, 100)):
        tag, offset, size = struct.unpack_from(">4sII", data, 132 + 12 * number)
        places[tag] = data[offset : offset + size]
    if not all(tag in places for tag in (b"rXYZ", b"gXYZ", b"bXYZ")):
        return ""
    colours = [
        tuple(value / 65536 for value in struct.unpack_from(">3i", places[tag], 8))
        for tag in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
    apart = max(
        abs(ours - theirs)
        for known, found in zip(_SRGB, colours, strict=True)
        for ours, theirs in zip(known, found, strict=True)
    )
    return "" if apart < _NEAR else _described(places.get(b"desc", b"")) or "an unnamed profile"


def _described(desc: bytes) -> str:
    if desc[:4] == b"desc":
        (length,) = struct.unpack_from(">I", desc, 8)
        text = desc[12 : 12 + min(length, 80)].decode("latin-1")
    elif desc[:4] == b"mluc":
        length, offset = struct.unpack_from(">II", desc, 20)
        text = desc[offset : offset + min(length, 160)].decode("utf-16-be", "replace")
    else:
        return ""
    return "".join(c for c in text if c.isprintable()).strip()
