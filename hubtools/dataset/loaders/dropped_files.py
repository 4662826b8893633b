"""Which files a loader leaves out, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS, Entry
from hubtools.dataset.loaders.endings import FOLDER_COLUMN, folder_endings
from hubtools.dataset.loaders.model import Lost, Split
from hubtools.dataset.loaders.source import Source
from hubtools.layout import METADATA_NAMES

_PICTURES = PICTURE_ENDINGS | FOREIGN_ENDINGS | folder_endings("imagefolder")


def losses(
    source: Source,
    module: str,
    splits: Sequence[Split],
    files: Mapping[str, Sequence[str]],
    chosen: Mapping[str, Sequence[str]],
) -> tuple[Lost, ...]:
    """Pictures that are in no row, and metadata that nobody reads.

    `chosen` are the files of the splits, `files` those of them that the module was given.
    """
    rows = {name for split in splits for name in split.names}
    in_split = {name for names in chosen.values() for name in names}
    given = {name for names in files.values() for name in names}
    from_metadata = any(name.rpartition("/")[2] in METADATA_NAMES for name in given)
    found = []
    for entry in source.entries.values():
        if entry.junk:
            continue
        if entry.base in METADATA_NAMES:
            if entry.name not in given and not entry.hidden:
                found.append(Lost(entry.name, _metadata_reason(entry, module, in_split, splits)))
        elif entry.ending in _PICTURES and entry.name not in rows:
            reason = _reason(entry, module, in_split, given, from_metadata, splits)
            found.append(Lost(entry.name, reason))
    return tuple(found)


def _metadata_reason(entry: Entry, module: str, in_split: set[str], splits: Sequence[Split]) -> str:
    if entry.name not in in_split:
        return f"it is in none of the splits {_listed(splits)}"
    return f"the module {module} does not read metadata"


def _reason(
    entry: Entry,
    module: str,
    in_split: set[str],
    given: set[str],
    from_metadata: bool,
    splits: Sequence[Split],
) -> str:
    if entry.hidden:
        return "its name is hidden (a leading dot, or a folder with two underscores)"
    if entry.name not in in_split:
        return f"it is in none of the splits {_listed(splits)}"
    if module not in FOLDER_COLUMN:
        return f"the module {module} was chosen, which reads no pictures"
    if entry.name not in given or entry.ending not in folder_endings(module):
        written = entry.name[-len(entry.ending) :]
        return f"the module {module} does not know the ending {written}"
    if from_metadata:
        return "no record of the metadata names it"
    return "no row was made of it"


def _listed(splits: Sequence[Split]) -> str:
    return ", ".join(split.name for split in splits)
