"""A dataset that is one file."""

from __future__ import annotations

from functools import partial

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.folder.part_file import is_partial
from hubtools.dataset.sources.archives import ArchivedFolder
from hubtools.dataset.sources.model import Source, identity_of
from hubtools.dataset.sources.names import TARS
from hubtools.dataset.sources.shards import Shards
from hubtools.dataset.sources.store import KINDS, LocalStore, Store
from hubtools.dataset.sources.tars import TarArchive
from hubtools.dataset.sources.zips import ZipArchive
from hubtools.errors import HubtoolsError


def file_source(store: Store, entry: Entry) -> Source:
    """The archive or the shard that a file is. Raises `HubtoolsError` for any other file."""
    name = entry.name.lower()
    if name.endswith(".parquet"):
        return Shards(store, [entry])
    key = str(store.path.resolve()) if isinstance(store, LocalStore) else store.name
    if name.endswith(".zip"):
        opener = partial(store.open, entry.name)
        return ArchivedFolder(ZipArchive(opener, entry.name, identity_of(entry)), store.name, key)
    if name.endswith(TARS):
        opener = partial(store.open, entry.name)
        tar = TarArchive(opener, entry.name, identity_of(entry), entry.size)
        return ArchivedFolder(tar, store.name, key)

    if isinstance(store, LocalStore) and is_partial(store.path):
        raise HubtoolsError(
            f"{store.name} is a partial result.",
            hint="`hubtools merge-parts FILE FILE ...` makes a report of all parts",
            code="wrong-kind",
        )
    raise HubtoolsError(
        f"{store.name} is a file that is no dataset.",
        hint=f"give {KINDS}",
        code="file-not-usable",
    )
