"""Files beside the pictures that tell about people: notes of Google Takeout, XMP, lists of edits,
where a file was downloaded from, tracks, films. Judged by what is in them, for names are cut,
numbered and translated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from hubtools.causes import is_out_of_reach
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.private.kinds import Damaged, Kind
from hubtools.dataset.pictures.private.reading import Private, private_of_file
from hubtools.dataset.pictures.private.texts import scrub_xmp
from hubtools.patterns import regex

Open = Callable[[str], BinaryIO]

_HEAD = 1 << 18  # bytes of a text that are read
_ZONE = regex(r"zone\.identifier(?:[ _.(-].{0,8})?$")
_PICASA = frozenset({"picasa.ini", ".picasa.ini"})
_TRACKS = frozenset({".gpx", ".kml", ".kmz", ".tcx", ".fit", ".nmea", ".igc"})
_TEXTS = frozenset({".json", ".xmp", ".srt", ".vtt", ".ini", ".xml", ".plist", ""})
# Of these only what is such a file as a whole: a caption or a table may well hold two numbers.
_CALLED = frozenset(
    {".txt", ".md", ".jsonl", ".ndjson", ".csv", ".tsv", ".yaml", ".yml", ".caption", ".tags"}
    | {".html", ".htm", ".log", ".rst", ".geojson", ".svg", ".dat", ".bak", ".old"}
)
# The records of a set itself: their columns are for P129, and nothing may take them away.
_RECORDS = frozenset({"metadata.jsonl", "metadata.csv", "readme.md"})
_ONLY = "a text with a position"
# Films, such as those of Live Photos: Apple's key for a place, and 3GPP's box with one. Both lie in
# the box `moov`, at the beginning of a file or at its end.
_FILMS = frozenset({".mov", ".mp4", ".m4v", ".qt", ".3gp"})
_FILMED_AT = re.compile(rb"com\.apple\.quicktime\.location|\xa9xyz.{4}[+-][0-9]", re.DOTALL)
_END = 1 << 20  # bytes of either end of a film that are read

# Google Takeout's notes, one JSON object a file: what is in it, and its part that is always there.
_TAKEOUT = {
    "geoData": "latitude",
    "geoDataExif": "latitude",
    "photoTakenTime": "timestamp",
    "creationTime": "timestamp",
    "photoLastModifiedTime": "timestamp",
    "modificationTime": "timestamp",
    "googlePhotosOrigin": "",
}
# Somebody's own records have one of these: nothing may take them away.
_OWN = regex(
    r"\"(?:file_?name|file|image|image_path|path|text|captions?|prompt|labels?|tags|split)\"\s{0,9}:"
)
_POSITION = regex(
    r"(?i)[\"\[](?:gps)?[ _]?lat(?:itude)?\"?\s{0,9}:\s{0,9}[\"\[]?\s?-?(?:[1-9]|0\.0{0,5}[1-9])"
)
_TRACK = regex(
    r"\A(?:<\?xml[^>]{0,200}>\s{0,99}|<!--[^>]{0,400}-->\s{0,99}){0,3}"
    r"<(?:gpx|kml|TrainingCenterDatabase)[\s>/]|\A\$G[PNL](?:GGA|RMC),"
)
_PEOPLE = regex(r"\"people\"\s{0,20}:\s{0,20}\[\s{0,20}\{")


class Beside(NamedTuple):
    """A file, and what it gives away in a clause."""

    name: str
    what: str


def besides(entries: Iterable[Entry], open: Open, *, near: bool = True) -> Iterator[Beside]:
    """Those of `entries` that tell about people. `near`: they lie on this machine, and are read;
    else their names have to do."""
    for entry in entries:
        what = None
        if near and not (entry.junk or entry.hidden or entry.link):
            what = _by_content(entry, open)
        what = what or _by_name(entry)
        if what is not None:
            yield Beside(entry.name, what)


def _by_name(entry: Entry) -> str | None:
    base, ending = entry.base.lower(), entry.ending
    if "zone" in base and _ZONE.search(base):
        return "Windows' note of the address it was downloaded from"
    if base in _PICASA:
        return "Picasa's list of faces and names"
    if ending == ".aae":
        return "Apple's list of edits"
    if ending in _TRACKS:
        return "a track of positions"
    if base.endswith(".supplemental-metadata.json"):
        return "notes of Google Takeout"
    return None


def _by_content(entry: Entry, open: Open) -> str | None:
    is_film = entry.ending in _FILMS
    called = entry.ending in _CALLED and entry.base.lower() not in _RECORDS
    if not (entry.ending in _TEXTS or called or is_film) or not entry.size:
        return None
    try:
        with open(entry.name) as file:
            if is_film:
                return _in_film(file, entry.size)
            data = file.read(_HEAD)
    except OSError as error:
        if not is_out_of_reach(error):  # it may tell about people, and be sent
            raise
        return None
    told = told_by_text(data)
    return None if called and told == _ONLY else told


def _in_film(file: BinaryIO, size: int) -> str | None:
    data = file.read(_END)
    if size > 2 * _END:
        file.seek(size - _END)
    return "a film with a position" if _FILMED_AT.search(data + file.read(_END)) else None


def told_by_text(data: bytes) -> str | None:
    """What the beginning of a text file gives away, if it is one that lies beside pictures."""
    text = _decoded(data)
    start = text[:2000].lstrip("\ufeff \t\r\n")
    if start.startswith("[ZoneTransfer]"):
        return "Windows' note of the address it was downloaded from"
    if "<x:xmpmeta" in start or "<?xpacket" in start or "<rdf:RDF" in start:
        return _in_xmp(text)
    if "AdjustmentBaseVersion" in start or "adjustmentFormatIdentifier" in start:
        return "Apple's list of edits"
    if _TRACK.search(start):
        return "a track of positions"
    position = "a position" if _POSITION.search(text) else ""
    if start.startswith(("{", "[")):
        people = "people's names" if _PEOPLE.search(text) else ""
        said = " and ".join(filter(None, (position, people)))
        if _is_takeout(text):
            return f"notes of Google Takeout{f' with {said}' if said else ''}"
        if _OWN.search(text) or _is_table(start):
            return None
    return _ONLY if position else None


def _is_takeout(text: str) -> bool:
    """By its structure: words alone may be those of anybody's table."""
    try:
        note = json.loads(text.strip("\ufeff\0 \t\r\n"))
    except (ValueError, RecursionError):
        return False
    if not isinstance(note, dict):
        return False
    if isinstance(note.get("albumData"), dict) and len(note) == 1:
        return True
    held = [
        key
        for key, part in _TAKEOUT.items()
        if isinstance(note.get(key), dict) and (not part or part in note[key])
    ]
    own = any(_OWN.match(f'"{key}":') for key in note)
    told = isinstance(note.get("title"), str) or len(held) > 1
    return bool(held) and told and not own


def _is_table(text: str) -> bool:
    """JSON lines: an object, and another one."""
    try:
        end = json.JSONDecoder().raw_decode(text)[1]
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip().startswith("{")


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    for order, odd in (("utf-16-le", data[1:200:2]), ("utf-16-be", data[0:200:2])):
        if len(odd) > 8 and not any(odd):
            return data.decode(order, "replace")
    return data.decode("utf-8-sig", "replace")


_SAID = {
    Kind.POSITION: "a position",
    Kind.PEOPLE: "people's names",
    Kind.PLACE: "the name of a place",
    Kind.OWNER: "whose camera it was",
}


def _in_xmp(text: str) -> str | None:
    try:
        found = scrub_xmp(text.encode("utf-8", "replace"))[1]
    except Damaged:
        return "XMP that cannot be read"
    said = dict.fromkeys(_SAID[one.kind] for one in found if one.kind in _SAID)
    return f"XMP with {' and '.join(said)}" if said else None


# Pictures and films that no loader takes, but that tell where they were taken all the same.
_FILMS = frozenset(
    {".mov", ".mp4", ".m4v", ".3gp", ".thm", ".lrv", ".insp", ".insv"} | {".mkv", ".webm"}
)
APART = _FILMS | frozenset(
    {".avif", ".heic", ".heif", ".hif", ".jxl", ".raw", ".cr2", ".cr3", ".nef", ".dng", ".arw"}
    | {".orf", ".rw2", ".raf", ".pef", ".srw", ".gpr"}
)


def private_in(name: str, open: Open) -> Private:
    """What a file tells, however long it is. Raises `OSError` if the disk fails."""
    try:
        with open(name) as file:
            return private_of_file(file)
    except OSError as error:
        if not is_out_of_reach(error):
            raise
        return Private()
