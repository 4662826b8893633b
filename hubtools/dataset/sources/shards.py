"""Parquet or WebDataset shards, one or many, with or without a card beside them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.loaders.shards import Shard
from hubtools.dataset.metadata import MetadataFile
from hubtools.dataset.sources.model import Contents, Read, Trouble, identity_of, memory_of
from hubtools.dataset.sources.parquets import ParquetShard
from hubtools.dataset.sources.remote import listing_of
from hubtools.dataset.sources.store import LocalStore, Store
from hubtools.dataset.sources.tars import TarArchive
from hubtools.dataset.sources.webdataset import SILENT_FOR_SHARDS, samples_of


class Shards:
    """The source of all rows in the shards of a store."""

    def __init__(self, store: Store, shards: Sequence[Entry]) -> None:
        self._store = store
        self._shards: dict[str, ParquetShard | TarArchive] = {}
        self._files = {entry.name: entry for entry in shards}
        parquet = {e.name for e in shards if e.base.lower().endswith(".parquet")}
        # a repository of one kind may hold a few files of the other, e.g. an index
        self.kind = "parquet" if 2 * len(parquet) >= len(shards) else "webdataset"
        for entry in shards:
            if (entry.name in parquet) is not (self.kind == "parquet"):
                continue
            opener = partial(_open, store, entry.name)
            if self.kind == "parquet":
                self._shards[entry.name] = ParquetShard(opener, entry)
            else:
                self._shards[entry.name] = TarArchive(
                    partial(store.open, entry.name),
                    f"{store.name}/{entry.name}",
                    identity_of(entry),
                    entry.size,
                )

    @property
    def name(self) -> str:
        """The store's."""
        return self._store.name

    @property
    def memory_place(self) -> Path:
        """In the user's cache."""
        path = self._store.path.resolve() if isinstance(self._store, LocalStore) else None
        return memory_of(str(path or self._store.name.partition("@")[0]))

    def first(self) -> Iterator[Read] | None:
        """Tar files that nothing is known of have to be read."""
        passes = [(name, shard.first()) for name, shard in self._shards.items()]
        new = [(name, stream) for name, stream in passes if stream is not None]
        if not new:
            return None
        return (
            (replace(entry, name=f"{name}!{entry.name}"), what)
            for name, stream in new
            for entry, what in stream
        )

    def look(self) -> Contents:
        """Rows of all shards; of parquet files, all but the pictures are read."""
        entries = self._store.entries()
        listing = replace(listing_of(self._store, entries), opener=self._opened)
        metadata: dict[str, MetadataFile] = {}
        pictures: list[Entry] = []
        troubles: list[Trouble] = []
        for name, shard in self._shards.items():
            if isinstance(shard, ParquetShard):
                if not shard.pictures and not shard.troubles:
                    metadata[name] = shard.read_rows()
                pictures += shard.pictures
                troubles += shard.troubles
            else:
                prefix = f"{name}!"
                metadata[name] = samples_of(shard, self._files[name], prefix)
                pictures += [
                    replace(entry, name=prefix + entry.name)
                    for entry in shard.entries()
                    if entry.is_picture and not entry.link
                ]
                cut = f"{self._store.name}/"
                troubles += [
                    replace(one, path=(one.path or "").removeprefix(cut)) for one in shard.troubles
                ]
        return Contents(
            listing,
            tuple(metadata.values()),
            tuple(pictures),
            tuple(troubles),
            shards={name: self._table(name) for name in self._shards},
            silent=SILENT_FOR_SHARDS,
        )

    def _table(self, name: str) -> Shard:
        shard = self._shards[name]
        return shard.table if isinstance(shard, ParquetShard) else shard.table(name, f"{name}!")

    def _opened(self, name: str) -> BinaryIO:
        """A file beside the shards, or a picture in one of them."""
        if _shard_of(name, self._mark, self._shards) in self._shards:
            for _, what in self.stream([Entry(name, 0, 0)]):
                if isinstance(what, bytes):
                    return io.BytesIO(what)
                raise OSError(5, str(what), name)
        return self._store.open(name)

    @property
    def _mark(self) -> str:
        """What stands between a shard's name and that of the picture in it."""
        return " row " if self.kind == "parquet" else "!"

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """Shard by shard."""
        inside: dict[str, list[Entry]] = {}
        for entry in entries:
            inside.setdefault(_shard_of(entry.name, self._mark, self._shards), []).append(entry)
        for name, wanted in inside.items():
            shard = self._shards[name]
            if isinstance(shard, ParquetShard):
                yield from shard.stream(wanted)
                continue
            by_name = {entry.name: entry for entry in wanted}
            cut = len(name) + 1
            asked = [replace(entry, name=entry.name[cut:]) for entry in wanted]
            for entry, what in shard.stream(asked):
                yield by_name[f"{name}!{entry.name}"], what


def _open(store: Store, name: str) -> BinaryIO | Path:
    """A local file by its path: Arrow then reads it itself. Raises `OSError` for no file."""
    opened = store.open(name)
    if isinstance(store, LocalStore):
        opened.close()
        return store.path if store.single else store.path / name
    return opened


def _shard_of(picture: str, mark: str, shards: Mapping[str, object]) -> str:
    place = picture.find(mark)
    while place >= 0 and picture[:place] not in shards:
        place = picture.find(mark, place + 1)
    return picture[:place]
