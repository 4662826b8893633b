"""A folder of this machine: the pictures are read by whoever looks at them, or hashed here as they
pass by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from hubtools.dataset.folder.listing import Entry, Listing, walk
from hubtools.dataset.metadata import MetadataFile, read_all_metadata
from hubtools.dataset.pictures.reading import Unreadable, read_picture
from hubtools.dataset.pictures.scan_cache import place_of
from hubtools.dataset.sources.model import Contents, Read, memory_of


class LocalFolder:
    """The source at `root`. `address`: what it is a copy of, if it is somebody else's."""

    def __init__(
        self, root: Path, listing: Listing | None = None, address: str | None = None
    ) -> None:
        self.root = root
        self._listing = listing
        self._address = address

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self._address or self.root.name or self.root.resolve().name or str(self.root)

    @cached_property
    def memory_place(self) -> Path:
        """Below the folder, if it can be written to and is no copy."""
        return memory_of(self._address) if self._address else place_of(self.root)

    def first(self) -> Iterator[Read] | None:
        """A folder can be listed."""
        return None

    def look(self) -> Contents:
        """One walk, and the metadata."""
        listing = self._listing or walk(self.root)
        metadata = read_all_metadata(listing)
        return Contents(listing, metadata, pictures_of(listing, metadata))

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """Paths."""
        # Path's own joining takes longer than reading a small file
        root = f"{self.root}/"
        moved = self._listing.moved if self._listing is not None else {}
        for entry in entries:
            place = moved.get(entry.name)
            yield entry, root + entry.name if place is None else str(place)


class HashedFolder(LocalFolder):
    """The source at `root`, for whoever needs the SHA-256 of its pictures as well and does not want
    to read them twice. `digests`: of those that were read so far, by name."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.digests: dict[str, str] = {}

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """Bytes."""
        for entry, path in super().stream(entries):
            try:
                assert isinstance(path, str)
                data = read_picture(path)
            except Unreadable as error:
                yield entry, error
                continue
            self.digests[entry.name] = hashlib.sha256(data).hexdigest()
            yield entry, data


def pictures_of(listing: Listing, metadata: Iterable[MetadataFile]) -> tuple[Entry, ...]:
    """What ends like a picture, and what a row names."""
    wanted = {entry.name: entry for entry in listing.pictures}
    by_name = {entry.name: entry for entry in listing.entries}
    for file in metadata:
        for name in file.mentioned:
            if name in by_name:
                wanted.setdefault(name, by_name[name])
    return tuple(wanted.values())
