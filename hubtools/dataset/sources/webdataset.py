"""WebDataset tars: which tar files are one, and the samples in them."""

from __future__ import annotations

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row
from hubtools.dataset.metadata.roles import names_file
from hubtools.dataset.sources.tars import TarArchive
from hubtools.layout import METADATA_NAMES

# Rules that speak of files in a folder and of how loaders find them, and of names that are not
# the pictures' own.
SILENT_FOR_SHARDS = ("D1", "D2", "D303")


def is_webdataset(archive: TarArchive) -> bool:
    """True if its texts lie beside its pictures, and there is no metadata as a folder has it."""
    index = archive.index
    has_metadata = any(name.rpartition("/")[2] in METADATA_NAMES for name in index.files)
    return index.sidecars > 0 and not has_metadata


def samples_of(archive: TarArchive, entry: Entry, prefix: str = "") -> MetadataFile:
    """The rows of a WebDataset shard."""
    found = MetadataFile(entry)
    columns: dict[str, None] = {FILE_NAME: None}
    shard = prefix.rpartition("/")[2]
    for name, values in archive.index.rows:
        if shard and "/" not in name:  # names are relative to where the row lies
            values = {
                key: f"{shard}{value}" if names_file(key) and value else value
                for key, value in values.items()
            }
        found.rows.append(Row(prefix + name, None, values))
        columns.update(dict.fromkeys(values))
    found.columns = list(columns)
    return found
