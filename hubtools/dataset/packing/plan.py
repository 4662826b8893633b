"""The first pass: which rows go into which shard, what columns there are, is it worth it."""

from __future__ import annotations

import hashlib
import json
import stat
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import numpy as np

from hubtools.causes import cannot_be
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.packing.splits import Splitter
from hubtools.dataset.shards.rows import Contents, Sample, hash_of, look, read_samples
from hubtools.dataset.shards.types import Columns
from hubtools.dataset.sources.names import is_packable, where_pictures_are
from hubtools.errors import HubtoolsError, UsageError
from hubtools.frontmatter import read_card
from hubtools.layout import CARD

Format = Literal["parquet", "webdataset"]
ENDING: dict[Format, str] = {"parquet": "parquet", "webdataset": "tar"}
# What `datasets` writes, and what readers of WebDataset are used to.
MAX_SHARD_SIZE: dict[Format, int] = {"parquet": 500_000_000, "webdataset": 1_000_000_000}
# Grows when a shard of the same rows would be other bytes.
_VERSION = 1
_KEYS = ("configs", "dataset_info")  # of the card; they speak of files that will not be there


@dataclass(frozen=True)
class ShardPlan:
    """One shard. `first` is the number of its first row within its split, `pictures` the bytes of
    its pictures, `sources` how many rows come from which metadata file, in order."""

    name: str
    split: str
    first: int
    rows: int
    pictures: int
    sources: tuple[tuple[str | None, int], ...]


@dataclass(frozen=True)
class PackingPlan:
    """What `shard` will write. `columns` and `files` are those of `types.Columns`; `digest` is
    another one if a row, a picture's size or date, or a setting is another one."""

    root: Path
    format: Format
    shards: tuple[ShardPlan, ...]
    contents: Contents
    columns: dict[str, Any]
    files: dict[str, str]
    absent: list[str]
    ending: str
    unnamed: int
    left: tuple[str, ...]  # files that are in no shard: the first few by name
    left_count: int
    digest: str
    card: dict[str, Any]
    splits: Splitter

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        return sum(shard.rows for shard in self.shards)

    @property
    def pictures(self) -> int:
        """Bytes of all pictures."""
        return sum(shard.pictures for shard in self.shards)

    def samples(self, split: str) -> Iterator[Sample]:
        """The rows of a split, in order."""
        for sample in read_samples(self.root, self.contents.metadata):
            if self.splits.of(sample.name) == split:
                yield sample

    def description(self, shard: ShardPlan) -> dict[str, Any]:
        """What a shard says of itself, so that `unshard` needs nothing else."""
        return {
            "hubtools": 1,
            "split": shard.split,
            "first": shard.first,
            "sources": [list(source) for source in shard.sources],
            "files": self.files,
            "absent": self.absent,
            "card": self.card,
        }


def plan_shards(
    root: Path,
    format: Format,
    max_shard_size: int | None = None,
    on_row: Callable[[int], None] | None = None,
) -> PackingPlan:
    """Read all rows and the sizes of all pictures. `max_shard_size` in bytes of pictures.

    Raises `HubtoolsError` for a row that cannot be sharded, `UsageError` if there is nothing.
    """
    limit = max_shard_size or MAX_SHARD_SIZE[format]
    contents = look(root)
    card = read_card(root / CARD)
    if card.error is not None:
        raise HubtoolsError(f"{root / CARD}:{card.line}: {card.error}.", code="file-damaged")
    splits = Splitter(root, card.data)
    columns = Columns(typed=format == "parquet")
    digest = hashlib.sha256(repr((_VERSION, format, limit, card.data)).encode())
    piles: dict[str, _Pile] = {}
    endings: set[str] = set()
    named = array("Q")
    for number, sample in enumerate(read_samples(root, contents.metadata), start=1):
        columns.add(sample)
        size = 0
        for key, name in sample.files.items():
            stat = _stat(root, name, sample)
            size += stat[0]
            named.append(hash_of(name))
            digest.update(repr((key, name, stat)).encode("utf-8", "surrogateescape"))
        endings.add(sample.name.rpartition(".")[2].lower())
        digest.update(_dumps(sample.values).encode("utf-8", "surrogatepass"))
        piles.setdefault(splits.of(sample.name), _Pile(limit)).add(sample.source, size)
        if on_row is not None:
            on_row(number)
    if not piles:
        said, hint = where_pictures_are(root, walk(root))
        raise UsageError(f"{said}.", hint=hint)
    unnamed = len(np.setdiff1d(contents.pictures, named)) if contents.metadata else 0
    left = set(np.setdiff1d(contents.others_hashes, named).tolist())
    return PackingPlan(
        root,
        format,
        tuple(shard for split, pile in piles.items() for shard in pile.shards(split, format)),
        contents,
        columns.schema() if format == "parquet" else {},
        columns.files,
        columns.absent,
        _ending(endings),
        unnamed,
        tuple(name for name in contents.others if hash_of(name) in left),
        len(left),
        digest.hexdigest(),
        {key: card.data[key] for key in _KEYS if key in card.data},
        splits,
    )


def _dumps(values: dict[str, Any]) -> str:
    return json.dumps(values, default=str, ensure_ascii=False)


def _stat(root: Path, name: str, sample: Sample) -> tuple[int, int]:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise HubtoolsError(
            f"{root / sample.place}: the name {name!a} is not UTF-8.",
            hint=f"`hubtools fix {quote(str(root))}` renames the file",
            code="file-damaged",
        ) from None
    try:
        found = (root / name).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # with a NUL
        raise HubtoolsError(
            f"{root / sample.place}: there is no picture {name}.",
            hint="correct the name or add the picture",
            code="file-damaged",
        ) from None
    except OSError as error:
        raise cannot_be("looked at", f"{root / sample.place}: {name}", error) from None
    if not is_packable(name):
        raise HubtoolsError(
            f"{root / sample.place}: {name} is no name of a picture.",
            hint="give the file another name: one that is not hidden, nor what tools act on",
            code="file-not-usable",
        )
    if not stat.S_ISREG(found.st_mode):
        raise HubtoolsError(
            f"{root / sample.place}: {name} is no regular file.", code="file-damaged"
        )
    return found.st_size, found.st_mtime_ns


class _Pile:
    """The rows of a split, cut into shards."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._done: list[tuple[int, int, list[tuple[str | None, int]]]] = []
        self._rows = self._bytes = 0
        self._sources: list[tuple[str | None, int]] = []

    def add(self, source: str | None, size: int) -> None:
        if self._rows and self._bytes + size > self._limit:
            self._cut()
        self._rows += 1
        self._bytes += size
        if self._sources and self._sources[-1][0] == source:
            self._sources[-1] = (source, self._sources[-1][1] + 1)
        else:
            self._sources.append((source, 1))

    def _cut(self) -> None:
        self._done.append((self._rows, self._bytes, self._sources))
        self._rows, self._bytes, self._sources = 0, 0, []

    def shards(self, split: str, format: Format) -> Iterator[ShardPlan]:
        if self._rows:
            self._cut()
        first = 0
        for number, (rows, size, sources) in enumerate(self._done):
            name = f"data/{split}-{number:05d}-of-{len(self._done):05d}.{ENDING[format]}"
            yield ShardPlan(name, split, first, rows, size, tuple(sources))
            first += rows


def _ending(endings: set[str]) -> str:
    """What pictures are called in a tar file. `datasets` wants every sample to have the same
    members, and decodes by content: so one ending for all."""
    plain = {"jpeg": "jpg", "jpe": "jpg", "jfif": "jpg"}
    found = {plain.get(ending, ending) for ending in endings}
    known = {"jpg", "png", "webp", "gif", "bmp", "tiff"}
    return next(iter(found)) if len(found) == 1 and found <= known else "jpg"
