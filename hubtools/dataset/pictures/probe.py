"""What one picture file is: a pure function of its bytes, so that it can run anywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import xxhash

from hubtools.dataset.pictures.decode import (
    Damaged,
    Decoded,
    decoded,
    decoded_jpeg,
    preview,
    thumbnail,
)
from hubtools.dataset.pictures.embedded.claims import claims_of
from hubtools.dataset.pictures.embedded.tags import tags_of
from hubtools.dataset.pictures.embedded.trailers import trailer_of
from hubtools.dataset.pictures.header import (
    is_plain,
    opened,
    opens_plainly,
    plain_jpeg,
    quietly,
    webp_canvas,
)
from hubtools.dataset.pictures.private.reading import private_of
from hubtools.findings import visible

# Changes when the same bytes would be judged otherwise: what is kept from older runs is void then.
ENGINE = 5

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
_HEIC = tuple(b"ftyp" + brand for brand in (b"heic", b"heix", b"hevc", b"heim", b"mif1", b"msf1"))
_FILM = tuple(b"ftyp" + brand for brand in (b"qt  ", b"isom", b"iso2", b"mp41", b"mp42", b"avc1"))

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
# The ending to give a format, where it has several.
_PROPER = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "BMP": ".bmp", "TIFF": ".tif"}
# Pixels beyond which decoding is refused (Pillow warns at half of it).
MAX_PIXELS = 178_956_970

_HARDLY = 4.0  # grey levels of contrast


def proper_ending(format: str) -> str:
    """The usual ending of a format that `ENDINGS` knows."""
    return _PROPER.get(format) or min(ENDINGS[format])


def picture_format(head: bytes) -> str | None:
    """The format that the first 16 bytes of a file announce; None if it is no picture, or one that
    `ENDINGS` does not know."""
    found = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)
    if found in _FORMATS:
        # two letters are too few to go by
        return found if found != "BMP" or head[6:10] == b"\0\0\0\0" else None
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return "AVIF" if head[4:12] in (b"ftypavif", b"ftypavis") else None


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of one picture. Sizes in pixels as stored, before any rotation.

    `problem` is why it cannot be decoded, None if it can; `kind` says what the file is if it is no
    picture at all. Fields from `seen` on are set only for what was decoded; their units are those
    of `looks.Look`; where grey hardly varies, `contrast` is that of the most varied colour.
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
    owner: str = ""  # tags that identify somebody, by name
    people: str = ""  # metadata that names who is to be seen, or the place, in words
    profile: str = ""  # a colour profile other than sRGB, by name
    creator: str = ""  # whom the picture's metadata names as its maker
    notice: str = ""  # of copyright, in the picture's metadata
    reserved: str = ""  # where its metadata reserves training, and how
    credentials: bool = False  # it carries a C2PA manifest
    trailer: str = ""  # what lies behind the picture's end (see `trailers`)
    trailer_bytes: int = 0
    seen: bool = False
    hash: int = 0  # 64-bit perceptual hash of the upright picture
    grey: int = 0  # xxh3-64 of the small grey copy: equal for equal pixels in the same format
    brightness: float = 0.0
    darkest: float = 0.0
    lightest: float = 0.0
    contrast: float = 0.0
    information: float = 0.0
    sharpness: float = 0.0
    crispness: float = 0.0


class NotPlain(Exception):
    """The picture should be decoded where a crash, a hang or a flood of memory does no harm."""


# Gets the `decode.preview` of a picture that was looked at.
OnPreview = Callable[[bytes], None]


def probe_bytes(
    data: bytes, name: str, *, plain_only: bool = False, on_preview: OnPreview | None = None
) -> PictureFacts:
    """Look at the bytes of a picture file: header, metadata, whether every byte decodes, and what
    it looks like.

    Never raises for what the bytes hold, but for `NotPlain` if `plain_only` asks for it. JPEG is
    decoded strictly (libjpeg's warnings count as damage, which Pillow and OpenCV accept), PNG
    chunks are checked against their CRCs. `on_preview` gets a small copy in colour.
    """
    digest = xxhash.xxh3_128_hexdigest(data)
    size = len(data)
    if not data:
        return PictureFacts(name, 0, digest, kind="an empty file", problem="it is empty")
    try:
        return _opened(data, name, digest, plain_only, on_preview)
    except NotPlain:
        raise
    except Exception as error:
        # Pillow's plug-ins raise nearly anything on hostile bytes; which one says nothing.
        kind = _kind(data)
        if kind in _FORMATS:
            reason = f"its {kind} header is damaged"
            return PictureFacts(name, size, digest, problem=reason, **private_of(data)._asdict())
        reason = f"it is {kind}" if kind else _reason(error)
        private = private_of(data)  # HEIC, films: no picture to us, but published all the same
        return PictureFacts(name, size, digest, kind=kind, problem=reason, **private._asdict())


def _opened(
    data: bytes, name: str, digest: str, plain_only: bool, on_preview: OnPreview | None
) -> PictureFacts:
    if (begun := begin(data, name, digest)) is not None:
        return begun.finished(on_preview) if isinstance(begun, Begun) else begun
    canvas = webp_canvas(data)
    if canvas is not None and canvas[0] * canvas[1] > MAX_PIXELS:
        # only to open it would take eight bytes a pixel
        width, height = canvas
        return PictureFacts(
            name, len(data), digest, "WEBP", mode="RGB", width=width, height=height, too_large=True
        )
    if plain_only and not opens_plainly(data):
        raise NotPlain
    with quietly(), opened(data) as picture:
        known: dict[str, Any] = {
            "format": picture.format,
            "mode": picture.mode,
            "width": picture.width,
            "height": picture.height,
            "transparent": bool(picture.has_transparency_data),
        }
        if picture.width * picture.height > MAX_PIXELS:
            return PictureFacts(name, len(data), digest, **known, too_large=True)
        if plain_only and not is_plain(data, picture):
            raise NotPlain
        known |= tags_of(picture, data)._asdict()
        known |= claims_of(picture, data)._asdict()
        known |= trailer_of(picture.format, data)._asdict()
        try:
            small = decoded(data, picture)
            known |= _look(data, small, known["orientation"], on_preview)
        except Exception as error:
            known["problem"] = _reason(error)
        # an MPO's further frames are a preview and a depth map, not an animation
        if picture.format not in ("JPEG", "MPO"):
            known["frames"] = int(getattr(picture, "n_frames", 1))
        return PictureFacts(name, len(data), digest, **known)


class Begun(NamedTuple):
    """A picture that is decoded and not yet measured."""

    data: bytes
    name: str
    known: dict[str, Any]  # fields of its facts
    small: Decoded

    def finished(self, on_preview: OnPreview | None = None) -> PictureFacts:
        """Measure it."""
        known = self.known
        try:
            known |= _look(self.data, self.small, 1, on_preview)
        except Exception as error:
            known["problem"] = _reason(error)
        return PictureFacts(self.name, len(self.data), **known)


def begin(data: bytes, name: str, digest: str) -> Begun | PictureFacts | None:
    """Decode a JPEG that holds nothing but its pixels. None for any other picture; facts, if it
    is damaged."""
    header = plain_jpeg(data)
    if header is None:
        return None
    known: dict[str, Any] = {"digest": digest, "format": "JPEG", **header._asdict()}
    known |= trailer_of("JPEG", data)._asdict()
    if known["trailer"]:
        known |= private_of(data)._asdict()
    try:
        small = decoded_jpeg(data)
    except Exception as error:
        return PictureFacts(name, len(data), **known, problem=_reason(error))
    return None if small is None else Begun(data, name, known, small)


def _look(
    data: bytes, small: Decoded, orientation: int, on_preview: OnPreview | None
) -> dict[str, Any]:
    # here, not above: commands that look at no picture need not wait for numpy
    import numpy as np

    from hubtools.dataset.pictures.appearance import look_at, turned

    grey, pixels = small
    key = xxhash.xxh3_64(str(grey.shape).encode())
    key.update(grey.tobytes())
    look = look_at(grey)._asdict()
    if look["contrast"] < _HARDLY:
        # Colours may be as bright as each other: grey alone would call this one colour.
        colours = thumbnail(data).reshape(-1, 3).astype(np.float32)
        look["contrast"] = max(look["contrast"], float(colours.std(axis=0).max()))
    if orientation != 1:
        upright = turned(np.array([look["hash"]], dtype=np.uint64), orientation)
        look["hash"] = int(upright[0])
    if on_preview is not None:
        # what is found out must not depend on whether a preview was asked for
        with contextlib.suppress(Exception):
            on_preview(preview(data, orientation, pixels))
    return {"seen": True, "grey": key.intdigest(), **look}


def _kind(data: bytes) -> str | None:
    head = data[:64].lstrip()
    for magic, kind in _MAGIC:
        if head.lower().startswith(magic.lower()):
            return kind
    if data[4:12] in _HEIC:
        return "an HEIC picture"
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


def _reason(error: Exception) -> str:
    if isinstance(error, Damaged):
        return visible(str(error))
    if isinstance(error, MemoryError):
        return "it takes more memory to decode than a picture may"
    text = " ".join(str(error).split())
    if "truncated" in text.lower():
        return "it is cut off"
    if "cannot identify" in text:
        return "no known picture format"
    return visible(text[:120]) or type(error).__name__
