"""A dataset folder as a card tells of it: its examples, their records and what the columns hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from hubtools.dataset.examples import Example, reading_of
from hubtools.dataset.features import Feature, features_of
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.loaders import TRAIN, Mode, Split
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row
from hubtools.dataset.metadata.roles import Role, RoleColumns, column_of, roles_of
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.rows import captions_in, role_columns
from hubtools.dataset.sources.opening import shards_of
from hubtools.dataset.sources.store import LocalStore
from hubtools.dataset.view import view
from hubtools.errors import HubtoolsError
from hubtools.settings import DatasetSettings


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
    order. `features`: the same as `dataset_info` says it, None where that is not certain.
    `packed`: the pictures lie in shards, with the facts of each by its name."""

    examples: tuple[Example, ...]
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    features: list[Feature] | None
    packed: Mapping[str, PictureFacts] | None = None


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


def read_packed(folder: Path, settings: DatasetSettings) -> Described | None:
    """The same of a folder whose pictures lie in shards, as `validate` reads them; None if they lie
    loose. An example's `image` is no file. Raises `HubtoolsError` if a row of the split train has
    no picture or no caption, or there is none."""
    source = shards_of(LocalStore(folder), walk(folder))
    if source is None:
        return None
    dataset, more = view(source, settings), f"`hubtools validate {quote(str(folder))}` tells more"
    split = dataset.loaders[Mode.AUTO].split(TRAIN)
    loaded = set[str]() if split is None else set(split.files)
    controls: dict[int, list[Path]] = {}
    for one in dataset.partners:
        if one.role is Role.CONTROL and one.name is not None:
            controls.setdefault(id(one.row), []).append(Path(one.name))
    rows: dict[int, Row] = {}
    examples: list[Example] = []
    for row, name in dataset.named:
        if name not in loaded:
            continue
        texts, facts = captions_in(row, settings), dataset.pictures.get(name)
        problem = "it has no caption" if not texts else "it is not there"
        if not texts or facts is None or (problem := facts.problem or ""):
            raise HubtoolsError(f"{name} of {folder}: {problem}.", hint=more)
        made_from = tuple(controls.get(id(row), ()))
        rows[id(row)] = row
        examples.append(Example(Path(name), texts[0], name, row.line, controls=made_from))
    if not examples:
        raise HubtoolsError(f"No row of {folder} loads as split {TRAIN}.", hint=more)
    tables = [(file, [row for row in file.rows if id(row) in rows]) for file in dataset.metadata]
    columns = _columns(tables, settings.caption_column, role_columns(settings))
    if split is not None and not {column.name for column in columns} <= {*split.columns}:
        columns = tuple(_of_members(split, examples[0], next(iter(rows.values()))))
    return Described(tuple(examples), tuple(rows.values()), columns, None, dataset.pictures)


def _of_members(split: Split, example: Example, row: Row) -> Iterator[Column]:
    """The columns of tar files, which are the endings of what is in them."""
    values = {key: value for key, value in row.values.items() if key != FILE_NAME}
    for name in split.columns:
        if name in split.pictures:
            yield Column(name, "picture", example.file_name)
        elif name == "json":
            yield Column(name, "object", values)
        elif not name.startswith("__"):  # what the loader adds: a key and an address
            yield Column(name, "caption" if name == "txt" else "text", values.get(name))


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
