"""What one picture file is: a pure function of its bytes, so that it can run anywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
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
from hubtools.dataset.pictures.embedded.exif_tags import stored_size, tags_of
from hubtools.dataset.pictures.embedded.rights_metadata import rights_metadata_of
from hubtools.dataset.pictures.embedded.trailers import trailer_of
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.formats import (
    BY_MAGIC,
    kind_of,
)
from hubtools.dataset.pictures.header import (
    is_trusted_format,
    opened,
    opens_as_trusted,
    pillow_limits_lifted,
    trusted_jpeg,
    webp_canvas,
)
from hubtools.dataset.pictures.private.reading import private_of
from hubtools.printable import visible

# Changes when the same bytes would be judged otherwise: what is kept from older runs is void then.
ENGINE = 8


# Pixels beyond which decoding is refused (Pillow warns at half of it).
MAX_PIXELS = 178_956_970

_HARDLY = 4.0  # grey levels of contrast


class NeedsIsolation(Exception):
    """The picture should be decoded where a crash, a hang or a flood of memory does no harm."""


# Gets the `decode.preview` of a picture that was looked at.
OnPreview = Callable[[bytes], None]


def probe_bytes(
    data: bytes, name: str, *, plain_only: bool = False, on_preview: OnPreview | None = None
) -> PictureFacts:
    """Look at the bytes of a picture file: header, metadata, whether every byte decodes, and what
    it looks like.

    Never raises for what the bytes hold, but `NeedsIsolation` if `plain_only` asks for it. JPEG is
    decoded strictly (libjpeg's warnings count as damage, which Pillow and OpenCV accept), PNG
    chunks are checked against their CRCs. `on_preview` gets a small copy in colour.
    """
    digest = xxhash.xxh3_128_hexdigest(data)
    size = len(data)
    if not data:
        return PictureFacts(name, 0, digest, kind="an empty file", problem="it is empty")
    try:
        return _opened(data, name, digest, plain_only, on_preview)
    except NeedsIsolation:
        raise
    except Exception as error:
        # Pillow's plug-ins raise nearly anything on hostile bytes; which one says nothing.
        kind = kind_of(data)
        if kind in BY_MAGIC:
            reason = f"its {kind} header is damaged"
            return PictureFacts(name, size, digest, problem=reason, **private_of(data)._asdict())
        reason = f"it is {kind}" if kind else _reason(error)
        private = private_of(data)  # HEIC, films: no picture to us, but published all the same
        return PictureFacts(name, size, digest, kind=kind, problem=reason, **private._asdict())


def _opened(
    data: bytes, name: str, digest: str, plain_only: bool, on_preview: OnPreview | None
) -> PictureFacts:
    if (begun := begin(data, name, digest)) is not None:
        return begun.finished(on_preview) if isinstance(begun, DecodedPicture) else begun
    canvas = webp_canvas(data)
    if canvas is not None and canvas[0] * canvas[1] > MAX_PIXELS:
        # only to open it would take eight bytes a pixel
        width, height = canvas
        return PictureFacts(
            name, len(data), digest, "WEBP", mode="RGB", width=width, height=height, too_large=True
        )
    if plain_only and not opens_as_trusted(data):
        raise NeedsIsolation
    with pillow_limits_lifted(), opened(data) as picture:
        known: dict[str, Any] = {
            "format": picture.format,
            "mode": picture.mode,
            "width": stored_size(picture)[0],
            "height": stored_size(picture)[1],
            "transparent": bool(picture.has_transparency_data),
        }
        if picture.width * picture.height > MAX_PIXELS:
            return PictureFacts(name, len(data), digest, **known, too_large=True)
        if plain_only and not is_trusted_format(data, picture):
            raise NeedsIsolation
        known |= tags_of(picture, data)._asdict()
        known |= rights_metadata_of(picture, data)._asdict()
        known |= trailer_of(picture.format, data)._asdict()
        try:
            small = decoded(data, picture)
            turn = 1 if picture.format == "TIFF" else known["orientation"]  # Pillow turns TIFF
            known |= _look(data, small, turn, on_preview)
        except Exception as error:
            known["problem"] = _reason(error)
        # an MPO's further frames are a preview and a depth map, not an animation
        if picture.format not in ("JPEG", "MPO"):
            known["frames"] = int(getattr(picture, "n_frames", 1))
        return PictureFacts(name, len(data), digest, **known)


class DecodedPicture(NamedTuple):
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


def begin(data: bytes, name: str, digest: str) -> DecodedPicture | PictureFacts | None:
    """Decode a JPEG that holds nothing but its pixels. None for any other picture; facts, if it
    is damaged."""
    header = trusted_jpeg(data)
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
    return None if small is None else DecodedPicture(data, name, known, small)


def _look(
    data: bytes, small: Decoded, orientation: int, on_preview: OnPreview | None
) -> dict[str, Any]:
    # here, not above: commands that look at no picture need not wait for numpy
    import numpy as np

    from hubtools.dataset.pictures.appearance import measure, turned

    grey, pixels = small
    key = xxhash.xxh3_64(str(grey.shape).encode())
    key.update(grey.tobytes())
    look = measure(grey)._asdict()
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
