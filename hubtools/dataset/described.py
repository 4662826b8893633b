"""A dataset folder as a card tells of it: its examples, their records and what the columns hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.dataset.examples import Example, reading_of
from hubtools.dataset.features import Feature, features_of
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row
from hubtools.dataset.metadata.roles import Role, RoleColumns, column_of, roles_of


@dataclass(frozen=True)
class Column:
    """A column as `load_dataset` names it: what it holds, and its first value (of a picture, what
    the metadata names)."""

    name: str
    holds: str  # picture, control picture, mask, caption, text, number, true or false, list, object
    first: Any


@dataclass(frozen=True)
class Described:
    """The examples of a folder with the records they are from, and what its columns hold, in their
    order. `features`: the same as `dataset_info` says it, None where that is not certain."""

    examples: tuple[Example, ...]
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    features: list[Feature] | None


def read_described(
    folder: Path, caption_column: str, *, card: str | None = None, roles: RoleColumns
) -> Described:
    """`read_examples`, and all that a card tells of the columns."""
    reading = reading_of(folder, caption_column, card, roles)
    tables = reading.tables()
    return Described(
        tuple(reading.examples()),
        tuple(row for _, rows in tables for row in rows),
        _columns(tables, caption_column, roles),
        features_of(tables, roles),
    )


_PARTS = {Role.CONTROL: "control picture", Role.MASK: "mask"}


def _columns(
    tables: Iterable[tuple[MetadataFile, Sequence[Row]]], caption_column: str, told: RoleColumns
) -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for file, rows in tables:
        roles = roles_of(file.columns, told)
        parts = {roles.image or FILE_NAME: "picture"}
        parts |= {key: _PARTS[role] for key, role in roles.others}
        for key in file.columns:
            name = column_of(key) if key in parts else key
            values = (row.values.get(key) for row in rows)
            first = next((value for value in values if value not in (None, "")), None)
            kind = parts.get(key) or ("caption" if key == caption_column else _kind(first))
            found.setdefault(name, Column(name, kind, first))
    return tuple(found.values())


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list | tuple):
        return "list"
    return "object" if isinstance(value, Mapping) else "text"
