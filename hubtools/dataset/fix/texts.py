"""Blank what XMP and IPTC blocks say about place and device, in place."""

from __future__ import annotations

import re

from hubtools.dataset.fix.exif import Damaged

# Properties of XMP (Adobe's exif, exifEX, aux, photoshop and the IPTC schemas; drones' own).
_NAMES = (
    rb"(?:exif:GPS\w+|drone-dji:Gps\w+|drone-dji:\w*(?:SerialNumber|Sn)"
    rb"|(?:aux|exifEX|exif|crs|tiff):(?:\w*SerialNumber|OwnerName|CameraOwnerName|ImageUniqueID)"
    rb"|photoshop:(?:City|State|Country)"
    rb"|Iptc4xmpCore:(?:Location|CountryCode)"
    rb"|Iptc4xmpExt:(?:LocationShown|LocationCreated))"
)
_ATTRIBUTE = re.compile(rb"\s" + _NAMES + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_ELEMENT = re.compile(rb"<(" + _NAMES + rb")(?:\s[^<>]*)?(?:/>|>.*?</\1\s*>)", re.DOTALL)
_TURNED = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>\s*))[2-8](?=\s*[\"'<])")


def scrub_xmp(data: bytes) -> tuple[bytes, bool]:
    """The XMP packet with place and device overwritten by spaces (of which XMP may have any
    number), and whether there were any."""
    cleaned = _ELEMENT.sub(_spaces, _ATTRIBUTE.sub(_spaces, data))
    return cleaned, cleaned != data


def upright_xmp(data: bytes) -> tuple[bytes, bool]:
    """The packet with `tiff:Orientation` 1, and whether it was another one."""
    upright = _TURNED.sub(rb"\g<1>1", data)
    return upright, upright != data


def _spaces(match: re.Match[bytes]) -> bytes:
    return b" " * len(match[0])


# IPTC-IIM 4.2, record 2: content location, city, sub-location, state, country code and name.
_IPTC_PLACES = frozenset({26, 27, 90, 92, 95, 100, 101})


def scrub_iptc(data: bytes) -> tuple[bytes, bool]:
    """An IPTC block without the names of places, padded with zeros to its old length.

    Raises `Damaged` if it cannot be read to its end.
    """
    kept = bytearray()
    place = 0
    while place + 5 <= len(data) and data[place] == 0x1C:
        size = int.from_bytes(data[place + 3 : place + 5], "big")
        head = 5
        if size & 0x8000:
            more = size & 0x7FFF
            size = int.from_bytes(data[place + 5 : place + 5 + more], "big")
            head += more
        end = place + head + size
        if end > len(data):
            raise Damaged("its IPTC data is cut off")
        if not (data[place + 1] == 2 and data[place + 2] in _IPTC_PLACES):
            kept += data[place:end]
        place = end
    kept += data[place:]
    removed = len(kept) != len(data)
    return bytes(kept).ljust(len(data), b"\0"), removed
