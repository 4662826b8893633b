"""Names of files, which anybody may have written."""

from __future__ import annotations

from shlex import quote

from hubtools.dataset.folder.listing import PUT_PICTURES, Entry, Listing
from hubtools.dataset.folder.names import ACTED_ON
from hubtools.dataset.folder.splits import KEYWORDS
from hubtools.files import StrPath
from hubtools.layout import CARD, METADATA_NAMES

TARS = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")


def is_shard(entry: Entry) -> bool:
    """True for a file that rows with their pictures may be in."""
    name = entry.base.lower()
    if entry.hidden or entry.junk or name in METADATA_NAMES:
        return False
    return name.endswith((".parquet", *TARS))


def is_packable(name: str) -> bool:
    """True for a file that a shard may hold as that of a record: what is hidden the loader passes
    by, and other tools act on such files, and on code and settings."""
    entry = Entry(name, 0, 0)
    acted_on = entry.base in (CARD, *METADATA_NAMES) or entry.ending in ACTED_ON
    return not (entry.hidden or entry.junk or acted_on)


def where_pictures_are(folder: StrPath, listing: Listing) -> tuple[str, str]:
    """Of a folder without loose pictures: what is said of it, in a sentence without its end, and
    what helps."""
    if any(is_shard(entry) for entry in listing.entries):
        unpacks = f"`hubtools unshard {quote(str(folder))} --to DIR` unpacks them"
        hint = f"{unpacks}; validate, card and push take them packed"
        return f"The pictures of {folder} lie in shards", hint
    return f"{folder} holds no pictures", PUT_PICTURES


def top_folder(names: list[str]) -> str:
    """`photos/` if all that matters lies in that one folder, as when a folder was packed whole; a
    folder that is called like a split is none."""
    told = [name for name in names if not Entry(name, 0, 0).junk]
    if not told:
        return ""
    top, slash, _ = told[0].partition("/")
    folder = top + slash
    if not slash or not all(name.startswith(folder) for name in told):
        return ""
    inside = {name[len(folder) :] for name in told}
    own = inside & {CARD, *METADATA_NAMES}
    return folder if own or not _splits(top) else ""


def _splits(name: str) -> bool:
    return name.lower() in {word for words in KEYWORDS.values() for word in words}
