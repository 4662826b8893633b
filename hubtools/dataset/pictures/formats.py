"""Formats of picture files by their first bytes, and the endings that they may have."""

from __future__ import annotations

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
    (b"%!PS", "a PostScript drawing"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (b"PK\x03\x04", "a zip archive"),
    (b"<!DOCTYPE", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML or SVG file"),
    (b"\0\5\x16\7", "what a Mac keeps beside a file (AppleDouble)"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"SQLite format 3", "a database"),
    (b"\x93NUMPY", "a NumPy array"),
)
# Brands of the ISO container (ISO/IEC 14496-12), in bytes 4 to 12.
HEIC = "a HEIC picture"  # what `kind_of` says of one
_HEIC = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"))
_FILM = tuple(b"ftyp" + brand for brand in (b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"avc1"))

BY_MAGIC = frozenset({"JPEG", "PNG", "GIF", "BMP", "TIFF"})

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
# The ending to give a format, where it has several.
_PROPER = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "BMP": ".bmp", "TIFF": ".tif"}


def proper_ending(format: str) -> str:
    """The usual ending of a format that `ENDINGS` knows."""
    return _PROPER.get(format) or min(ENDINGS[format])


def picture_format(head: bytes) -> str | None:
    """The format that the first 16 bytes of a file announce; None if it is no picture, or one that
    `ENDINGS` does not know."""
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found in BY_MAGIC:
        # two letters are too few to go by
        return found if found != "BMP" or head[6:10] == b"\0\0\0\0" else None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return "AVIF" if head[4:12] in (b"ftypavif", b"ftypavis") else None


def format_behind(ending: str, head: bytes) -> str | None:
    """The format of a picture with the ending of one that loaders pass by (.heic, .avif), if its
    first 16 bytes are of one that they take; None if the name is right. Raw files of cameras begin
    as TIFF does."""
    format = picture_format(head)
    return None if format in (None, "AVIF", "TIFF") or ending == ".svg" else format


def kind_of(data: bytes) -> str | None:
    head = data[:64].lstrip()
    for magic, kind in _MAGIC:
        if head.lower().startswith(magic.lower()):
            return kind
    if data[4:12] in _HEIC:
        return HEIC
    if data[4:12] in _FILM:
        return "a film"
    if not any(data[:64]):
        return "a file of zeros"
    return _text_kind(data[:4096])


def _text_kind(head: bytes) -> str | None:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # else only the last letter is cut
            return None
        text = head[: error.start].decode("utf-8-sig")
    if any(mark < " " and mark not in "\t\r\n\f" for mark in text):
        return None
    return "a JSON text" if text.lstrip().startswith(("{", "[")) else "a text"
