"""What a source of pictures is to the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import xxhash

from hubtools.dataset.folder.listing import Entry, Listing
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.layout import cache_dir
from hubtools.limits import STREAMED

if TYPE_CHECKING:
    from hubtools.dataset.loaders.shards import ShardTables
    from hubtools.dataset.metadata import MetadataFile

# A picture and what it holds: its bytes, or the path of a file on this machine for whoever looks
# at it to read, or why there are none.
Read = tuple[Entry, "bytes | str | Unreadable"]

# Pictures that do not lie on this machine are held in memory whole, some of them at a time.
MAX_STREAMED = STREAMED
# Metadata files and cards beyond this are not read.
MAX_TEXT = STREAMED


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a source itself, told by the rule of that id (`rules/sources.py`)."""

    rule: str
    message: str
    path: str | None = None


@dataclass(frozen=True)
class Contents:
    """What a source holds.

    `prefix` goes before names where a finding speaks of them (`a.zip!`); `top` is what it was cut
    off from names that `first` gave (`photos/`). `shards` are its shards without their pictures;
    None if it is none of shards. `silent`: beginnings of the ids of rules that mean
    nothing here.
    """

    listing: Listing
    metadata: tuple[MetadataFile, ...]
    pictures: tuple[Entry, ...]
    troubles: tuple[Trouble, ...] = ()
    prefix: str = ""
    top: str = ""
    shards: ShardTables | None = None
    silent: tuple[str, ...] = ()

    def shown(self, path: str | None) -> str | None:
        """A finding's path as the user knows it."""
        if not self.prefix or path is None or any(path == one.path for one in self.troubles):
            return path
        return self.prefix + path


class Source(Protocol):
    """A dataset, wherever it lies."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def memory_place(self) -> Path:
        """The file that keeps what is known of its pictures."""

    def first(self) -> Iterator[Read] | None:
        """All pictures in the order they lie, if `look` cannot tell what is there before they have
        all passed by; None if it can. To be exhausted before `look` is called."""

    def look(self) -> Contents:
        """What is there. Raises `HubtoolsError` if there is no such source."""

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """The pictures `entries`, in the order that suits the source, each once. Raises
        `HubtoolsError` if the source is out of reach; a single bad file is `Unreadable`."""


def memory_of(name: str) -> Path:
    """Where a source that does not lie in a folder of this machine keeps its memory."""
    return cache_dir() / "scans" / f"{xxhash.xxh3_128_hexdigest(name.encode())}.cache"


def identified(name: str, size: int, identity: str) -> Entry:
    """An entry of what has no times of its own: a hash of its `identity` (a commit, an ETag, its
    place in a shard) stands for them. Empty: it may change unseen, and nothing is remembered."""
    # below any time of today, which the memory would take for too young to be sure
    stamp = (
        1
        + (xxhash.xxh3_64_intdigest(f"{identity}\0{name}".encode("utf-8", "surrogateescape")) >> 4)
        if identity
        else 0
    )
    return Entry(name, size, stamp, ctime_ns=stamp)


def identity_of(entry: Entry) -> str:
    """Equal for equal files; empty if nobody can tell."""
    return f"{entry.size}.{entry.mtime_ns}.{entry.ctime_ns}" if entry.ctime_ns else ""
