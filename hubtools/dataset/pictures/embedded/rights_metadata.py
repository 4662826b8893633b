"""Whose a picture says it is, and whether it may be trained on: EXIF, IPTC, XMP, PNG's texts, C2PA.

Read are: EXIF Artist and Copyright; IPTC by-line, credit and copyright notice; XMP dc:creator,
dc:rights, xmpRights:UsageTerms and :Marked, plus:DataMining (IPTC Photo Metadata 2023), the
reservation of TDMRep; PNG's Author and Copyright; content credentials.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from hubtools.dataset.pictures.embedded.c2pa import Credentials, credentials_of
from hubtools.dataset.pictures.embedded.chunks import png_chunks, png_texts

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from PIL import Image

_ARTIST, _COPYRIGHT, _IPTC_IN_TIFF = 0x013B, 0x8298, 33723
_IPTC_IN_PHOTOSHOP = 0x0404
# Record 2 of IPTC IIM 4.2: whose it is, whose the rights are, what is asked of users.
_BYLINE, _SPECIAL, _CREDIT, _NOTICE = 80, 40, 110, 116
_WHOSE = frozenset({_BYLINE, _SPECIAL, _CREDIT, _NOTICE})

_DC, _RIGHTS = "{http://purl.org/dc/elements/1.1/}", "{http://ns.adobe.com/xap/1.0/rights/}"
_PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}"
_TDM = r"\{https?://www\.w3\.org/(?:ns|community)/tdmrep/?#?\}(?:reserve|reservation)$"
_WANTED = frozenset(
    {_DC + "creator", _DC + "rights", _RIGHTS + "UsageTerms", _RIGHTS + "Marked"}
    | {_PLUS + "DataMining"}
)
# One of these must be in a packet, or nothing of interest is.
_HINTS = (b"creator", b"rights", b"UsageTerms", b"Marked", b"DataMining", b"tdm", b"DMI-")
_DMI = r"DMI-PROHIBITED[A-Z-]*"
_LARGEST_PACKET = 4_000_000

# Reserved in words: a denial, and training as its object. "Do not crop", "Studio AI" are none.
_TRAINING = (
    r"(?:(?:A\.?I\.?|artificial intelligence|generative|models?)(?:[ /,-]+\w+){0,3}?[ /-]+"
    r"(?:train\w*|learning|models?|datasets?|use)|train\w* (?:of )?(?:A\.?I\.?|models?)"
    r"|machine[ -]learning|data[ -]mining|TDM)"
)
_NO = r"(?:no|not|never|without|prohibit\w*|forbid\w*|disallow\w*|exclud\w*|opt\w*[ -]out)"
# Compiled when there is something to look at: most pictures claim nothing.
_IN_WORDS = (
    rf"(?i)\b{_NO}\b[^.;]{{0,60}}?\b{_TRAINING}\b|\b{_TRAINING}\b[^.;]{{0,40}}?\b{_NO}\b"
    r"|\bno(?: generative)? AI\b|\bno(?:image)?ai\b"
)
# Notices that give the picture away rather than keep it.
_FREE = (
    r"(?i)\bCC[- ]?0\b|public[- ]domain|publicdomain/|no (?:known )?(?:copyright|rights reserved)"
)
_LONGEST = 120
# Where Pillow puts blocks of a JPEG in which claims may be.
_WITH_CLAIMS = {"exif", "xmp", "photoshop"}


class RightsMetadata(NamedTuple):
    """`creator` and `notice` (of copyright) in the picture's words; `reserved` says where training
    is reserved and how; `credentials`: a C2PA manifest is there."""

    creator: str = ""
    notice: str = ""
    reserved: str = ""
    credentials: bool = False


def rights_metadata_of(picture: Image.Image, data: bytes) -> RightsMetadata:
    """Read the claims of a picture that was opened from `data`. Never raises for what they hold:
    a damaged block is passed over, and the others are read."""
    if (
        picture.format in ("JPEG", "MPO")
        and not picture.info.keys() & _WITH_CLAIMS
        and not any(name == "APP11" for name, _ in getattr(picture, "applist", ()))
    ):
        return RightsMetadata()  # most pictures
    creators: list[str] = []
    notices: list[str] = []
    terms: list[str] = []
    reserved: list[str] = []
    packets: list[bytes] = []
    texts = attempt(_png_texts, data) or {} if picture.format == "PNG" else {}
    creators.append(texts.get("Author", ""))
    notices.append(texts.get("Copyright", ""))
    if (packet := texts.get("XML:com.adobe.xmp")) is not None:
        packets.append(packet.encode())
    elif picture.format != "PNG":
        found = picture.info.get("xmp")
        packets.append(found.encode() if isinstance(found, str) else found or b"")
    if picture.format != "PNG" or "eXIf" in texts:
        artist, copyright = attempt(_in_exif, picture) or ("", "")
        creators.append(artist)
        notices.append(copyright)
    for block in attempt(iptc_blocks, picture) or ():
        iptc = attempt(iptc_texts, block, _WHOSE) or {}
        creators += [iptc.get(_BYLINE, "") or iptc.get(_CREDIT, "")]
        notices.append(iptc.get(_NOTICE, ""))
        terms.append(iptc.get(_SPECIAL, ""))
    free = False
    for packet in packets:
        if not isinstance(packet, bytes) or not any(hint in packet for hint in _HINTS):
            continue
        xmp = attempt(_in_xmp, packet) or {}
        creators.append(xmp.get(_DC + "creator", ""))
        notices.append(xmp.get(_DC + "rights", ""))
        terms.append(xmp.get(_RIGHTS + "UsageTerms", ""))
        marked = xmp.get(_RIGHTS + "Marked", "").strip().lower()
        free = free or marked == "false"
        if marked == "true":
            notices.append("marked as copyrighted")
        # a closed list of words: they mean the same in a packet that is no whole XML
        if found := re.search(_DMI, packet.decode("utf-8", "replace")):
            reserved.append(f"plus:DataMining {found[0]}")
        if xmp.get("tdm", "").strip().lower() in ("1", "true"):
            reserved.append("tdm:reservation")
    credentials = attempt(credentials_of, picture, data) or Credentials()
    if credentials.reserved:
        reserved.append(credentials.reserved)
    notice = _first(notices)
    reserved += [f"in words: {text!r}" for text in _said([*notices, *terms])]
    return RightsMetadata(
        _first(creators),
        "" if free or re.search(_FREE, notice) else notice,
        "; ".join(dict.fromkeys(reserved))[: 4 * _LONGEST],
        credentials.there,
    )


def attempt(read: Callable[..., Any], *arguments: Any) -> Any:
    """What `read` gives; None if the bytes are such that it raises."""
    try:
        return read(*arguments)
    except Exception:  # nearly anything, on hostile bytes; which one says nothing
        return None


def _clean(text: object) -> str:
    """One line without what cannot be printed, cut short."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def _first(texts: Iterable[str]) -> str:
    # spreadsheets and cameras write such for nothing
    blank = ("", "none", "unknown", "n/a", "null", "(c)", "©", "copyright", "default")
    return next((line for text in texts if (line := _clean(text)).lower() not in blank), "")


def _said(texts: Iterable[str]) -> list[str]:
    return list(
        dict.fromkeys(
            _clean(text[max(0, match.start() - 20) : match.end() + 20])
            for text in texts
            if text and (match := re.search(_IN_WORDS, text[:5000]))
        )
    )


def _in_exif(picture: Image.Image) -> tuple[str, str]:
    exif = picture.getexif()
    return exif_text(exif.get(_ARTIST)), exif_text(exif.get(_COPYRIGHT))


def exif_text(value: object) -> str:
    """Pillow reads texts as Latin-1; most programs write UTF-8."""
    text = value if isinstance(value, str) else ""
    with contextlib.suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    return text.replace("\0", " ")


def _png_texts(data: bytes) -> dict[str, str]:
    """Texts by keyword, also of chunks behind the pixels; `eXIf` if there is such a chunk."""
    chunks = list(png_chunks(data))
    found = png_texts(chunks, (b"Author", b"Copyright", b"XML:com.adobe.xmp"))
    if any(kind == b"eXIf" for kind, _ in chunks):
        found["eXIf"] = ""
    return found


def iptc_blocks(picture: Image.Image) -> list[bytes]:
    """The blocks of IPTC IIM in a picture."""
    photoshop = picture.info.get("photoshop")
    block = photoshop.get(_IPTC_IN_PHOTOSHOP) if isinstance(photoshop, dict) else None
    if block is None and picture.format == "TIFF":
        block = picture.tag_v2.get(_IPTC_IN_TIFF)  # type: ignore[attr-defined]
    if isinstance(block, tuple):  # some programs call it a list of long numbers
        block = struct.pack(f"<{len(block)}I", *block)
    return [block] if isinstance(block, bytes) else []


def iptc_texts(block: bytes, wanted: frozenset[int]) -> dict[int, str]:
    """Texts of record 2 with these numbers (IPTC IIM 4.2, part 2); the first of each."""
    found: dict[int, str] = {}
    place, charset = 0, "latin-1"
    while place + 5 <= len(block) and block[place] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", block, place + 1)
        if size & 0x8000:
            break  # longer than any text
        value = block[place + 5 : place + 5 + size]
        if (record, number) == (1, 90) and value == b"\x1b%G":
            charset = "utf-8"
        elif record == 2 and number in wanted:
            try:
                text = value.decode("utf-8")  # often not declared
            except UnicodeDecodeError:
                text = value.decode(charset, "replace")
            found.setdefault(number, text)
        place += 5 + size
    return found


def xmp_root(packet: bytes) -> Element | None:
    """The XML of a packet; None for one that no program would write. Raises `ParseError`."""
    from xml.etree import ElementTree

    # No DTD, hence no entities that grow; XMP has none.
    if len(packet) > _LARGEST_PACKET or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    start, end = packet.find(b"<"), packet.rfind(b">")
    return ElementTree.fromstring(packet[start : end + 1])  # noqa: S314


def _in_xmp(packet: bytes) -> dict[str, str]:
    """Texts of the properties of interest, by {namespace}name; a reservation of TDMRep as `tdm`."""
    root = xmp_root(packet)
    found: dict[str, str] = {}
    for element in root.iter() if root is not None else ():
        for name, text in ((element.tag, None), *element.attrib.items()):
            key = "tdm" if re.match(_TDM, name) else name if name in _WANTED else None
            if key is None:
                continue
            if text is None:
                parts = (part.strip() for part in element.itertext())
                text = ", ".join(part for part in parts if part)
            found.setdefault(key, text)
    return found
