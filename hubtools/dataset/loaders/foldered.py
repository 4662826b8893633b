"""The folder modules (imagefolder and its siblings): rows from metadata, or one a file.

After `FolderBasedBuilder` of `datasets` 5.2, in its order: splits are looked at one after the
other, and what was found in an earlier one counts for the later ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any

from hubtools.dataset.loaders.archives import Archive
from hubtools.dataset.loaders.endings import FOLDER_COLUMN, folder_endings
from hubtools.dataset.loaders.kinds import TEXTS, Kind, fits, has_gaps
from hubtools.dataset.loaders.model import Broken, LoadError, RowFiles, Split
from hubtools.dataset.loaders.named_files import (
    PICTURE,
    Columns,
    holds_picture,
    named,
    picture_keys,
)
from hubtools.dataset.loaders.source import Source
from hubtools.dataset.loaders.tables import Row, Table
from hubtools.dataset.metadata import Kind as Wrong
from hubtools.dataset.metadata.named import BLOCK, all_tidy
from hubtools.dataset.metadata.roles import column_of, names_file, names_files
from hubtools.layout import METADATA_NAMES

Result = list[Split] | LoadError


@dataclass
class _Part:
    """What one split's files are, and what the builder decided when it came to it."""

    name: str
    files: list[str]
    archives: list[Archive]
    tables: list[Table] = field(default_factory=list)
    labelled: bool = False
    from_metadata: bool = False


@dataclass(frozen=True)
class Options:
    """Parameters that `configs:` may give the builder."""

    drop_labels: bool | None = None
    drop_metadata: bool | None = None
    metadata_names: tuple[str, ...] | str = METADATA_NAMES


def build(
    source: Source, module: str, files: Mapping[str, Sequence[str]], options: Options
) -> list[Result]:
    """The splits, or the error; several where chance decides which metadata file gives the columns.

    Raises `LoadError` for what fails in any case.
    """
    endings = folder_endings(module)
    column = FOLDER_COLUMN[module]
    parts = [_part(source, *item, endings, options.metadata_names) for item in files.items()]
    labels, depths = set[str](), set[int]()
    any_metadata = labelled = from_metadata = False
    for part in parts:
        if options.drop_labels and options.drop_metadata:
            continue
        if not options.drop_labels:
            for label, depth in _seen(source, part, endings):
                labels.add(label)
                depths.add(depth)
        any_metadata = any_metadata or bool(part.tables)
        from_metadata = any_metadata and not options.drop_metadata
        labelled = not any_metadata and (
            (len(labels) > 1 and len(depths) == 1)
            if options.drop_labels is None
            else not options.drop_labels
        )
        part.labelled, part.from_metadata = labelled, from_metadata
    if not from_metadata:
        shape = (column, "label") if labelled else (column,)
        return [[_plain(source, part, shape, column, labels) for part in parts]]
    results: list[Result] = []
    for columns in _features(parts):
        if isinstance(columns, LoadError):
            results.append(columns)
            continue
        try:
            results.append([_split(source, part, columns, column, labels) for part in parts])
        except LoadError as error:
            results.append(error)
    return results


_TABLES = (".jsonl", ".csv", ".parquet")


def _part(
    source: Source,
    split: str,
    names: Sequence[str],
    endings: frozenset[str],
    metadata_names: tuple[str, ...] | str,
) -> _Part:
    part = _Part(split, [], [])
    for name in names:
        ending, second = source.ending(name)
        if ending in endings or second in endings:
            part.files.append(name)
        elif name.rpartition("/")[2] in metadata_names:
            if metadata_names is not METADATA_NAMES and ending not in _TABLES:
                raise LoadError(f"{name} is read as parquet, whatever it is", rule="D112")
            part.tables.append(source.table(name))
        elif ending == ".zip":
            part.archives.append(Archive.read(source, name, metadata_names))
        else:
            continue
        if "::" in name:
            raise LoadError(f"{name}: '::' in a name is taken for a path into an archive")
    part.tables = list({table.name: table for table in part.tables}.values())
    for archive in part.archives:
        part.tables += archive.tables
    return part


def _seen(source: Source, part: _Part, endings: frozenset[str]) -> Iterator[tuple[str, int]]:
    """(folder, depth) of every picture; those two decide whether folders are labels."""
    for name in part.files:
        if source.ending(name)[0] in endings:
            yield _label(source, name), name.count("/")
    for archive in part.archives:
        for member in archive.members:
            if os.path.splitext(member)[1] in endings:
                # the address zip://member::archive has two slashes more
                depth = archive.name.count("/") + 2 + member.count("/")
                yield member.rpartition("/")[0].rpartition("/")[2], depth


def _label(source: Source, name: str) -> str:
    """The name of the folder a file lies in."""
    folder = name.rpartition("/")[0].rpartition("/")[2]
    return folder or source.root_name


# --- without metadata ----------------------------------------------------------------------------


def _plain(
    source: Source, part: _Part, shape: tuple[str, ...], column: str, labels: set[str]
) -> Split:
    names: list[str] = []
    broken: list[Broken] = []
    for name in part.files:
        if part.labelled:
            label = _label(source, name)
            if label not in labels:
                raise LoadError(f"{name}: its folder {label!r} is no label")
        if column == "image" and (reason := source.trouble(name)):
            broken.append(Broken(len(names), name, reason))
        names.append(name)
    for archive in part.archives:
        for member in archive.members:
            if part.labelled:
                label = _label(source, archive.name)
                if label not in labels:
                    raise LoadError(
                        f"{archive.name}: pictures in an archive would be labelled {label!r},"
                        " the folder of the archive"
                    )
            if column == "image" and (reason := archive.trouble(member)):
                broken.append(Broken(len(names), f"{archive.name}/{member}", reason))
            names.append(f"{archive.name}/{member}")
    _not_empty(part.name, len(names))
    return Split(part.name, len(names), shape, (column,), tuple(names), tuple(broken))


def _not_empty(split: str, rows: int) -> None:
    if not rows:
        raise LoadError(f"the split {split} has no rows", rule="D213")


# --- with metadata -------------------------------------------------------------------------------


def _features(parts: Sequence[_Part]) -> list[Columns | LoadError]:
    """The columns the metadata gives; several if chance decides (a split's metadata files are a
    Python set of texts, whose order changes from run to run)."""
    tables = [table for part in parts for table in part.tables]
    endings = sorted({os.path.splitext(table.name)[1] for table in tables})
    if len(endings) > 1:
        raise LoadError(f"metadata comes in {' and '.join(endings)}", rule="D114")
    for table in tables:
        if table.error is not None:
            raise table.error
    choices: list[list[tuple[str, Columns]]] = []
    for part in parts:
        found: list[tuple[str, Columns]] = []
        for table in part.tables:
            columns = table.columns
            if columns is not None and not any(
                list(columns.items()) == list(others.items()) for _, others in found
            ):
                found.append((table.name, columns))
        if found:
            choices.append(found)
    if not choices:
        empty = any(Wrong.EMPTY in table.troubles for table in tables)
        raise LoadError("the metadata holds no record", rule="D107" if empty else None)
    results: list[Columns | LoadError] = []
    known: list[list[tuple[str, Kind]]] = []
    for chosen in islice(product(*choices), 16):
        try:
            columns = _agreed(chosen)
        except LoadError as error:
            if not any(isinstance(result, LoadError) for result in results):
                results.append(error)
            continue
        if list(columns.items()) not in known:
            known.append(list(columns.items()))
            results.append(columns)
    return results


def _agreed(chosen: Sequence[tuple[str, Columns]]) -> Columns:
    first_name, first = chosen[0]
    for name, columns in chosen[1:]:
        if columns != first:
            raise LoadError(
                f"{first_name} and {name} have different columns: {_odd(first, columns)}",
                rule="D212",
            )
    return first


def _odd(one: Columns, other: Columns) -> str:
    keys = [key for key in (*one, *other) if one.get(key) != other.get(key)]
    return ", ".join(
        f"{key} ({_said(one.get(key))} and {_said(other.get(key))})" for key in dict.fromkeys(keys)
    )


def _said(kind: Kind | None) -> str:
    return "missing" if kind is None else kind if isinstance(kind, str) else str(kind[0])


def with_pictures(columns: Columns, base: str) -> tuple[Columns, bool]:
    """Columns as features: those that name files become pictures. After `_set_feature`: a column
    of the same name that comes later wins."""
    found: Columns = {}
    any_picture = False
    for key, kind in columns.items():
        if isinstance(kind, tuple):
            inner, inside = _nested(kind, base)
            any_picture = any_picture or inside
        else:
            inner = kind
        if names_file(key) and kind in TEXTS:
            found[column_of(key, base)] = PICTURE
            any_picture = True
        elif (
            names_files(key) and isinstance(kind, tuple) and kind[0] == "list" and kind[1] in TEXTS
        ):
            found[column_of(key, base)] = ("list", PICTURE)
            any_picture = True
        else:
            found[key] = inner
    return found, any_picture


def _why_unnamed(part: _Part, columns: Columns) -> str | None:
    """The rule that tells why no column names files."""
    troubles = {trouble for table in part.tables for trouble in table.troubles}
    if Wrong.CSV_DELIMITER in troubles:
        return "D111"
    if Wrong.CSV_HEADER in troubles:
        return "D110"
    return None if any(names_file(c) or names_files(c) for c in columns) else "D115"


def _nested(kind: tuple[Any, ...], base: str) -> tuple[Kind, bool]:
    if kind[0] == "list":
        if isinstance(kind[1], tuple):
            inner, inside = _nested(kind[1], base)
            return ("list", inner), inside
        return kind, False
    columns, inside = with_pictures(dict(kind[1]), base)
    return ("struct", tuple(columns.items())), inside


def _split(source: Source, part: _Part, columns: Columns, column: str, labels: set[str]) -> Split:
    features, any_picture = with_pictures(columns, column)
    if not any_picture:
        raise LoadError(
            f"no column is called file_name and holds texts (columns: {', '.join(columns)})",
            rule=_why_unnamed(part, columns),
        )
    shape = tuple(features)
    shown = tuple(name for name, kind in features.items() if holds_picture(kind))
    if not part.from_metadata:
        # a split before the first one with metadata: its pictures come without any caption
        plain = _plain(source, part, shape, column, labels)
        if features.get(column) == PICTURE:
            return Split(part.name, plain.rows, shape, shown, plain.files, plain.broken)
        return Split(part.name, plain.rows, shape, shown)
    rows = _rows(source, part, columns, features, column)
    _not_empty(part.name, len(rows.files))
    inside = {table.name: f"{a.name}/" for a in part.archives for table in a.tables}
    records = tuple((inside.get(t.name, "") + t.name, t.count) for t in part.tables)
    files, broken, besides = tuple(rows.files), tuple(rows.broken), tuple(rows.besides)
    return Split(part.name, len(files), shape, shown, files, broken, records, besides)


def _rows(
    source: Source, part: _Part, columns: Columns, features: Columns, column: str
) -> RowFiles:
    # the ways of reading have this in common, and it may be a million rows; names in archives may
    # be those of files outside
    key = (tuple(table.name for table in part.tables), tuple(columns.items()), column)
    if not part.archives and key in source.rows:
        return source.rows[key]
    found = RowFiles()
    for table in part.tables:
        for kinds, values in table.chunks:
            _check_types(table.name, columns, kinds, values, features)
            _add_rows(source, part, table, values, features, column, found)
    if not part.archives:
        source.rows[key] = found
    return found


def _add_rows(
    source: Source,
    part: _Part,
    table: Table,
    rows: Sequence[Row],
    features: Columns,
    column: str,
    found: RowFiles,
) -> None:
    """The pictures of each row, and what is wrong with those that cannot be read."""
    files, broken = found.files, found.broken
    folder = table.name.rpartition("/")[0]
    archive = next((a for a in part.archives if table in a.tables), None)
    trouble = archive.trouble if archive else source.trouble
    keys = picture_keys(features)
    main = next((name for name, kind in features.items() if holds_picture(kind)), None)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        values = [row.get(keys[0]) or row.get(keys[1]) for row in block] if keys else []
        if keys and all_tidy(values):
            paths = [f"{folder}/{value}" if folder else str(value) for value in values]
            for number, path in enumerate(paths, len(files)) if column == "image" else ():
                if reason := trouble(path):
                    broken.append(Broken(number, path, reason))
            files += paths
            continue
        for row in block:
            pictures = [
                (key, f"{folder}/{item}" if folder else item)
                for key, item in named(row, keys, features, table.name)
            ]
            for _, path in pictures if column == "image" else ():
                if reason := trouble(path):
                    broken.append(Broken(len(files), path, reason))
                    break
            own = [path for key, path in pictures if key == main]
            files.append(own[0] if own else None)
            if not keys:
                found.besides.append(tuple(pictures[bool(own) :]))


def _check_types(
    name: str, columns: Columns, kinds: Columns, rows: Sequence[Row], features: Columns
) -> None:
    # taken out of every row for the first picture column, whatever else it is
    taken = {"file_name"} if PICTURE in features.values() else set[str]()
    for key, kind in kinds.items():
        schema = columns.get(key)
        if schema is None or key in taken or holds_picture(features.get(key, "null")):
            continue
        good: bool | None = True
        if schema != kind:
            good = fits(schema, kind, (row.get(key) for row in rows))
        if good and isinstance(kind, tuple) and has_gaps(kind, (row.get(key) for row in rows)):
            raise LoadError(f"{name}: {key} has a list with a null in it", sure=False)
        if not good:
            raise LoadError(
                f"{name}: {key} is {_said(kind)} here and {_said(schema)} where the columns are"
                " taken from",
                sure=good is False,
                rule="D212",
            )
