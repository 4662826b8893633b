"""Which files a row names: in columns of pictures, in lists and tables of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from hubtools.dataset.loaders.kinds import Kind
from hubtools.dataset.loaders.model import LoadError
from hubtools.dataset.loaders.tables import Row

Columns = dict[str, Kind]
PICTURE = "picture"  # the kind of a column, or of the items of a list, that names files


def holds_picture(kind: Kind) -> bool:
    """True if values of this kind name files, at any depth."""
    if isinstance(kind, str):
        return kind == PICTURE
    if kind[0] == "list":
        return holds_picture(kind[1])
    return any(holds_picture(pair[1]) for pair in kind[1])


def picture_keys(features: Columns) -> tuple[str, ...] | None:
    """The keys that name the picture if there is one picture column, at the top; else None."""
    if sum(map(holds_picture, features.values())) != 1 or PICTURE not in features.values():
        return None
    key = next(key for key, kind in features.items() if kind == PICTURE)
    return ("file_name", f"{key}_file_name")


def named(
    row: Row, keys: tuple[str, ...] | None, features: Columns, source: str
) -> list[tuple[str, str]]:
    """The files a row names with the column that each is in, in the order of the picture columns.
    Raises `LoadError`."""
    if keys is None:
        left = dict(row)
        return [
            (column, item)
            for column, kind in features.items()
            for item in _walk_row(left, ((column, kind),), source)
        ]
    value = row.get(keys[0]) or row.get(keys[1])
    column = next(key for key, kind in features.items() if kind == PICTURE)
    return [] if value is None else [(column, _inside_folder(value, source))]


def _walk_row(row: Row, features: Iterable[tuple[str, Kind]], source: str) -> Iterator[str]:
    for key, kind in features:
        if not holds_picture(kind):
            continue
        if kind == PICTURE:
            value = row.pop("file_name", None) or row.pop(f"{key}_file_name", None)
            if value is not None:  # an empty text that no key follows stands for the folder
                yield _inside_folder(value, source)
        elif kind == ("list", PICTURE):
            listed = row.pop("file_names", None) or row.pop(f"{key}_file_names", None)
            if not isinstance(listed, list):
                raise LoadError(f"{source}: a row lists no files in {key}_file_names")
            for value in listed:
                if value is not None:
                    yield _inside_folder(value, source)
        else:
            yield from _walk_nested(row.get(key), kind, key, source)


def _walk_nested(value: Any, kind: Any, key: str, source: str) -> Iterator[str]:
    if kind[0] == "struct":
        if not isinstance(value, dict):
            raise LoadError(f"{source}: a row has no object {key}, which names files")
        yield from _walk_row(dict(value), list(kind[1]), source)
    else:
        if not isinstance(value, list):
            raise LoadError(f"{source}: a row has no list {key}, which names files")
        for item in value:
            yield from _walk_nested(item, kind[1], key, source)


def _inside_folder(value: Any, source: str) -> str:
    """The path below the metadata's folder. Raises `LoadError` for one that leads out of it."""
    if not isinstance(value, str):
        raise LoadError(f"{source}: {value!r} is no file name")
    if "://" in value:
        raise LoadError(f"{source}: {value!r} is an address", rule="D204")
    path = os.path.normpath(value).replace("\\", "/")
    if os.path.isabs(value) or os.path.isabs(path) or path == ".." or path.startswith("../"):
        raise LoadError(f"{source}: {value!r} leads out of the folder", rule="D204")
    return path
