"""Parquet files as the module `parquet` reads them: the first file decides the columns, and what
its schema (or the card) calls an image is one.

After `datasets` 5.2, `packaged_modules/parquet`, `Features.from_arrow_schema` and
`table.cast_table_to_schema`: a further column fails, a missing one is filled with nothing, and
values of another type are converted where Arrow can.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from hubtools.dataset.loaders.model import Broken, LoadError, Split
from hubtools.dataset.metadata.parquet_batches import open_parquet, parquet_errors, told_of
from hubtools.dataset.shards.held import Form
from hubtools.findings import nouns

DIFFER = "D805"  # the rule about shards that do not fit together
UNLOADED = "D811"  # and that about shards that fail for another reason
DAMAGED = "D801"


class Feature(NamedTuple):
    """The type of a column, and whether its values are pictures or hold some."""

    type: Any  # pyarrow.DataType
    picture: bool = False


@dataclass
class ParquetTable:
    """A parquet file without its pictures. `named`: for each column of pictures, what those of its
    rows are called, None for a row without; `values` are those of plain columns, by row."""

    name: str
    schema: Any = None  # pyarrow.Schema
    rows: int = 0
    groups: tuple[tuple[int, int], ...] = ()  # rows and bytes of each row group
    named: dict[str, list[str | None]] = field(default_factory=dict)
    forms: Mapping[str, Form] = field(default_factory=dict)  # how those columns hold pictures
    values: Sequence[Mapping[str, Any]] = ()
    error: str | None = None

    @classmethod
    def of(cls, name: str, file: Any) -> ParquetTable:
        """What the end of an open file (`open_parquet`) says."""
        footer = file.metadata
        groups = [footer.row_group(n) for n in range(footer.num_row_groups)]
        sizes = tuple((group.num_rows, group.total_byte_size) for group in groups)
        return cls(name, file.schema_arrow, footer.num_rows, sizes)

    @classmethod
    def read(cls, name: str, opened: Any) -> ParquetTable:
        """The same of a file that is not open yet; `error` if it cannot be read. Raises `LoadError`
        without pyarrow."""
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise LoadError(f"{name}: reading parquet needs pyarrow", sure=False) from None
        try:
            with open_parquet(opened) as file:
                return cls.of(name, file)
        except parquet_errors() as error:
            return cls(name, error=told_of(error))

    @cached_property
    def features(self) -> dict[str, Feature]:
        """The columns, as this file alone would be read."""
        told = told_features(self.schema.metadata)
        return {
            one.name: Feature(_plain(one.type), _is_picture(told.get(one.name), one))
            for one in self.schema
        }


def build(
    tables: Mapping[str, Sequence[ParquetTable]],
    promised: Mapping[str, Feature] | None,
    troubled: Mapping[str, str],
) -> list[Split]:
    """The splits of the files of each; `promised`: the columns of the card's `dataset_info`;
    `troubled`: why pictures do not decode, by name. Raises `LoadError`."""
    features = dict(promised) if promised is not None else None
    for name, table in ((table.name, table) for all_ in tables.values() for table in all_):
        if table.error is not None:
            raise LoadError(f"{name} cannot be read as parquet: {table.error}", rule=DAMAGED)
        features = table.features if features is None else features
    splits = []
    for split, inside in tables.items():
        for table in inside:
            check_table(table, features or {})
        if not sum(table.rows for table in inside):
            raise LoadError(f"the split {split} has no rows", rule=UNLOADED)
        splits.append(_split(split, inside, features or {}, troubled))
    return splits


def check_table(table: ParquetTable, features: Mapping[str, Feature]) -> None:
    """Raises `LoadError` if the rows of a file do not fit into these columns."""
    if table.groups and not table.groups[0][0]:
        raise LoadError(f"{table.name}: its first row group has no rows", rule=UNLOADED)
    if not table.groups:
        return
    more = [one.name for one in table.schema if one.name not in features]
    if more:
        raise LoadError(
            f"{table.name} has {_columns(more)}, which the columns of the first shard"
            f" ({', '.join(features)}) lack",
            rule=DIFFER,
        )
    for one in table.schema:
        wanted = features[one.name]
        fits = converts(_plain(one.type), wanted, [row.get(one.name) for row in table.values])
        if not fits:
            raise LoadError(
                f"{table.name}: {one.name} is {_said(one.type)}, and {_said(wanted.type)} in the"
                " first shard",
                sure=fits is False,
                rule=DIFFER,
            )


def _columns(names: Sequence[str]) -> str:
    return f"the {nouns(len(names), 'column')} {', '.join(names)}"


def _said(kind: Any) -> str:
    text = str(kind)
    return text if len(text) <= 60 else text.partition("<")[0]


def _split(
    name: str,
    tables: Sequence[ParquetTable],
    features: Mapping[str, Feature],
    troubled: Mapping[str, str],
) -> Split:
    pictures = tuple(column for column, feature in features.items() if feature.picture)
    files: list[str | None] = []
    besides: list[tuple[tuple[str, str], ...]] = []
    broken: list[Broken] = []
    for table in tables:
        columns = [c for c in (*pictures, *table.named) if c in table.named]
        columns = list(dict.fromkeys(columns))
        for row in range(table.rows if columns else 0):
            held = [(column, table.named[column][row]) for column in columns]
            bad = next((n for c, n in held if n in troubled and c in pictures), None)
            if bad is not None:
                broken.append(Broken(len(files), bad, troubled[bad]))
            files.append(held[0][1])
            besides.append(tuple((c, n) for c, n in held[1:] if n is not None))
    told = {one.row for one in broken}
    broken += [one for one in _paths(tables, features) if one.row not in told]
    broken.sort(key=lambda one: one.row)
    rows = sum(table.rows for table in tables)
    more = tuple(besides) if any(besides) else ()
    shown = tuple(files) if len(files) == rows else ()
    return Split(name, rows, tuple(features), pictures, shown, tuple(broken), (), more)


def _paths(tables: Sequence[ParquetTable], features: Mapping[str, Feature]) -> Iterator[Broken]:
    """Rows whose picture is a text in its shard: it is taken for a path."""
    import pyarrow as arrow

    first = 0
    for table in tables:
        texts = [
            one.name
            for one in table.schema
            if features[one.name].picture and arrow.types.is_string(_plain(one.type))
        ]
        for number, row in enumerate(table.values if texts else ()):
            path = next((row[name] for name in texts if row.get(name) is not None), None)
            if path is not None:
                where = f"{table.name} row {number + 1}"
                yield Broken(first + number, where, "a text is taken for the path of its picture")
        first += table.rows


# --- types ---------------------------------------------------------------------------------------


def _plain(kind: Any) -> Any:
    """The type of the values of a dictionary."""
    import pyarrow as arrow

    return kind.value_type if arrow.types.is_dictionary(kind) else kind


def told_features(metadata: Mapping[bytes, bytes] | None) -> dict[str, Any]:
    """What the metadata of a schema tells `datasets` of its columns."""
    try:
        found = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def picture_type() -> Any:
    """What `datasets` stores pictures as."""
    import pyarrow as arrow

    return arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])


def _is_picture(told: Any, column: Any) -> bool:
    """Whether the schema's word for a column is that of pictures, and its type what they have."""
    kind = _type_of(told)
    return kind is not None and column.nullable and bool(kind == column.type)


def _type_of(told: Any) -> Any:
    """The Arrow type of pictures, or lists of them; None for anything else."""
    import pyarrow as arrow

    if isinstance(told, list) and len(told) == 1:
        inner = _type_of(told[0])
        return None if inner is None else arrow.list_(inner)
    if not isinstance(told, dict):
        return None
    if told.get("_type") == "Image":
        return picture_type()
    if told.get("_type") in ("List", "Sequence") and told.get("length", -1) == -1:
        inner = _type_of(told.get("feature"))
        return None if inner is None else arrow.list_(inner)
    return None


def converts(kind: Any, wanted: Feature, values: Sequence[Any]) -> bool | None:
    """Whether values of an Arrow type become those of a column; None if that is not known."""
    import pyarrow as arrow

    types = arrow.types
    if kind == wanted.type or types.is_null(kind):
        return True
    if wanted.picture and wanted.type == picture_type():
        whole = types.is_struct(kind) and {"bytes", "path"} <= {one.name for one in kind}
        one = (types.is_string, types.is_binary, types.is_large_string, types.is_large_binary)
        return True if whole or any(check(kind) for check in one) else None
    if types.is_null(wanted.type):
        return False
    nested = types.is_nested(kind), types.is_nested(wanted.type)
    if nested == (True, True):
        return _nested_converts(kind, wanted.type)
    if any(nested):
        return False
    if not values:
        return None
    try:
        arrow.array(values, kind).cast(wanted.type)
    except (arrow.ArrowException, ValueError, TypeError, OverflowError):
        return False
    return True


def _nested_converts(kind: Any, wanted: Any) -> bool | None:
    import pyarrow as arrow

    if arrow.types.is_struct(kind) and arrow.types.is_struct(wanted):
        inner = {one.name: one.type for one in wanted}
        if any(one.name not in inner for one in kind):
            return False
        return True if all(inner[one.name] == one.type for one in kind) else None
    lists = (arrow.types.is_list, arrow.types.is_large_list, arrow.types.is_fixed_size_list)
    if all(any(check(one) for check in lists) for one in (kind, wanted)):
        return None
    return False


def promised_features(value: Any) -> dict[str, Feature] | None:
    """The columns that `features:` of a card's `dataset_info` names; None if it names none. Raises
    `LoadError` for types that are not followed."""
    import pyarrow as arrow

    if not isinstance(value, list) or not value:
        return None
    found: dict[str, Feature] = {}
    for item in value:
        dtype = item.get("dtype") if isinstance(item, dict) else None
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not isinstance(dtype, str):
            raise LoadError("README.md: the features of dataset_info are not followed", sure=False)
        if dtype == "image":
            found[name] = Feature(picture_type(), picture=True)
            continue
        try:
            found[name] = Feature(arrow.type_for_alias(dtype))
        except ValueError:
            raise LoadError(
                f"README.md: {name} of dataset_info has the type {dtype}, which is not followed",
                sure=False,
            ) from None
    return found
