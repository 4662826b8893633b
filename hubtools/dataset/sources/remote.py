"""A folder that lies elsewhere: its pictures are fetched a few at a time, and held in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from hubtools.dataset.folder.listing import Entry, Listing
from hubtools.dataset.metadata import read_all_metadata
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.sources.local import pictures_of
from hubtools.dataset.sources.model import Contents, Read, memory_of
from hubtools.dataset.sources.store import Store

# Requests under way, and bytes that wait to be looked at.
_AT_ONCE = 8
_AHEAD = 24
_HELD = 32 << 20


class StoredFolder:
    """The source of all files of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def name(self) -> str:
        """The address."""
        return self._store.name

    @property
    def memory_place(self) -> Path:
        """In the user's cache."""
        return memory_of(self._store.name.partition("@")[0])

    def first(self) -> Iterator[Read] | None:
        """Stores can be listed."""
        return None

    def look(self) -> Contents:
        """By a listing; metadata is read."""
        listing = listing_of(self._store, self._store.entries())
        metadata = read_all_metadata(listing)
        return Contents(listing, metadata, pictures_of(listing, metadata))

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """In the order asked for, several requests at a time."""
        waiting: deque[tuple[Entry, Future[bytes | str]]] = deque()
        held = 0
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hubtools-fetch")
        try:
            for entry in entries:
                waiting.append((entry, pool.submit(self._store.read, entry)))
                held += entry.size
                while len(waiting) >= _AHEAD or held > _HELD:
                    held -= waiting[0][0].size
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _result(entry: Entry, future: Future[bytes | str]) -> Read:
    try:
        return entry, future.result()
    except Unreadable as error:
        return entry, error


def listing_of(store: Store, entries: Sequence[Entry]) -> Listing:
    """A listing whose files are opened in the store."""
    base = PurePosixPath(store.name.partition("://")[2].partition("@")[0] or store.name).name
    return Listing(Path(base or "dataset"), tuple(entries), opener=store.open)
