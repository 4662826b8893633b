"""From what a person writes to the source that it means."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from hubtools.dataset.folder.listing import Entry, Listing, walk
from hubtools.dataset.folder.part_file import is_partial
from hubtools.dataset.sources.archives import ArchivedFolder
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.sources.model import Source, identity_of
from hubtools.dataset.sources.remote import StoredFolder, listing_of
from hubtools.dataset.sources.shards import TARS, Shards, is_shard
from hubtools.dataset.sources.stores import (
    FsspecStore,
    HubStore,
    LocalStore,
    Store,
    local_path,
    scheme_of,
)
from hubtools.dataset.sources.tars import TarArchive
from hubtools.dataset.sources.zips import ZipArchive
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath

_KINDS = "a folder, .zip, .tar(.gz), .parquet, hf://datasets/owner/name or another address"


def open_source(where: StrPath | Source) -> Source:
    """The data set at a path or an address. A source is given back as it is.

    Raises `HubtoolsError` if there is nothing of the kind.
    """
    if not isinstance(where, (str, os.PathLike)):
        return where
    # a `Path` has swallowed a slash
    address = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]+):/+(?=[^/])", _both_slashes, str(where))
    path = local_path(address)
    if path is not None:
        return _local(path)
    store: Store
    if scheme_of(address) == "hf":
        found = HubStore.at(address)
        if isinstance(found, Path):
            return _local(found, address)
        store = found
    else:
        store = FsspecStore(address)
    entries = store.entries()
    if store.single:
        return _file(store, entries[0])
    return shards_of(store, listing_of(store, entries)) or StoredFolder(store)


def _both_slashes(match: re.Match[str]) -> str:
    return f"{match[1]}:///" if match[1].lower() in ("file", "local") else f"{match[1]}://"


def _local(path: Path, address: str | None = None) -> Source:
    store = LocalStore(path)
    if path.is_file():
        return _file(store, store.entries()[0])
    if not path.exists():
        raise HubtoolsError(
            f"There is no file or folder {path}.", hint=f"give {_KINDS}", code="file-not-found"
        )
    listing = walk(path)
    if address is not None:  # the Hub client's copy, which is all links
        entries = tuple(replace(entry, link=False) for entry in listing.entries)
        listing = replace(listing, entries=entries)
    return shards_of(store, listing) or LocalFolder(path, listing, address)


def shards_of(store: Store, listing: Listing) -> Shards | None:
    """Shards, if there are no loose pictures beside them."""
    if listing.pictures or listing.metadata:
        return None
    shards = [entry for entry in listing.entries if is_shard(entry)]
    return Shards(store, shards) if shards else None


def _file(store: Store, entry: Entry) -> Source:
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
            hint="hubtools validate merge FILE FILE ...",
            code="wrong-kind",
        )
    raise HubtoolsError(
        f"{store.name} is a file that is no data set.",
        hint=f"give {_KINDS}",
        code="file-not-usable",
    )
