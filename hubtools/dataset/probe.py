"""What one picture file is: a pure function of its bytes, so that it can run anywhere."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import xxhash

# Formats by their first bytes, for naming what a file really is.
_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"version https://git-lfs", "a Git LFS pointer"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a zip archive"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML or SVG file"),
)

_FORMATS = frozenset({"JPEG", "PNG", "GIF", "BMP", "TIFF"})

# Endings that a format may have.
ENDINGS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},
    "PNG": {".png", ".apng"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "AVIF": {".avif"},
}

_GPS, _ORIENTATION = 0x8825, 0x0112
# Pixels beyond which decoding is refused (Pillow warns at half of it).
MAX_PIXELS = 178_956_970


@dataclass(frozen=True)
class PictureFacts:
    """What is known of one picture. Sizes in pixels as stored, before any rotation.

    `problem` is why it cannot be decoded, None if it can; `kind` says what the file is if it is no
    picture at all.
    """

    name: str
    bytes: int
    digest: str  # xxh3-128 of the bytes
    format: str | None = None  # Pillow's name
    kind: str | None = None
    mode: str = ""
    width: int = 0
    height: int = 0
    frames: int = 1
    orientation: int = 1  # EXIF: 1 upright ... 8
    gps: bool = False
    transparent: bool = False
    problem: str | None = None
    too_large: bool = False


def probe_bytes(data: bytes, name: str) -> PictureFacts:
    """Look at the bytes of a picture file: header, metadata, and whether every byte decodes.

    Never raises for what the bytes hold. JPEG is decoded strictly (libjpeg's warnings count as
    damage, which Pillow and OpenCV accept), PNG chunks are checked against their CRCs.
    """
    digest = xxhash.xxh3_128_hexdigest(data)
    size = len(data)
    if not data:
        return PictureFacts(name, 0, digest, kind="an empty file", problem="it is empty")
    try:
        return _opened(data, name, digest)
    except Exception as error:
        # Pillow's plug-ins raise nearly anything on hostile bytes; which one says nothing.
        kind = _kind(data)
        if kind in _FORMATS:
            return PictureFacts(name, size, digest, problem=f"its {kind} header is damaged")
        reason = f"it is {kind}" if kind else _reason(error)
        return PictureFacts(name, size, digest, kind=kind, problem=reason)


def _opened(data: bytes, name: str, digest: str) -> PictureFacts:
    from PIL import Image

    with warnings.catch_warnings(), _any_size():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            too_large = width * height > MAX_PIXELS
            problem = None if too_large else _damage(data, picture)
            exif = picture.getexif() if not too_large else Image.Exif()
            return PictureFacts(
                name,
                len(data),
                digest,
                format=picture.format,
                mode=picture.mode,
                width=width,
                height=height,
                # an MPO's further frames are a preview and a depth map, not an animation
                frames=1
                if too_large or picture.format == "MPO"
                else int(getattr(picture, "n_frames", 1)),
                orientation=_orientation(exif.get(_ORIENTATION)),
                gps=bool(exif.get_ifd(_GPS)) if _GPS in exif else False,
                transparent=bool(picture.has_transparency_data),
                problem=problem,
                too_large=too_large,
            )


@contextmanager
def _any_size() -> Iterator[None]:
    """Let Pillow open the header of a picture of any size; what is too large is not decoded."""
    from PIL import Image

    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _orientation(value: object) -> int:
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _damage(data: bytes, picture: object) -> str | None:
    """Why the picture does not decode, or None. Every byte of pixel data is looked at."""
    from PIL import Image

    assert isinstance(picture, Image.Image)
    if picture.format == "PNG" and (problem := _png_damage(data)):
        return problem
    if picture.format in ("JPEG", "MPO"):
        problem, sure = _jpeg_damage(data)
        if sure:
            return problem
    try:
        picture.load()
    except Exception as error:
        return _reason(error)
    return None


def _jpeg_damage(data: bytes) -> tuple[str | None, bool]:
    """(damage or None, whether a strict decoder was there to tell)."""
    try:
        import simplejpeg
    except ImportError:
        return None, False
    try:
        # Scaled decoding still reads the whole entropy stream, at half the cost.
        simplejpeg.decode_jpeg(data, colorspace="GRAY", min_height=64, min_width=64, strict=True)
    except ValueError as error:
        text = str(error).lower()
        if "unsupported" in text or "not supported" in text:
            return None, False
        return f"its JPEG data is damaged ({text.strip().rstrip('.')})", True
    return None, True


def _png_damage(data: bytes) -> str | None:
    """Walk the chunks: each has a CRC, and IEND must come (PNG specification, section 5)."""
    place = 8
    while place + 12 <= len(data):
        length, kind = struct.unpack(">I4s", data[place : place + 8])
        end = place + 12 + length
        if end > len(data):
            return "it is cut off"
        stored = struct.unpack(">I", data[end - 4 : end])[0]
        if zlib.crc32(data[place + 4 : end - 4]) != stored:
            return f"its {kind.decode('latin-1')} chunk is damaged"
        if kind == b"IEND":
            return None
        place = end
    return "it is cut off"


def _kind(data: bytes) -> str | None:
    head = data[:64].lstrip()
    for magic, kind in _MAGIC:
        if head.lower().startswith(magic.lower()):
            return kind
    if data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "an HEIC picture"
    if not any(data[:64]):
        return "a file of zeros"
    return None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "truncated" in text.lower():
        return "it is cut off"
    if "cannot identify" in text:
        return "no known picture format"
    return text[:120] or type(error).__name__
