"""What earlier scans found, so that a second one need not read what has not changed.

One file a dataset, in the user's cache folder: what came with a data folder is not believed. A
picture is taken as known if its name, size, time of change and
time of status change are the same; if only the times differ, its bytes are hashed and compared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xxhash

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.packed import pack, unpack
from hubtools.dataset.pictures.probe import ENGINE
from hubtools.dataset.pictures.table import PictureTable
from hubtools.kept import read_kept, write_kept
from hubtools.layout import cache_dir

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_MAGIC = b"hubtools pictures\n"
_FORM = 1
# Clocks of file systems tick as seldom as every two seconds: a file that changed this shortly
# before it was read may have changed again without a trace.
_TICK_NS = 2_000_000_000


def place_of(root: Path) -> Path:
    """Where the memory of the dataset at `root` lies: in the user's cache folder, by the folder's
    real path. What lies in the folder itself may have come with it, and say that nothing is wrong.
    """
    key = xxhash.xxh3_128_hexdigest(os.fsencode(root.resolve()))
    return cache_dir() / "scans" / f"{key}.cache"


class ScanCache:
    """Facts of earlier scans, by file. Empty if there are none, or none that can be trusted."""

    def __init__(
        self,
        table: PictureTable | None = None,
        times: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.table = table or PictureTable()
        self._times = times  # (mtime_ns, ctime_ns); zeros if the file was too young to be sure
        self._sizes: list[int] = self.table.column("bytes").tolist() if table else []
        self._moved: dict[tuple[int, int], int] | None = None

    def row(self, entry: Entry) -> int | None:
        """Row of the facts of a file that has not changed."""
        row = self.table.rows.get(entry.name)
        if row is None or not entry.ctime_ns or (entry.size and self._sizes[row] != entry.size):
            return None
        return row if self._times[row] == (entry.mtime_ns, entry.ctime_ns) else None

    def digest(self, entry: Entry) -> tuple[int, str] | None:
        """(row, digest) of what the file may still be: under its own name, or one it had."""
        row = self.table.rows.get(entry.name)
        if row is None:
            if self._moved is None:
                keys = zip(self._sizes, (mtime for mtime, _ in self._times), strict=True)
                self._moved = {key: row for row, key in enumerate(keys)}
            row = self._moved.get((entry.size, entry.mtime_ns))
        if row is None or (entry.size and self._sizes[row] != entry.size):
            return None
        digest = self.table.row(row).digest
        return (row, digest) if digest else None

    @classmethod
    def load(cls, place: Path) -> ScanCache:
        """What `save` wrote; an empty memory if that is missing, damaged or of another version."""
        import numpy as np

        try:
            head, parts = unpack(_MAGIC, read_kept(place) or b"")
            if head["form"] != [_FORM, ENGINE, sys.byteorder]:
                return cls()
            names = os.fsdecode(parts.pop("names")).split("\0")[: head["count"]]
            texts = head["texts"]
            if texts[:1] != [None] or not all(isinstance(text, str) for text in texts[1:]):
                return cls()
            mtimes, ctimes = (
                np.frombuffer(parts.pop(key), dtype=np.int64).tolist() for key in ("mtime", "ctime")
            )
            table = PictureTable.load(names, texts, parts)
            return cls(table, list(zip(mtimes, ctimes, strict=True)))
        except (ValueError, KeyError, TypeError, IndexError):
            return cls()

    @staticmethod
    def save(place: Path, table: PictureTable, entries: Iterable[Entry], begun_ns: int) -> None:
        """Keep the facts of `entries`, which are all in `table`; the scan began at `begun_ns`.
        A disk that takes no more is no reason to fail; it is told."""
        import numpy as np

        times = np.array(
            [(entry.mtime_ns, entry.ctime_ns) for entry in entries], dtype=np.int64
        ).reshape(-1, 2)
        times[times.max(axis=1, initial=0) > begun_ns - _TICK_NS] = 0
        # What could not be read this time, or crashed a worker, is tried again.
        times[(table.column("digest_high") == 0) & (table.column("digest_low") == 0)] = 0
        parts = {
            "names": os.fsencode("\0".join(table.names)),
            "mtime": times[:, 0].tobytes(),
            "ctime": times[:, 1].tobytes(),
            **table.dump(),
        }
        head = {
            "form": [_FORM, ENGINE, sys.byteorder],
            "count": len(table),
            "texts": table.texts,
        }
        write_kept(place, pack(_MAGIC, head, parts))


def merged(
    entries: Sequence[Entry], known: Mapping[int, int], memory: ScanCache, fresh: PictureTable
) -> PictureTable:
    """One table in the order of `entries`: from `memory` where `known` {entry: row} says so, from
    `fresh` by name for the rest. Entries of which neither knows are left out."""
    import numpy as np

    old_rows: npt.NDArray[np.int64] = np.array(list(known.values()), dtype=np.int64)
    result = memory.table.taken(old_rows)
    result.names = [entries[number].name for number in known]
    if len(fresh):
        result = PictureTable.joined([result, fresh])
    places = {name: row for row, name in enumerate(result.names)}
    rows = [places[entry.name] for entry in entries if entry.name in places]
    if rows == list(range(len(result))):
        return result
    return result.taken(np.array(rows, dtype=np.int64))
