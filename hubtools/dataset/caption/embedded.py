"""Captions that photo programs write into the pictures themselves.

Looked for in this order: XMP dc:description, IPTC caption, EXIF ImageDescription, the comment of
Windows, PNG's Description and Comment. Programs that write several of them mostly write the same
into all.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.causes import is_out_of_reach
from hubtools.dataset.caption.edits import tidy
from hubtools.dataset.folder.appearing import read_own
from hubtools.dataset.pictures.embedded.chunks import png_chunks, png_texts
from hubtools.dataset.pictures.embedded.rights_metadata import (
    attempt,
    exif_text,
    iptc_blocks,
    iptc_texts,
    xmp_root,
)
from hubtools.dataset.pictures.header import opened
from hubtools.limits import PICTURE

if TYPE_CHECKING:
    from PIL import Image

_DESCRIPTION = "{http://purl.org/dc/elements/1.1/}description"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_IPTC_CAPTION = 120
_IMAGE_DESCRIPTION, _XP_COMMENT = 0x010E, 0x9C9C
_KEYWORDS = ("Description", "Comment")
_TEXTS = (b"XML:com.adobe.xmp", b"Description", b"Comment")
# What cameras and programs write there of themselves.
_NO_CAPTION = re.compile(
    r"(?i)(?:[a-z]+ )?digital (?:still )?camera|sony dsc|samsung|minolta|dcim\\.*|default|untitled"
    r"|screenshot|created with (?:the )?gimp|lead technologies .*|<.*>|[\W\d_]*"
    r"|(?:img|dsc|dscn|pict?|pxl)[-_ ]?[\d_]+(?:\.\w+)?"
)


@dataclass(frozen=True)
class Found:
    """A caption, and where in the picture it stands."""

    caption: str
    place: str


def read_embedded(
    root: Path, names: Iterable[str], on_picture: Callable[[int, int], None] | None = None
) -> dict[str, Found]:
    """The captions in the pictures `names` of `root` (JPEG, PNG, WebP, TIFF); what has none, or
    cannot be read, is left out."""
    names = list(names)
    found: dict[str, Found] = {}
    for number, name in enumerate(names, start=1):
        try:
            caption = caption_in(read_own(root, name, PICTURE))
        except OSError as error:
            if not is_out_of_reach(error):
                raise
            caption = None
        if caption is not None:
            found[name] = caption
        if on_picture is not None:
            on_picture(number, len(names))
    return found


def caption_in(data: bytes) -> Found | None:
    """The caption that a picture file holds. Never raises for what the bytes hold."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(data) as picture:
                for place, text in _texts(picture, data):
                    caption = tidy(text)
                    if caption and not _NO_CAPTION.fullmatch(caption):
                        return Found(caption, place)
    except Exception:  # Pillow raises nearly anything on hostile bytes
        return None
    return None


def _texts(picture: Image.Image, data: bytes) -> Iterator[tuple[str, str]]:
    chunks = png_texts(png_chunks(data), _TEXTS) if picture.format == "PNG" else {}
    packet: Any = chunks.get("XML:com.adobe.xmp") or picture.info.get("xmp") or b""
    yield "XMP", attempt(_in_xmp, packet.encode() if isinstance(packet, str) else packet) or ""
    for block in iptc_blocks(picture):
        texts = iptc_texts(block, frozenset({_IPTC_CAPTION}))
        yield "IPTC", texts.get(_IPTC_CAPTION, "")
    yield "EXIF", attempt(_in_exif, picture, _IMAGE_DESCRIPTION) or ""
    yield "EXIF", attempt(_in_exif, picture, _XP_COMMENT) or ""
    for keyword in _KEYWORDS:
        yield f"PNG {keyword}", chunks.get(keyword, "")


def _in_xmp(packet: bytes) -> str:
    """dc:description, in the default language if there are several, else in the first."""
    root = xmp_root(packet) if b"description" in packet else None
    if root is None:
        return ""
    for element in root.iter():
        if (plain := element.get(_DESCRIPTION)) is not None:
            return plain
        if element.tag == _DESCRIPTION:
            items = list(element.iter(f"{_RDF}li"))
            chosen = [item for item in items if item.get(_LANGUAGE) == "x-default"] or items
            return "".join((chosen[0] if chosen else element).itertext())
    return ""


def _in_exif(picture: Image.Image, tag: int) -> str:
    value: Any = picture.getexif().get(tag)
    if tag == _XP_COMMENT:
        data = bytes(value) if isinstance(value, (bytes, tuple)) else b""
        return data.decode("utf-16-le", "replace").partition("\0")[0]
    return exif_text(value)
