"""Open a shard of either kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hubtools.dataset.shards.parquet import ParquetReader
from hubtools.dataset.shards.stored import Reader
from hubtools.dataset.shards.tar import TarReader
from hubtools.files import open_regular


def open_shard(path: Path, opener: Callable[[], BinaryIO] | None = None) -> Reader:
    """A reader for a shard, by its ending. `opener` opens it, default by its path. Raises
    `HubtoolsError` if it is damaged, `OSError` if it cannot be opened."""
    opener = opener or partial(open_regular, path)
    if path.suffix == ".parquet":
        return ParquetReader(path, opener)
    return TarReader(path, opener)
