"""Blank what XMP and IPTC blocks say about place, people and device, in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from hubtools.dataset.pictures.private.kinds import Damaged, Found, Kind, says
from hubtools.dataset.text.positions import without_spoken
from hubtools.patterns import regex

# (name space, its usual prefixes, what of it, kind). A packet may use other prefixes.
_SERIAL = rb"\w*SerialNumber|OwnerName|CameraOwnerName"
_ADOBE = b"http://ns.adobe.com/"
_SPACES: tuple[tuple[bytes, bytes, bytes, Kind], ...] = (
    (_ADOBE + b"exif/1.0/", b"exif", rb"GPS\w*", Kind.POSITION),
    (b"http://cipa.jp/exif/1.0/", b"exifEX", rb"GPS\w*", Kind.POSITION),
    (b"http://www.dji.com/drone-dji/1.0/", b"drone-dji", rb"G[Pp][Ss]\w*", Kind.POSITION),
    (b"http://pix4d.com/camera/1.0", b"Camera", rb"GPS\w*", Kind.POSITION),
    (b"http://www.w3.org/2003/01/geo/wgs84_pos#", b"geo", rb"lat|long|lat_long", Kind.POSITION),
    (_ADOBE + b"exif/1.0/aux/", b"aux", _SERIAL, Kind.OWNER),
    (_ADOBE + b"exif/1.0/", b"exif", _SERIAL, Kind.OWNER),
    (b"http://cipa.jp/exif/1.0/", b"exifEX", _SERIAL, Kind.OWNER),
    (_ADOBE + b"camera-raw-settings/1.0/", b"crs", _SERIAL, Kind.OWNER),
    (_ADOBE + b"tiff/1.0/", b"tiff", _SERIAL, Kind.OWNER),
    (b"http://ns.microsoft.com/photo/1.0/", b"MicrosoftPhoto", _SERIAL, Kind.OWNER),
    (b"http://www.dji.com/drone-dji/1.0/", b"drone-dji", rb"\w*SerialNumber|\w*Sn", Kind.OWNER),
    (b"http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", b"Iptc4xmpCore",
     rb"CreatorContactInfo|Ci(?:Adr|Email|Tel)\w*", Kind.OWNER),
    (b"http://iptc.org/std/Iptc4xmpExt/2008-02-29/", b"Iptc4xmpExt",
     rb"PersonInImage\w*|ImageRegion", Kind.PEOPLE),
    (b"http://www.metadataworkinggroup.com/schemas/regions/", b"mwg-rs", rb"Regions", Kind.PEOPLE),
    (b"http://ns.acdsee.com/regions/", b"acdsee-rs", rb"Regions", Kind.PEOPLE),
    (b"http://ns.apple.com/faceinfo/1.0/", b"apple-fi", rb"Regions|Name", Kind.PEOPLE),
    (b"http://ns.microsoft.com/photo/1.2/", b"MP", rb"RegionInfo", Kind.PEOPLE),
    (b"http://ns.microsoft.com/photo/1.2/t/Region#", b"MPReg", rb"Person\w+", Kind.PEOPLE),
    (b"http://xmp.gettyimages.com/gift/1.0/", b"GettyImagesGIFT", rb"Personality", Kind.PEOPLE),
    (_ADOBE + b"photoshop/1.0/", b"photoshop", rb"City|State|Country", Kind.PLACE),
    (b"http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", b"Iptc4xmpCore",
     rb"Location|CountryCode", Kind.PLACE),
    (b"http://iptc.org/std/Iptc4xmpExt/2008-02-29/", b"Iptc4xmpExt",
     rb"LocationShown|LocationCreated", Kind.PLACE),
    (_ADOBE + b"exif/1.0/", b"exif", rb"ImageUniqueID", Kind.REST),
)  # fmt: skip
# Drones and others call it so in name spaces of their own
_EVERYWHERE = rb"[A-Za-z_][\w.-]{0,40}:(?:[Gg][Pp][Ss])?(?:[Ll]atitude|[Ll]ongt?itude)"
# One of these is in a packet that holds any of it.
_HINTS = (
    b"GPS", b"Gps", b"geo/wgs84", b"geo:", b"Serial", b"Sn", b"OwnerName", b"ContactInfo", b"Ci",
    b"Person", b"Region", b"City", b"State", b"Country", b"Location", b"UniqueID", b"People",
    b"atitude", b"ongitude", b"ongtitude", b"Category", b"faceinfo",
)  # fmt: skip
NAMES_OF_PEOPLE = "people in XMP"
_IN_WORDS = Found(Kind.POSITION, "a position in words in XMP", "GPS")
_WORDS = {
    Kind.POSITION: "the GPS position in XMP",
    Kind.OWNER: "the owner or the device in XMP",
    Kind.PEOPLE: NAMES_OF_PEOPLE,
    Kind.PLACE: "the place in XMP",
    Kind.REST: "an id in XMP",
}
_DECLARED = regex(rb"xmlns:([A-Za-z_][\w.-]{0,40})\s*=\s*[\"']([^\"'<>]{1,200})[\"']")
# Keywords of Lightroom, digiKam and others that stand in a tree: People|Jane Doe
_TREE = regex(rb"(<rdf:li[^<>]{0,200}>)((?i:people|persons?|faces)\s*[|/][^<]{1,300})(?=</rdf:li)")
# ACDSee writes such a tree as XML within a value; what is in the branch of people
_BRANCH = regex(
    rb"(?:&gt;|>)\s{0,9}(?i:people|persons?|faces)\s{0,9}(?=(?:&lt;|<)Category\b)"
    rb"((?s:.){1,4000}?)(?:&lt;|<)/Category(?:&gt;|>)\s{0,9}(?:&lt;|<)/Category"
)
_LEAF = regex(rb"(?:&gt;|>)((?:(?!&lt;|<)[^>]){1,300})")
_WHOLE_TEXT = regex(
    rb"(?:dc:description|dc:title|exif:UserComment|tiff:ImageDescription)\s{0,9}(?:=\s{0,9}[\"']|>)"
    rb"\s{0,99}(?:<rdf:(?:Alt|li)[^<>]{0,100}>\s{0,99}){0,2}([-+\d., ;/]{13,60})(?=\s{0,99}[<\"'])"
)
_TURNED = regex(rb"(tiff:Orientation\s*(?:=\s*[\"']|>\s*))[2-8](?=\s*[\"'<])")
_LARGEST = 16_000_000
_MOST_UNCLOSED = 32
_MOST_PREFIXES = 100


def scrub_xmp(data: bytes) -> tuple[bytes, list[Found]]:
    """The XMP packet with all of that overwritten by spaces (of which XMP may have any number), and
    what there was. Raises `Damaged` if it is too large or its elements are not closed."""
    if len(data) > _LARGEST:
        raise Damaged("its XMP is too large")
    if data.count(b"\0") > len(data) // 3:
        return _scrub_wide(data)
    spoken = without_spoken(data.decode("latin-1")).encode("latin-1")
    found: dict[Found, None] = {}
    for match in _WHOLE_TEXT.finditer(data):
        whole = without_spoken(match[1].decode("ascii")).encode("ascii")
        spoken = spoken[: match.start(1)] + whole + spoken[match.end(1) :]
    if spoken != data:
        data, found = spoken, {_IN_WORDS: None}
    if not any(hint in data for hint in _HINTS):
        return data, list(found)
    extra = frozenset(
        (prefix, space.rstrip(b"/#"))
        for prefix, space in _DECLARED.findall(data)[:_MOST_PREFIXES]
        if space.rstrip(b"/#") in _KNOWN
    )
    attribute, element = _patterns(extra)
    cleaned = bytearray(data)
    for start, end, kind, name, value in _there(data, attribute, element):
        if kind is Kind.PEOPLE and name == "Regions" and not _of_people(value):
            continue  # where the camera has focussed
        if kind is Kind.POSITION and name in _NO_POSITION:
            kind = Kind.REST
        if said := says(_TAGS.sub(b" ", value)) or bool(_ATTRIBUTES.search(value)):
            if kind is Kind.POSITION and not _TELLING.search(value):
                continue  # zeros
            found[Found(kind, _WORDS[kind], name)] = None
        if said and kind is Kind.PLACE and b"GPSL" in value:
            found[Found(Kind.POSITION, _WORDS[Kind.POSITION], "GPS")] = None
        cleaned[start:end] = b" " * (end - start)
    for match in _TREE.finditer(data):
        found[Found(Kind.PEOPLE, _WORDS[Kind.PEOPLE], "keywords")] = None
        cleaned[match.start(2) : match.end(2)] = b" " * len(match[2])
    for match in _BRANCH.finditer(data):
        for leaf in _LEAF.finditer(data, match.start(1), match.end(1)):
            if says(leaf[1]):
                found[Found(Kind.PEOPLE, _WORDS[Kind.PEOPLE], "categories")] = None
            cleaned[leaf.start(1) : leaf.end(1)] = b" " * len(leaf[1])
    return bytes(cleaned), list(found)


def _scrub_wide(data: bytes) -> tuple[bytes, list[Found]]:
    """The same of a packet in UTF-16, unit by unit: what is no Latin letter counts as one."""
    low, high = (0, 1) if data[1::2].count(0) >= data[0::2].count(0) else (1, 0)
    pairs = len(data) // 2
    letters = bytearray(data[low : 2 * pairs : 2])
    for place, byte in enumerate(data[high : 2 * pairs : 2]):
        if byte:
            letters[place] = 0x3F
    cleaned, found = scrub_xmp(bytes(letters))
    changed = bytearray(data)
    for place, (old, new) in enumerate(zip(letters, cleaned, strict=True)):
        if old != new:
            changed[2 * place + low], changed[2 * place + high] = new, 0
    return bytes(changed), found


_TELLING = regex(rb"[1-9]")
_ATTRIBUTES = regex(rb"=\s*[\"'][^\"'\s]")
_TAGS = regex(rb"<[^<>]*>")
_NO_POSITION = frozenset(
    {"GPSVersionID", "GPSTimeStamp", "GPSDateStamp", "GPSMapDatum", "GPSMeasureMode", "GPSStatus"}
    | {"GPSSatellites", "GPSDOP", "GPSDifferential", "GPSProcessingMethod", "GPSHPositioningError"}
)
_KNOWN = frozenset(space.rstrip(b"/#") for space, *_ in _SPACES)


def _of_people(value: bytes) -> bool:
    return b":Name" in value or b"Face" in value


@lru_cache(maxsize=64)
def _patterns(
    extra: frozenset[tuple[bytes, bytes]],
) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Of an attribute and of the start of an element, the kind being the group's name."""
    names: dict[Kind, list[bytes]] = {}
    for space, usual, what, kind in _SPACES:
        others = [prefix for prefix, one in extra if one == space.rstrip(b"/#")]
        prefixes = b"|".join(re.escape(prefix) for prefix in {usual, *others})
        names.setdefault(kind, []).append(b"(?:" + prefixes + b"):(?:" + what + b")")
    names[Kind.POSITION].append(_EVERYWHERE)
    groups = b"|".join(
        b"(?P<" + kind.value.encode() + b">" + b"|".join(some) + b")"
        for kind, some in names.items()
    )
    attribute = rb"\s(?:" + groups + rb")\s*=\s*(?:\"[^\"]*\"|'[^']*')"
    element = rb"<(?:" + groups + rb")(?=[\s/>])"
    return re.compile(attribute), re.compile(element)


def _there(
    data: bytes, attribute: re.Pattern[bytes], element: re.Pattern[bytes]
) -> Iterator[tuple[int, int, Kind, str, bytes]]:
    """(start, end, kind, name, value) of attributes and elements."""
    for match in attribute.finditer(data):
        kind = str(match.lastgroup)
        name = match[kind].rpartition(b":")[2].decode("latin-1")
        value = match[0].partition(b"=")[2].strip()[1:-1]
        yield match.start(), match.end(), Kind(kind), name, value
    place = 0
    unclosed: set[bytes] = set()
    while (start := element.search(data, place)) is not None:
        kind, tag = str(start.lastgroup), start[str(start.lastgroup)]
        place = start.end()
        closes = data.find(b">", place)
        if closes < 0:
            raise Damaged("its XMP is cut off")
        if data[closes - 1 : closes] == b"/":
            end, value = closes + 1, data[place : closes - 1]
        else:
            ends = -1 if tag in unclosed else data.find(b"</" + tag, closes)
            last = data.find(b">", ends) if ends >= 0 else -1
            if last < 0:
                unclosed.add(tag)
                if len(unclosed) > _MOST_UNCLOSED:
                    raise Damaged("its XMP has elements that are not closed")
                end, value = closes + 1, data[closes + 1 : closes + 200]
            else:
                end, value = last + 1, data[closes + 1 : ends]
        name = tag.rpartition(b":")[2].decode("latin-1")
        yield start.start(), end, Kind(kind), name, value
        place = end


def upright_xmp(data: bytes) -> tuple[bytes, bool]:
    """The packet with `tiff:Orientation` 1, and whether it was another one."""
    upright = _TURNED.sub(rb"\g<1>1", data)
    return upright, upright != data


# IPTC-IIM 4.2, record 2: content location, city, sub-location, state, country code and name.
_IPTC_PLACES = frozenset({26, 27, 90, 92, 95, 100, 101})
_IPTC_PLACE = Found(Kind.PLACE, "the place in IPTC", "City")


def scrub_iptc(data: bytes) -> tuple[bytes, list[Found]]:
    """An IPTC block without the names of places, padded with zeros to its old length.

    Raises `Damaged` if it cannot be read to its end.
    """
    kept = bytearray()
    place = 0
    found: list[Found] = []
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
        if data[place + 1] == 2 and data[place + 2] in _IPTC_PLACES:
            if says(data[place + head : end]):
                found = [_IPTC_PLACE]
        else:
            kept += data[place:end]
        place = end
    kept += data[place:]
    return bytes(kept).ljust(len(data), b"\0"), found


def iptc_values(data: bytes) -> Iterator[bytes]:
    """The value of each entry of an IPTC block, up to one that cannot be read; what is left then
    comes as one."""
    place = 0
    while place + 5 <= len(data) and data[place] == 0x1C:
        size = int.from_bytes(data[place + 3 : place + 5], "big")
        if size & 0x8000 or place + 5 + size > len(data):
            break
        yield data[place + 5 : place + 5 + size]
        place += 5 + size
    if data[place:].strip(b"\0"):
        yield data[place:]
