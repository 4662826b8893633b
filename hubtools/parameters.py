"""What generators write into a picture of how it was drawn."""

from __future__ import annotations

from contextlib import suppress
from typing import BinaryIO

TEXT_KEY = "parameters"  # what AUTOMATIC1111's web UI writes and many viewers show

_FORMATS = ("PNG", "JPEG", "WEBP")
_MOST = 100_000  # letters
_LARGEST = 50_000_000  # bytes
# Where they stand in EXIF, with 8 bytes before that say how they are written (EXIF 2.32, 4.6.5).
_EXIF, _USER_COMMENT = 0x8769, 0x9286
_CODES = {b"ASCII\0\0\0": "latin-1", b"UNICODE\0": "utf-16-be", bytes(8): "utf-8"}


def parameters_in(file: BinaryIO) -> str:
    """A1111's parameters, at most 100,000 letters: in a PNG a text of that name, in a JPEG or a
    WebP the comment in EXIF. "" where there are none, or the file is no such picture, or larger
    than 50 MB. No pixels are decoded."""
    from PIL import Image

    if file.seek(0, 2) > _LARGEST:  # Pillow reads a WebP whole
        return ""
    file.seek(0)

    said: object = ""
    with (
        suppress(Exception),  # Pillow raises nearly anything on hostile bytes
        Image.open(file, formats=_FORMATS) as picture,
    ):
        said = picture.info.get(TEXT_KEY)
        if picture.format != "PNG":
            said = _comment(picture.getexif().get_ifd(_EXIF).get(_USER_COMMENT))
    return said if isinstance(said, str) and len(said) <= _MOST else ""


def _comment(value: object) -> str:
    """EXIF's UserComment as text; one that is no list of A1111's parameters may be anybody's words,
    and is none."""
    if not isinstance(value, bytes) or len(value) > 2 * _MOST:
        return ""
    code, data = _CODES.get(value[:8]), value[8:]
    if code == "utf-16-be" and data[1:2] == b"\0":  # most programs write the high byte first
        code = "utf-16-le"
    text = data.decode(code, "replace").rstrip("\0") if code else ""
    return text if "\nSteps: " in text else ""
