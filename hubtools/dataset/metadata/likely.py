"""Tables among the files that are metadata by what they say, and by their name are none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hubtools.causes import is_at_limit
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS, Entry, Listing
from hubtools.dataset.metadata.model import MetadataFile
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.metadata.reading import parse_metadata
from hubtools.files import json_value

_ENDINGS = {
    ".jsonl": ".jsonl", ".ndjson": ".jsonl", ".json": ".jsonl", ".csv": ".csv", ".tsv": ".csv",
    ".parquet": ".parquet",
}  # fmt: skip
_LARGEST = 32_000_000  # bytes of a table that is looked into
_NOTE = 100_000  # bytes of a note
# What it may say.
_ALBUM = frozenset(
    [
        "title",
        "description",
        "access",
        "date",
        "location",
        "geoData",
        "enrichments",
        "sharedAlbumComments",
        "people",
    ]
)
_LOOKED_AT = 200  # records, and tables
_PICTURES = tuple(PICTURE_ENDINGS | FOREIGN_ENDINGS)


def likely_metadata(listing: Listing) -> dict[str, str]:
    """Tables whose records name pictures of a folder without metadata, with the column that does;
    the one that names most comes first."""
    if listing.metadata or not listing.pictures or listing.opener is not None:
        return {}
    stems = {entry.name.rpartition(".")[0] for entry in listing.pictures}
    stems |= {entry.name for entry in listing.pictures}
    found: dict[str, tuple[int, str]] = {}
    for entry in _candidates(listing, stems):
        named = _named(listing, entry)
        if named:
            found[entry.name] = named
    return {name: found[name][1] for name in sorted(found, key=lambda n: (-found[n][0], n))}


def is_note(listing: Listing, entry: Entry) -> bool:
    """True for `metadata.json` as Google Takeout writes it: of an album, not of its pictures."""
    if listing.opener is not None or entry.size > _NOTE or entry.base.lower() != "metadata.json":
        return False
    try:
        with listing.open(entry.name) as file:
            found = json_value(file.read(_NOTE))
    except (ValueError, RecursionError):
        return False
    except OSError as error:
        if is_at_limit(error):
            raise
        return False
    return isinstance(found, dict) and "title" in found and found.keys() <= _ALBUM


def _candidates(listing: Listing, stems: set[str]) -> list[Entry]:
    tables = [
        entry
        for entry in listing.entries
        if entry.ending in _ENDINGS
        and not (entry.hidden or entry.junk or entry.link or entry.special)
        and entry.size <= _LARGEST
        # captions and notes beside the pictures are no tables
        and not any(stem in stems for stem in _stems(entry.name))
    ]
    return tables[:_LOOKED_AT]


def _stems(name: str) -> Iterator[str]:
    """`a.png.supplemental-metadata`, `a.png` and `a` of `a.png.supplemental-metadata.json`."""
    folder = name.rpartition("/")[0]
    while "." in name[len(folder) :]:
        name = name.rpartition(".")[0]
        yield name


def _named(listing: Listing, entry: Entry) -> tuple[int, str] | None:
    """How many pictures a table names, and in which column."""
    try:
        with listing.open(entry.name) as file:
            data = file.read(_LARGEST)
    except OSError as error:
        if is_at_limit(error):
            raise
        return None
    table = parse_metadata(replace(entry, name=entry.name + _ENDINGS[entry.ending]), data)
    counts = {column: _count(listing, table, column, entry.folder) for column in table.columns}
    best = max(counts, key=lambda column: counts[column], default=None)
    return (counts[best], best) if best is not None and counts[best] else None


def _count(listing: Listing, table: MetadataFile, column: str, folder: str) -> int:
    values = [row.values.get(column) for row in table.rows[:_LOOKED_AT]]
    texts = [one for one in values if isinstance(one, str) and one.lower().endswith(_PICTURES)]
    return sum(resolved(folder, text) in listing.names for text in texts)
