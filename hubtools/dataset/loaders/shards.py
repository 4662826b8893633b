"""What the loaders make of shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubtools.dataset.folder.splits import infer_splits
from hubtools.dataset.loaders.card import declared
from hubtools.dataset.loaders.model import Loaded, LoadError, Mode, Outcome, Split
from hubtools.dataset.loaders.patterns import Names, resolve
from hubtools.dataset.metadata import FILE_NAME, MetadataFile
from hubtools.dataset.shards.rows import column_of

_FOLDERS = "reads folders of loose pictures, not shards"


def loaded_shards(
    kind: str, files: Mapping[str, MetadataFile], card: str | None
) -> tuple[Loaded, ...]:
    """What the loaders make of shards: by their path they are read, and nothing else reads them."""
    others = [
        Loaded(mode, None, Outcome.RAISES, _FOLDERS) for mode in Mode if mode is not Mode.AUTO
    ]
    try:
        splits = splits_of_shards(tuple(files), card)
    except LoadError as error:
        sure = Outcome.RAISES if error.sure else Outcome.MAY_RAISE
        return (Loaded(Mode.AUTO, kind, sure, error.reason, rule=error.rule), *others)
    found = tuple(
        _split(name, [files[file] for file in inside if file in files])
        for name, inside in splits.items()
    )
    return (Loaded(Mode.AUTO, kind, Outcome.LOADS, None, found), *others)


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


def _split(name: str, files: Sequence[MetadataFile]) -> Split:
    columns: dict[str, None] = {}
    pictures: dict[str, None] = {}
    for file in files:
        for key in file.columns:
            picture = key.endswith(FILE_NAME)
            column = column_of(key) if picture else key
            columns[column] = None
            if picture:
                pictures[column] = None
    rows = [row for file in files for row in file.rows]
    return Split(
        name,
        len(rows),
        tuple(columns),
        tuple(pictures),
        tuple(row.source if row.file_name else None for row in rows),
    )
