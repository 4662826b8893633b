"""Which shards make which split, and what is known of the shards of a dataset."""

from __future__ import annotations

from collections.abc import Mapping

from hubtools.dataset.folder.splits import infer_splits
from hubtools.dataset.loaders.card import declared
from hubtools.dataset.loaders.parquet_files import ParquetTable
from hubtools.dataset.loaders.patterns import Names, resolve
from hubtools.dataset.loaders.tar_files import TarTable

Shard = ParquetTable | TarTable
ShardTables = Mapping[str, Shard]


def splits_of_shards(names: tuple[str, ...], card: str | None) -> dict[str, tuple[str, ...]]:
    """Split -> shards, by the text of the card or by their names. Raises `LoadError`."""
    config = declared(card).default if card else None
    if config is None or config.patterns is None:
        return dict(infer_splits(names).files)
    known = Names(names)
    return {
        split: tuple(name for pattern in patterns for name in resolve(pattern, known))
        for split, patterns in config.patterns.items()
    }
