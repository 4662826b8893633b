"""Positions in tables and records: columns called latitude and longitude that hold such numbers."""

from __future__ import annotations

import csv
import re

from hubtools.patterns import regex

_WORD = r"(?:[\w.:]{0,40}[_.: ])?(?:gps|geo|map)?[_.: ]?"
_LATITUDE = regex(rf"(?i){_WORD}lat(?:itude)?\Z")
_LONGITUDE = regex(rf"(?i){_WORD}(?:lon|lng|longitude)\Z")
_VALUE = regex(
    r"\"([\w.: ]{3,60})\"\s{0,9}:\s{0,9}\"?\s?(-?\d{1,3}(?:\.\d{1,20})?)\s?\"?\s{0,9}[,}\n]"
)
_GEOJSON = regex(
    r"\"type\"\s{0,9}:\s{0,9}\"(?:Multi)?(?:Point|LineString|Polygon)\"[^{}]{0,200}?"
    r"\"coordinates\"\s{0,9}:\s{0,9}[\[\s]{1,30}(-?\d{1,3}\.\d{2,20})\s{0,9},"
    r"\s{0,9}(-?\d{1,2}\.\d{2,20})\s{0,9}[,\]]"
)


# Both in one value: "gps": "48.1371, 11.5754", "location": [48.1371, 11.5754]
_BOTH = (
    r"(?:[\w.:]{0,40}[_.: ])?(?:gps|geo|location|lat_?lon|lat_?lng|geo_?location|gps_?position"
    r"|gps_?coordinates|position_?gps)"
)
_NAMED_BOTH = regex(rf"(?i){_BOTH}\Z")
_NUMBERS = r"\s{0,9}([-+]?\d{1,2}\.\d{3,20})\s{0,9}[,; ]\s{0,9}([-+]?\d{1,3}\.\d{3,20})\s{0,9}"
_PAIR = regex(rf"(?i)\"({_BOTH})\"\s{{0,9}}:\s{{0,9}}[\"\[]{_NUMBERS}[\"\]]")
_ONLY_NUMBERS = regex(rf"\W{{0,3}}{_NUMBERS}\W{{0,3}}\Z")


# +48.1372+011.5755/, as films have it
_STANDARD = regex(
    r"(?<![\w.])([+-]\d{2}\.\d{2,12})([+-]\d{3}\.\d{2,12})(?:[+-]\d{1,6}(?:\.\d{1,9})?)?/"
)


# --- in words and addresses ----------------------------------------------------------------------

_NORTH, _EAST = r"([-+]?\d{1,2}\.\d{3,20})", r"([-+]?\d{1,3}\.\d{3,20})"
_FINE = r"([-+]?\d{1,3}\.\d{4,20})"  # to some metres: who names a town says less
# 48 deg 8' 12.5" N, also of UTF-8 that is read byte by byte, and with signs as XML writes them
_DEGREE = r"(?:\xc2?[\xb0\xba]|&\#(?:176|[xX][bB]0);|&deg;|deg(?:rees?)?)"
_SIGN = r"(?:&(?:apos|quot|prime|Prime|\#39|\#34|\#x27|\#x22);|[^\d\s,;&NSEWO]{1,4})"
_DEGREES = (
    rf"\d{{1,3}}\s?{_DEGREE}\s?\d{{1,2}}(?:\.\d{{1,9}})?\s?{_SIGN}\s?"
    rf"(?:\d{{1,2}}(?:\.\d{{1,9}})?\s?{_SIGN}\s?)?"
)
_SPELT = (
    r"\d{1,3}(?:\.\d{1,9})? ?(?:degrees|\xc2?\xb0),? (?:\d{1,2}(?:\.\d{1,9})? ?(?:minutes|min),? )?"
    r"(?:(?:and )?\d{1,2}(?:\.\d{1,9})? ?(?:seconds|sec),? )?"
)
# 48° 08.222, as receivers show it, and 48:08:13.4
_SHOWN = rf"\d{{1,3}}(?:\s?{_DEGREE}\s?|\s)\d{{1,2}}\.\d{{2,9}}(?![\d.])\s?(?:{_SIGN})?"
_CLOCKED = r"\d{1,3}:\d{2}:\d{2}(?:\.\d{1,9})?(?![\d.:])"
_SPOKEN = (
    regex(rf"(?<![\w.])geo:{_NORTH},{_EAST}(?![\d.])"),
    # addresses of maps
    regex(
        rf"(?i)(?:/maps/(?:[^\s@]{{0,200}}/)?@|[?&](?:q|ll|sll|query|center|mlat|daddr|destination)="
        rf"|[#&]map=\d{{1,2}}(?:\.\d{{1,3}})?/|!3d){_NORTH}(?:,|/|%2C|&mlon=|!4d){_EAST}"
    ),
    regex(
        rf"{_NORTH}\s?{_DEGREE}?\s?(?:[NS]|(?i:north|south))[\s,;/]{{1,4}}"
        rf"{_EAST}\s?{_DEGREE}?\s?(?:[EWO]|(?i:east|west))(?!\w)"
    ),
    regex(
        rf"(?<!\w)[NS]\s?{_NORTH}\s?{_DEGREE}?[\s,;/]{{1,4}}[EWO]\s?{_EAST}\s?{_DEGREE}?(?![\d.])"
    ),
    regex(
        r"(?i)(?<!\w)(?:gps|coordinates?|coords|koordinaten|coordonn\S{1,3}es|coordenadas"
        r"|lat/lon(?:g)?|lat, ?lon(?:g)?)\W{1,5}(?:(?:are|is|sind|of|at)\W{1,3})?"
        rf"{_NORTH}\s{{0,3}}[,; ]\s{{0,3}}{_EAST}(?![\d.])"
    ),
    regex(
        r"(?i)(?<!\w)(?:taken|shot|photographed|recorded|aufgenommen)\W{1,3}"
        r"(?:in [^\W\d_]{2,30}(?:[ ,-]{1,2}[^\W\d_]{2,30}){0,3}\W{1,3})?(?:at|near|bei)\W{1,3}"
        rf"{_NORTH}\s{{0,3}}[,; ]\s{{0,3}}{_EAST}(?![\d.])"
    ),
    regex(
        r"(?i)(?<![a-z])(?:location|geo|standort|aufnahmeort|lieu|ubicaci\S{1,3}n|localiza\S{2,6}o"
        rf"|posizione)[^\w\[]{{1,5}}{_FINE}\s?{_DEGREE}?\s{{0,3}}[,; ]\s{{0,3}}{_FINE}(?![\d.])"
        # the corners of a box are four numbers
        r"(?!(?:\s{0,3}[,; ]\s{0,3}[-+]?\d{1,9}(?:\.\d{1,20})?){2})"
    ),
    regex(
        rf"(?i)(?<!\w)lat(?:itude)?\W{{1,5}}{_FINE}\s?{_DEGREE}?[\s,;/]{{0,4}}(?:and |und )?"
        rf"(?:lon|lng|long|longitude|l\S{{1,2}}nge)\W{{1,5}}{_FINE}(?![\d.])"
    ),
    regex(rf"(?<!\w){_DEGREES}[NS][\s,;/]{{0,4}}{_DEGREES}[EWO](?!\w)"),
    regex(rf"(?<!\w)[NS]\s?{_DEGREES}[\s,;/]{{0,4}}[EWO]\s?{_DEGREES}"),
    regex(rf"(?i)(?<![\w.])(?:ll|sll|lat_?l(?:on|ng))={_NORTH},\s?{_EAST}(?![\d.])"),
    regex(rf"(?i)(?<!\w){_SPELT}(?:north|south)[\s,;/]{{1,4}}(?:and )?{_SPELT}(?:east|west)(?!\w)"),
    # machine tags of Flickr and others
    regex(r"(?i)(?<!\w)geo:(?:lat|lon|long|lng)(?:itude)?=[-+]?\d{1,3}\.\d{2,20}"),
    # what receivers say (NMEA 0183)
    regex(r"\$G[A-Z](?:RMC|GGA|GLL|GNS),[\d.,AV]{0,40}?\d{4}\.\d{2,9},[NS],\d{5}\.\d{2,9},[EW]"),
)
_RECEIVED = tuple(
    regex(one)
    for form in (_SHOWN, _CLOCKED)
    for one in (
        rf"(?<!\w)[NS]\s?{form}[\s,;/]{{1,4}}[EWO]\s?{form}",
        rf"(?<![\w.:]){form}\s?[NS][\s,;/]{{1,4}}{form}\s?[EWO](?!\w)",
    )
)
_NORTH_OF = regex(r"(?<![^\W\d])[NS](?![^\W\d])")  # none of them is without it
# All that a text says
_BARE = regex(
    r"[\W_]{0,9}([-+]?\d{1,2}\.\d{4,20})\s?\xc2?\xb0?\s{0,3}[,;/ ]\s{0,3}"
    r"([-+]?\d{1,3}\.\d{4,20})\s?\xc2?\xb0?[\W_]{0,9}\Z"
)
# Each of them has a number with two digits behind its point, of degrees, or as on a clock.
_FINE_NUMBER = regex(
    r"\d(?:\.\d\d|\s?(?:\xc2?[\xb0\xba]|&|[dD][eE][gG])|:\d\d(?:\.\d{1,9})?\s?[NSEWO,;/ ])"
)
_DIGIT = regex(r"\d")
_TELLING = regex(r"[1-9]")
_SHORT = 200  # letters of a text that may be a position and nothing else


def spoken(text: str) -> list[tuple[int, int]]:
    """Where positions stand in words: degrees, minutes and seconds, addresses of maps, tags."""
    if not _FINE_NUMBER.search(text):
        return []
    forms = (*_SPOKEN, *_RECEIVED) if _NORTH_OF.search(text) else _SPOKEN
    return [
        match.span()
        for match in (*_bare(text), *(match for one in forms for match in one.finditer(text)))
        if (
            _is_position(float(match[1]), float(match[2]))
            if match.lastindex
            else _TELLING.search(match[0]) is not None
        )
    ]


def _bare(text: str) -> list[re.Match[str]]:
    """The text, if it is nothing but two numbers as fine as receivers give them."""
    found = _BARE.match(text) if len(text) < _SHORT else None
    fine = found is not None and all(
        len(found[n].rstrip("0").partition(".")[2]) > 2 for n in (1, 2)
    )
    return [found] if found is not None and fine else []


def without_spoken(text: str) -> str:
    """The text with zeros in the place of the digits of those; its length stays."""
    spans = spoken(text)
    if not spans:
        return text
    letters = list(text)
    for start, end in spans:
        letters[start:end] = _DIGIT.sub("0", text[start:end])
    return "".join(letters)


def _is_position(latitude: float, longitude: float) -> bool:
    """Numbers that may be one, finer than whole degrees, and not in the sea around 0, 0, where
    shares of a picture's width and height would lie."""
    inside = 0 < abs(latitude) <= 90 and 0 < abs(longitude) <= 180
    inside = inside and max(abs(latitude), abs(longitude)) > 1
    return inside and not (latitude.is_integer() and longitude.is_integer())


def columns_of(text: str) -> str | None:
    """What the columns or keys of a table in JSON, JSON lines or CSV are called that hold
    positions; None if there are none."""
    if any(_is_position(float(m[2]), float(m[1])) for m in _GEOJSON.finditer(text)):
        return "coordinates (GeoJSON)"
    for match in _STANDARD.finditer(text):
        if _is_position(float(match[1]), float(match[2])):
            return "a position (ISO 6709)"
    for match in _PAIR.finditer(text):
        if _is_position(float(match[2]), float(match[3])):
            return match[1]
    if spoken(text):
        return "a position in words"
    north = east = None
    for match in _VALUE.finditer(text):
        if _LATITUDE.match(match[1]):
            north = match
        elif _LONGITUDE.match(match[1]):
            east = match
        if north and east and abs(north.start() - east.start()) < 2000:
            if _is_position(float(north[2]), float(east[2])):
                return f"{north[1]}, {east[1]}"
            # the later one may belong to what follows
            north, east = (north, None) if north.start() > east.start() else (None, east)
    return _in_csv(text)


def blanked(text: str) -> str:
    """The text with zeros in the place of the digits of positions that `columns_of` finds; of a
    table, in the place of all its digits. Its length stays."""
    if columns_of(text) is None:
        return text
    spans = [m.span() for one in (_GEOJSON, _STANDARD, _PAIR) for m in one.finditer(text)]
    for match in _VALUE.finditer(text):
        if _LATITUDE.match(match[1]) or _LONGITUDE.match(match[1]):
            spans.append(match.span(2))
    spans += spoken(text)
    letters = list(text)
    for start, end in spans:
        letters[start:end] = _DIGIT.sub("0", text[start:end])
    changed = "".join(letters)
    return changed if columns_of(changed) is None else _DIGIT.sub("0", text)


_CODES = (b"ASCII\0\0\0", b"UNICODE\0")  # before what a user's comment says (EXIF)


def blanked_bytes(data: bytes, name: bytes = b"") -> bytes:
    """The same of a text in UTF-8, another encoding of one byte a letter, or UTF-16. `name`: what
    the text is called."""
    if not _POSSIBLE.search(data):
        return data
    if data.startswith(_CODES):
        return data[:8] + blanked_bytes(data[8:])
    if name and len(data) < _SHORT:
        data, name = blanked_bytes(data), name.rpartition(b":")[2]
        if _LATITUDE.match(word := name.decode("latin-1")) or _LONGITUDE.match(word):
            return _named_number(data)
        return blanked(f"{word}: {data.decode('latin-1')}").encode("latin-1")[len(name) + 2 :]
    for first in (0, 1) if data.count(b"\0") > len(data) // 4 else ():
        units = data[first : first + (len(data) - first) // 2 * 2]
        for low in (0, 1):
            letters, high = units[low::2], units[1 - low :: 2]
            if len(letters) < 8 or high.count(0) < len(high) * 3 // 4:
                continue
            text = "".join(chr(a) if not b else "?" for a, b in zip(letters, high, strict=True))
            changed = blanked(text)
            if changed == text:
                continue
            found = bytearray(data)
            for place, (old, new) in enumerate(zip(text, changed, strict=True)):
                if old != new:
                    found[first + 2 * place + low] = ord(new)
            return bytes(found)
    return blanked(data.decode("latin-1")).encode("latin-1")


def _named_number(data: bytes) -> bytes:
    """A latitude, or a longitude, with zeros for digits."""
    found = _NUMBER.fullmatch(data)
    fine = found is not None and 0 < abs(float(found[1])) <= 180
    return re.sub(rb"\d", b"0", data) if fine else data


_NUMBER = regex(rb"\s{0,9}([-+]?\d{1,3}\.\d{2,20})\s?(?:\xc2?\xb0)?\s?[NSEWO]?[\s\0]{0,9}")
# a number with a point or of degrees, perhaps with a NUL between any two letters
_POSSIBLE = regex(rb"\d\0?\.\0?\d|\d\0? ?\0?(?:\xc2?[\xb0\xba]|d\0?e\0?g)")


def _in_csv(text: str) -> str | None:
    lines = text.lstrip("\ufeff").splitlines()[:2000]
    for mark in (",", ";", "\t") if lines else ():
        names = lines[0].split(mark)
        names = [name.strip().strip('"') for name in names]
        north = next((n for n, name in enumerate(names) if _LATITUDE.match(name)), None)
        east = next((n for n, name in enumerate(names) if _LONGITUDE.match(name)), None)
        both = [n for n, name in enumerate(names) if _NAMED_BOTH.match(name)]
        if (north is None or east is None) and not both:
            continue
        try:
            for row in csv.reader(lines[1:], delimiter=mark):
                for place in both:
                    pair = _ONLY_NUMBERS.match(row[place]) if place < len(row) else None
                    if pair and _is_position(float(pair[1]), float(pair[2])):
                        return names[place]
                if north is None or east is None:
                    continue
                if len(row) > max(north, east) and _numbers(row[north], row[east]):
                    return f"{names[north]}, {names[east]}"
        except csv.Error:
            return None
    return None


def _numbers(latitude: str, longitude: str) -> bool:
    try:
        return _is_position(float(latitude), float(longitude))
    except ValueError:
        return False
