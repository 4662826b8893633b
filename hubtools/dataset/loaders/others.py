"""Modules that make no pictures of the files: text, JSON, CSV, parquet, Harbor tasks.

They matter because files beside the pictures can outvote them. What these modules do with odd
files goes further than this; what is not followed to the end is said to be unsure.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from hubtools.dataset.loaders import parquet_files, tar_files
from hubtools.dataset.loaders.kinds import TEXTS
from hubtools.dataset.loaders.model import LoadError, Split
from hubtools.dataset.loaders.parquet_files import ParquetTable
from hubtools.dataset.loaders.source import Source
from hubtools.dataset.loaders.tables import Table, read_table
from hubtools.dataset.loaders.tar_files import TarTable
from hubtools.dataset.metadata import Kind, MetadataFile, parse_metadata
from hubtools.tomltext import toml_value

Files = Mapping[str, Sequence[str]]


def build(source: Source, module: str, files: Files) -> list[Split]:
    """The splits a module gives. Raises `LoadError`."""
    if module == "text":
        return _text(source, files)
    if module == "harbor":
        return _harbor(source, files)
    if module in ("json", "csv"):
        return _tables(source, files, module)
    if module == "eval":
        for name in (name for names in files.values() for name in names):
            with source.listing.open(name) as file:
                whole = zipfile.is_zipfile(file)
            if not whole:
                raise LoadError(f"{name} is taken for an Inspect log, and is no zip archive")
    raise LoadError(f"the files are read by the module {module}, not as pictures", sure=False)


def build_shards(source: Source, module: str, files: Files, promised: Any) -> list[Split]:
    """The splits of parquet or WebDataset shards; `promised`: `features:` of the card. Raises
    `LoadError`."""
    for name in (name for names in files.values() for name in names):
        if name.endswith(".zip"):
            raise LoadError(f"{name} is taken for a shard, and is none", rule="D811")
    if module == "webdataset":
        tars = {
            split: [cast("TarTable", source.shard(name, TarTable)) for name in names]
            for split, names in files.items()
        }
        return tar_files.build(tars, source.troubled)
    tables = {
        split: [cast("ParquetTable", source.shard(name, ParquetTable)) for name in names]
        for split, names in files.items()
    }
    features = parquet_files.promised_features(promised)
    return parquet_files.build(tables, features, source.troubled)


def _text(source: Source, files: Files) -> list[Split]:
    splits = []
    for split, names in files.items():
        rows = 0
        for name in names:
            if name.endswith(".zip"):
                raise LoadError(f"{name}: texts in archives are not followed", sure=False)
            try:
                with io.TextIOWrapper(io.BytesIO(source.read(name)), "utf-8") as lines:
                    rows += sum(1 for _ in lines)
            except UnicodeDecodeError:
                raise LoadError(f"{name} is not UTF-8") from None
        _not_empty(split, rows)
        splits.append(Split(split, rows, ("text",)))
    return splits


def _not_empty(split: str, rows: int) -> None:
    if not rows:
        raise LoadError(f"the split {split} has no rows")


_HARBOR_COLUMNS = (
    "name", "instruction", "description", "keywords", "schema_version", "config", "metadata",
    "files", "location",
)  # fmt: skip


def _harbor(source: Source, files: Files) -> list[Split]:
    splits = []
    for split, names in files.items():
        tasks = [name for name in names if name.rpartition("/")[2] == "task.toml"]
        if not tasks:
            raise LoadError(
                "files called task.toml, instruction.md or *.md make it look for Harbor tasks,"
                " and there is no task.toml"
            )
        for name in tasks:
            instruction = f"{name.removesuffix('task.toml')}instruction.md"
            if instruction not in source.entries:
                raise LoadError(f"{name} is taken for a Harbor task, and {instruction} is missing")
            try:
                toml_value(source.read(name).decode())
            except OSError as error:
                raise LoadError(f"{name} cannot be read: {error.strerror or error}") from None
            except ValueError:
                raise LoadError(f"{name} is taken for a Harbor task, and is no TOML") from None
        splits.append(Split(split, len(tasks), _HARBOR_COLUMNS))
    return splits


def _tables(source: Source, files: Files, module: str) -> list[Split]:
    """The first file decides the columns, and one with others fails; JSON alone fills in columns
    that a file lacks."""
    splits: list[Split] = []
    first: dict[str, object] | None = None
    for split, names in files.items():
        rows = 0
        for name in names:
            table = _read(source, name, module)
            for kinds, values in table.chunks:
                if first is None:
                    first = dict(kinds)
                _must_match(name, first, kinds, fills_in=module == "json")
                rows += len(values)
        _not_empty(split, rows)
        splits.append(Split(split, rows, tuple(first or {})))
    return splits


def _must_match(
    name: str, first: Mapping[str, object], kinds: Mapping[str, object], *, fills_in: bool
) -> None:
    extra = kinds.keys() - first.keys()
    missing = first.keys() - kinds.keys()
    if extra or (missing and not fills_in):
        raise LoadError(f"{name}: columns differ from those of the first file")
    odd = [k for k in kinds if kinds[k] != first[k] and "null" not in (kinds[k], first[k])]
    if any(not (first[key] in TEXTS and isinstance(kinds[key], str)) for key in odd):
        raise LoadError(f"{name}: {odd[0]} has another type than in the first file", sure=False)


def _read(source: Source, name: str, module: str) -> Table:
    """Whatever its ending: `a.csv.png` is read as CSV where CSV was chosen. Once, however many
    splits name it. Raises `LoadError`."""
    key = (name, module)
    if key not in source.others:
        try:
            source.others[key] = _fresh(source, name, module)
        except LoadError as error:
            source.others[key] = error
    found = source.others[key]
    if isinstance(found, LoadError):
        raise found
    return found


def _fresh(source: Source, name: str, module: str) -> Table:
    if name.endswith((".zip", ".gz")):
        raise LoadError(f"{name}: archives of tables are not followed", sure=False)
    if module == "json":
        return _json(source, name)
    ending = f".{module}"
    tabs = name.endswith(".tsv")
    entry = source.entries[name]
    if entry.ending == ending:
        table = source.table(name)
    else:
        named = replace(entry, name=f"{name}{ending}")
        table = read_table(parse_metadata(named, source.read(name)), "\t" if tabs else ",")
    if table.error is not None:
        raise table.error
    return table


def _json(source: Source, name: str) -> Table:
    """The JSON module forgives more than metadata is forgiven: one list of objects is read, and
    a column of mixed types becomes JSON texts."""
    entry = replace(source.entries[name], name=f"{name}.jsonl")
    known = source.metadata.get(name)
    file = known or parse_metadata(entry, source.read(name))
    kinds = {trouble.kind for trouble in file.troubles}
    if kinds & {Kind.JSON, Kind.ENCODING, Kind.NOT_OBJECT, Kind.DUPLICATE_KEY}:
        raise LoadError(f"{name} holds no JSON records", sure=Kind.JSON in kinds)
    if Kind.ARRAY in kinds:
        file = MetadataFile(file.entry, rows=file.rows, columns=file.columns)
    table = source.table(name) if file is known else read_table(file)
    if table.error is not None:
        raise LoadError(table.error.reason, sure=False)
    return table
