"""A dataset in one archive: a zip or tar file of a folder, or a WebDataset tar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Protocol

from hubtools.dataset.folder.listing import Entry, Listing
from hubtools.dataset.metadata import read_all_metadata
from hubtools.dataset.sources.local import pictures_of
from hubtools.dataset.sources.model import Contents, Read, Trouble, memory_of
from hubtools.dataset.sources.names import top_folder
from hubtools.dataset.sources.tars import TarArchive
from hubtools.dataset.sources.webdataset import SILENT_FOR_SHARDS, is_webdataset, samples_of


class Archive(Protocol):
    """What zip and tar files have in common."""

    name: str

    @property
    def troubles(self) -> list[Trouble]:
        """What is wrong with it, once it was listed."""

    def first(self) -> Iterator[Read] | None:
        """See `Source.first`."""

    def entries(self) -> list[Entry]:
        """What is in it."""

    def open(self, name: str) -> BinaryIO:
        """A member."""

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """See `Source.stream`."""


class ArchivedFolder:
    """The source in one archive."""

    def __init__(self, archive: Archive, name: str, key: str) -> None:
        """`key` stands for the file where the caches are; `name` is what a report calls it."""
        self._archive = archive
        self._key = key
        self._top = ""  # the folder that holds all, with its /
        self.name = name

    @property
    def memory_place(self) -> Path:
        """In the user's cache."""
        return memory_of(self._key)

    def first(self) -> Iterator[Read] | None:
        """A tar file has to be read to know what is in it."""
        return self._archive.first()

    def look(self) -> Contents:
        """As if it were unpacked."""
        archive = self._archive
        entries = archive.entries()
        if isinstance(archive, TarArchive) and is_webdataset(archive):
            return self._samples(archive, entries)
        self._top = top_folder([entry.name for entry in entries])
        cut = len(self._top)
        inside = [
            replace(entry, name=entry.name[cut:])
            for entry in entries
            if entry.name.startswith(self._top)
        ]
        label = Path(self._top.rstrip("/") or archive.name.partition(".")[0] or "dataset")
        listing = Listing(label, tuple(sorted(inside, key=lambda e: e.name)), opener=self._open)
        metadata = read_all_metadata(listing)
        return Contents(
            listing,
            metadata,
            pictures_of(listing, metadata),
            tuple(archive.troubles),
            prefix=f"{archive.name}!{self._top}",
            top=self._top,
        )

    def _samples(self, archive: TarArchive, entries: list[Entry]) -> Contents:
        # one file, however many lie in it
        listing = Listing(Path(archive.name), (Entry(archive.name, 0, 0),), opener=self._open)
        file = samples_of(archive, Entry(archive.name, 0, 0))
        pictures = tuple(entry for entry in entries if entry.is_picture and not entry.link)
        return Contents(
            listing,
            (file,),
            pictures,
            tuple(archive.troubles),
            prefix=f"{archive.name}!",
            shards={archive.name: archive.table(archive.name, "")},
            silent=SILENT_FOR_SHARDS,
        )

    def _open(self, name: str) -> BinaryIO:
        return self._archive.open(self._top + name)

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """As the archive has them."""
        cut = len(self._top)
        by_name = {entry.name: entry for entry in entries}
        asked = [replace(entry, name=self._top + entry.name) for entry in entries]
        for entry, what in self._archive.stream(asked):
            yield by_name[entry.name[cut:]], what
