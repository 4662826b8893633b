"""From what a person writes to the source that it means. Of the sources, only that of a folder of
this machine is loaded here; the others bring archives, shards and the Hub's client along."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.byname import named
from hubtools.dataset.folder.listing import Entry, Listing, walk
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.sources.model import Source
from hubtools.dataset.sources.names import is_shard
from hubtools.dataset.sources.remote import StoredFolder, listing_of
from hubtools.dataset.sources.store import KINDS, LocalStore, Store, local_path
from hubtools.errors import HubtoolsError
from hubtools.files import StrPath

if TYPE_CHECKING:
    from hubtools.dataset.sources.shards import Shards


def open_source(where: StrPath | Source) -> Source:
    """The dataset at a path or an address. A source is given back as it is.

    Raises `HubtoolsError` if there is nothing of the kind.
    """
    if not isinstance(where, (str, os.PathLike)):
        return where
    # a `Path` has swallowed a slash
    address = re.sub(r"^([A-Za-z][A-Za-z0-9+.-]+):/+(?=[^/])", _both_slashes, str(where))
    path = local_path(address)
    if path is not None:
        return _local(path)
    store: Store | Path = named("hubtools.dataset.sources.stores:store_at")(address)
    if isinstance(store, Path):
        return _local(store, address)
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
            f"There is no file or folder {path}.",
            hint=f"give {KINDS}",
            code="file-not-found",
            missing=path,
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
    found = [entry for entry in listing.entries if is_shard(entry)]
    if not found:
        return None
    shards: Shards = named("hubtools.dataset.sources.shards:Shards")(store, found)
    return shards


def _file(store: Store, entry: Entry) -> Source:
    source: Source = named("hubtools.dataset.sources.single:file_source")(store, entry)
    return source
