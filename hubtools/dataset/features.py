"""The columns of a dataset as the Hub's viewer and `load_dataset` call them: `dataset_info`.

Only columns are written, no numbers of rows: those would have to be right to the row for the data
set to load at all. What is not certain is left out as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hubtools.dataset.loaders.kinds import (
    FLOAT,
    Kind,
    MixedError,
    csv_kind,
    csv_value,
    json_kind,
)
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row
from hubtools.dataset.metadata.roles import RoleColumns, column_of, names_files, roles_of

Feature = dict[str, Any]
_IMAGE = "image"


def features_of(
    tables: Iterable[tuple[MetadataFile, Sequence[Row]]], told: RoleColumns
) -> list[Feature] | None:
    """`features` of a split whose metadata files and their rows these are; None where it is not
    certain what loaders make of them (parquet has a schema of its own)."""
    pictures: dict[str, str] = {}  # key: column
    values: dict[str, list[Any]] = {}
    endings = set()
    for file, rows in tables:
        endings.add(file.entry.ending)
        roles = roles_of(file.columns, told)
        named = {roles.image or FILE_NAME, *(key for key, _ in roles.others)}
        pictures |= {key: column_of(key) for key in file.columns if key in named}
        for key in file.columns:
            if key not in named:
                column = values.setdefault(key, [])
                column += [row.values.get(key) for row in rows]
    if endings not in ({".jsonl"}, {".csv"}):
        return None
    csv = endings == {".csv"}
    found: list[Feature] = [
        {"name": column, **({"list": _IMAGE} if names_files(key) else {"dtype": _IMAGE})}
        for key, column in pictures.items()
    ]
    for key, column_values in values.items():
        try:
            kind = (
                csv_kind(None if v is None else csv_value(str(v)) for v in column_values)
                if csv
                else json_kind(column_values)
            )
        except MixedError:
            return None
        feature = _feature(key, kind)
        if feature is None:
            return None
        found.append(feature)
    names = [feature["name"] for feature in found]
    return found if len(set(names)) == len(names) else None


def _feature(name: str, kind: Kind) -> Feature | None:
    if isinstance(kind, str):
        return {"name": name, "dtype": _dtype(kind)}
    what, inner = kind
    if what == "struct":
        fields = _fields(inner)
        return None if fields is None else {"name": name, "struct": fields}
    if isinstance(inner, str):
        return {"name": name, "list": _dtype(inner)}
    if inner[0] != "struct":
        return None  # lists of lists
    fields = _fields(inner[1])
    return None if fields is None else {"name": name, "list": fields}


def _fields(inner: Iterable[tuple[str, Kind]]) -> list[Feature] | None:
    found = [_feature(key, kind) for key, kind in inner]
    return None if None in found else [one for one in found if one is not None]


def _dtype(kind: str) -> str:
    return "float64" if kind == FLOAT else kind
