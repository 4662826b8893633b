"""Parquet shards: rows are listed without their pictures, which are then read row by row.

What is remembered of a picture goes by its row, as long as the file is the same; a second look at
a shard reads its texts only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.causes import says_nothing_of_file
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.loaders.parquet_files import ParquetTable
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row
from hubtools.dataset.metadata.parquet_batches import (
    batches,
    open_parquet,
    parquet_errors,
    told_of,
)
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.shards.held import Form, decoded, keys_of, paths_of, picture_forms
from hubtools.dataset.sources.model import MAX_STREAMED, Read, Trouble, identified, identity_of
from hubtools.errors import require_extra
from hubtools.limits import RECORD_COST, RECORDS
from hubtools.patterns import regex

_NAMED = regex(r" row (\d+)(?: \((.*)\))?", re.DOTALL)
_FEW = 20


class ParquetShard:
    """The file `entry`, opened by `open_file` (a path, or something to seek in)."""

    def __init__(self, open_file: Callable[[], BinaryIO | Path], entry: Entry) -> None:
        require_extra("shards", "Reading parquet")
        self.name = entry.name
        self.troubles: list[Trouble] = []
        self.pictures: list[Entry] = []
        self.forms: dict[str, Form] = {}  # how its columns hold pictures
        self.table = ParquetTable(entry.name)
        self._open_file = open_file
        self._entry = entry

    def first(self) -> Iterator[Read] | None:
        """Rows can be listed."""
        return None

    def read_rows(self) -> MetadataFile:
        """The values of all rows; their pictures become `pictures`."""
        found = MetadataFile(self._entry)
        identity = identity_of(self._entry)
        lost: list[int] = []
        try:
            with open_parquet(self._open_file()) as file:
                schema = file.schema_arrow
                self.table = ParquetTable.of(self.name, file)
                self.forms = picture_forms(file)
                columns = keys_of(self.forms)
                if not columns:
                    self._trouble("D801", "it has no column of pictures (bytes and path)")
                self.table.forms = self.forms
                self.table.named = {name: [] for name in columns}
                plain = [f.name for f in schema if _is_plain(f.type) and f.name not in columns]
                found.columns = [*columns.values(), *plain]
                found.types = {name: str(schema.field(name).type) for name in plain}
                paths = dict(paths_of(schema, self.forms))
                wanted = [*plain, *paths.values()]
                number = cost = 0
                for batch in batches(file, wanted):
                    cost += 2 * batch.nbytes + (300 + 64 * len(wanted)) * batch.num_rows
                    if cost > RECORD_COST or number + batch.num_rows > RECORDS:
                        text = f"only {number:,} of its {file.metadata.num_rows:,} rows are read"
                        self._trouble("D801", f"{text}; the others are left out")
                        break
                    for values in batch.to_pylist() if wanted else [{}] * len(batch):
                        number += 1
                        name = f"{self.name} row {number}"
                        row = self._row(name, dict(values), columns, paths, identity)
                        if columns and row[FILE_NAME] is None:
                            lost.append(number)
                        found.rows.append(Row(name, None, row))
        except parquet_errors() as error:
            if says_nothing_of_file(error):
                raise
            self._trouble("D801", f"it cannot be read as parquet: {told_of(error)}")
            self.table.error = told_of(error)
        self.table.values = [row.values for row in found.rows]
        if len(lost) > _FEW:
            self._trouble("D802", f"{len(lost):,} rows hold no picture, the first is row {lost[0]}")
        else:
            for number in lost:
                text = "the row holds no picture"
                self.troubles.append(Trouble("D802", text, f"{self.name} row {number}"))
        return found

    def _row(
        self,
        name: str,
        values: dict[str, Any],
        columns: dict[str, str],
        paths: dict[str, str],
        identity: str,
    ) -> dict[str, Any]:
        row: dict[str, Any] = {FILE_NAME: None} if columns else {}
        for column, key in columns.items():
            # of columns whose pictures would have to be read for it, all rows are said to have one
            there = values.pop(column, None) is not None or column not in paths
            picture = name if key == FILE_NAME else f"{name} ({column})"
            if there:
                self.pictures.append(identified(picture, 0, identity))
            self.table.named[column].append(picture if there else None)
            row[key] = picture.rpartition("/")[2] if there else None
        return row | values

    def _trouble(self, rule: str, message: str) -> None:
        self.troubles.append(Trouble(rule, message, self.name))

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """In the order of rows, a few rows at a time."""
        wanted: dict[str | None, dict[int, Entry]] = {}  # by column (None: the first) and row
        for entry in entries:
            match = _NAMED.fullmatch(entry.name[len(self.name) :])
            if match is None:
                yield entry, Unreadable(0, "there is no such row")
            else:
                wanted.setdefault(match[2], {})[int(match[1]) - 1] = entry
        reason = "there is no such row"
        try:
            with open_parquet(self._open_file()) as file:
                self.forms = self.forms or picture_forms(file)
                first = next(iter(keys_of(self.forms)), "")
                for column, rows in wanted.items():
                    yield from self._column(file, column or first, rows)
        except parquet_errors() as error:
            if says_nothing_of_file(error):
                raise
            reason = f"the shard cannot be read: {told_of(error)}"
        for rows in wanted.values():
            while rows:
                yield rows.popitem()[1], Unreadable(0, reason)

    def _column(self, file: Any, column: str, rows: dict[int, Entry]) -> Iterator[Read]:
        """Takes out of `rows` what it gives."""
        begin = 0
        for group in range(file.metadata.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            inside = [row for row in rows if begin <= row < end]
            at = begin
            if inside:
                last = max(inside)
                found = batches(file, [column], row_groups=[group], bound="average")
                for batch in found:
                    held, form = batch.column(0), self.forms[column]
                    for offset in range(len(batch)):
                        entry = rows.pop(at + offset, None)
                        if entry is not None:
                            yield entry, _picture(held[offset], form)
                    at += len(batch)
                    if at > last:
                        break
            begin = end


def _picture(held: Any, form: Form) -> bytes | Unreadable:
    if form is Form.LIST and held.is_valid:
        held = held.values[0] if len(held.values) else None
    if held is not None and held.is_valid and "bytes" in (getattr(held, "keys", list)() or ()):
        if not held["bytes"].is_valid:
            path = held["path"].as_py() if "path" in held else None
            return Unreadable(0, f"the shard holds its path ({path}) but not the picture")
        held = held["bytes"]
    if held is None or not held.is_valid:
        return Unreadable(0, "the row holds no picture")
    size = held.as_buffer().size
    if size > MAX_STREAMED:
        return Unreadable(size, f"it has {size:,} bytes; no picture is that large")
    data = held.as_py()
    picture = decoded(data) if form is Form.BASE64 else data
    return picture if isinstance(picture, bytes) else Unreadable(0, "it is no Base64")


def _is_plain(kind: Any) -> bool:
    """True for texts, numbers, dates: what rules look at, and what is small."""
    import pyarrow as arrow

    types = arrow.types
    binary = (
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )
    return not (types.is_nested(kind) or binary or types.is_null(kind)) or types.is_null(kind)
