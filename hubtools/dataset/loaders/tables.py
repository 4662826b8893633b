"""A metadata file as the loader's own reader sees it: columns, rows, or why it cannot."""

from __future__ import annotations

import csv
import io
import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hubtools.dataset.loaders.kinds import (
    Kind,
    MixedError,
    columns_of,
    csv_kind,
    csv_value,
    json_kind,
)
from hubtools.dataset.loaders.model import LoadError
from hubtools.dataset.metadata import LIMITS, MetadataFile, objects
from hubtools.dataset.metadata import Kind as Wrong
from hubtools.dataset.metadata import Row as Record
from hubtools.patterns import regex

# `folder_based_builder._read_metadata`: bytes of JSON read at once, and of one parse block of them.
CHUNK = 10 << 20
BLOCK = CHUNK // 32
CSV_CHUNK = 10_000

Row = dict[str, Any]


@dataclass
class Table:
    """Rows as read, in chunks; each chunk has its own columns, and the first decides."""

    name: str
    chunks: list[tuple[dict[str, Kind], list[Row]]] = field(default_factory=list)
    error: LoadError | None = None
    troubles: frozenset[Wrong] = frozenset()

    @property
    def columns(self) -> dict[str, Kind] | None:
        """Those of the first chunk that has rows; None if none has."""
        return self.chunks[0][0] if self.chunks else None

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(len(rows) for _, rows in self.chunks)


def read_table(file: MetadataFile, separator: str = ",") -> Table:
    """Read a metadata (or any .jsonl, .csv, .parquet) file as the loader would."""
    table = Table(file.name, troubles=frozenset(trouble.kind for trouble in file.troubles))
    if file.partial:
        reason = f"{file.name}: a part of it is beyond the limits, and is not followed"
        rules = {Wrong.LIMIT: "D125", Wrong.COLUMNS: "D126"}
        kind = next(trouble.kind for trouble in file.troubles if trouble.kind in LIMITS)
        table.error = LoadError(reason, sure=False, rule=rules.get(kind, "D124"))
        return table
    try:
        if file.entry.ending == ".parquet":
            _parquet(file, table)
        elif file.entry.ending in (".csv", ".tsv"):
            _csv(file, table, separator)
        else:
            _jsonl(file, table)
    except LoadError as error:
        table.error = error
    return table


# --- JSON Lines --------------------------------------------------------------------------------

# What Arrow refuses, and the rule that speaks of it.
_FATAL = {
    Wrong.JSON: "D101",
    Wrong.ARRAY: "D103",
    Wrong.NOT_OBJECT: "D104",
    Wrong.DUPLICATE_KEY: "D105",
    Wrong.ENCODING: "D106",
}


def _jsonl(file: MetadataFile, table: Table) -> None:
    for trouble in file.troubles:
        if trouble.kind in _FATAL:
            place = f"{file.name}:{trouble.line}" if trouble.line else file.name
            lone_null = trouble.kind is Wrong.NOT_OBJECT and "null" in trouble.message
            rule = _FATAL[trouble.kind]
            raise LoadError(f"{place}: {trouble.message}", sure=not lone_null, rule=rule)
    if any(trouble.kind is Wrong.MULTI_LINE for trouble in file.troubles):
        _check_blocks(file)
    for rows in _json_chunks(file):
        kinds: dict[str, Kind] = {}
        for key, values in columns_of(rows).items():
            try:
                kinds[key] = json_kind(values)
            except MixedError as mixed:
                raise LoadError(
                    f"{file.name}: {key} is {mixed.first} first and {mixed.then} later",
                    rule=None if mixed.nested else "D118",
                ) from None
        table.chunks.append((kinds, rows))


def _json_chunks(file: MetadataFile) -> Iterator[list[Row]]:
    """Rows by the chunk of bytes they are read with: 10 MB, and the rest of the line."""
    values = [row.values for row in file.rows]
    if len(file.data) <= CHUNK:
        if values:
            yield values
        return
    last = line = 0
    for start, end in _byte_chunks(file.data):
        # a chunk ends behind a line end, or with the file
        line += sum(file.data.count(end_, start, end) for end_ in (b"\n", b"\r"))
        line -= file.data.count(b"\r\n", start, end)
        if end == len(file.data):
            upto = len(values)
        else:
            upto = bisect_right(file.rows, line, last, key=_line_of)
        if upto > last:
            yield values[last:upto]
        last = upto


def _line_of(row: Record) -> int:
    return row.line or 0


def _byte_chunks(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(data):
        end = start + CHUNK
        if end < len(data):
            end = data.find(b"\n", end) + 1 or len(data)
        end = min(end, len(data))
        yield start, end
        start = end


def _check_blocks(file: MetadataFile) -> None:
    """Records over several lines parse only while no block ends between their lines.

    Arrow cuts each chunk into blocks at line ends, and parses the line that straddles two blocks
    by itself (`arrow/util/delimiting.cc`).
    """
    decoder = json.JSONDecoder()
    for start, end in _byte_chunks(file.data):
        for first, last in _pieces(file.data[start:end], BLOCK):
            piece = file.data[start + first : start + last].decode("utf-8-sig", errors="replace")
            if piece.strip() and not any(True for _ in objects(piece, decoder)):
                raise LoadError(
                    f"{file.name}: a record over several lines is cut in two, because the file"
                    f" is read in blocks of {BLOCK:,} bytes",
                    rule="D102",
                )


_LINE_END = regex(rb"[\r\n]")


def _pieces(data: bytes, block: int) -> list[tuple[int, int]]:
    """(start, end) of what Arrow parses separately. A line longer than a block doubles it."""
    if len(data) <= block:
        return [(0, len(data))]
    pieces: list[tuple[int, int]] = []
    carried = 0  # where the unfinished line of the block before begins
    for start in range(0, len(data), block):
        end = min(start + block, len(data))
        if end == len(data):  # the last block is taken whole
            first = _LINE_END.search(data, start, end)
            if carried < start and first:
                pieces.append((carried, first.end()))
                carried = first.end()
            pieces.append((carried, end))
            break
        if carried < start:
            first = _LINE_END.search(data, start, end)
            if first is None:
                return _pieces(data, block * 2)
            pieces.append((carried, first.end()))
            carried = first.end()
        whole = max(data.rfind(b"\n", carried, end), data.rfind(b"\r", carried, end)) + 1
        if whole > carried:
            pieces.append((carried, whole))
            carried = whole
    return pieces


# --- CSV ---------------------------------------------------------------------------------------

_END = "\0end\0"


def _csv(file: MetadataFile, table: Table, separator: str) -> None:
    try:
        text = file.data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LoadError(f"{file.name} is not UTF-8", rule="D106") from None
    rows = _csv_rows(text, separator, file.name, table.troubles)
    if not rows:
        raise LoadError(f"{file.name} is empty", rule="D107")
    header, rows = rows[0], rows[1:]
    names = _header(header)
    if rows:
        # the first row may be longer than the header: pandas then takes its first fields for an
        # index, and the columns shift; a later one that is longer is an error
        width = max(len(names), len(rows[0][1]))
        names += [f"__index_level_{n}__" for n in range(width - len(names))]
        for line, fields in rows[1:]:
            if len(fields) > width:
                reason = f"{file.name}:{line}: {len(fields)} fields for {width} columns"
                raise LoadError(reason, rule=_told(table.troubles, Wrong.CSV_COLUMNS, "D108"))
        shift = width - len(header[1])
        values = [_shifted(fields, width, shift) for _, fields in rows]
        for start in range(0, len(values), CSV_CHUNK):
            columns = list(zip(*values[start : start + CSV_CHUNK], strict=True))
            kinds = {name: csv_kind(columns[n]) for n, name in enumerate(names)}
            chunk = [
                dict(zip(names, value, strict=True)) for value in values[start : start + CSV_CHUNK]
            ]
            table.chunks.append((kinds, chunk))


def _told(troubles: frozenset[Wrong], kind: Wrong, rule: str) -> str | None:
    return rule if kind in troubles else None


def _csv_rows(
    text: str, separator: str, name: str, troubles: frozenset[Wrong]
) -> list[tuple[int, list[str]]]:
    """(line, fields); blank lines are passed over. A quote open at the end is an error."""
    closed = text if text.endswith(("\n", "\r")) else text + "\n"
    reader = csv.reader(io.StringIO(closed + _END, newline=""), delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    written = re.split(r"\r\n|\n|\r", closed + _END)
    line = 1
    try:
        for fields in reader:
            # a blank line is none; a line of two quotes is a row with an empty field
            blank = len(fields) < 2 and not written[line - 1].strip(" \t")
            if fields and not blank:
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise LoadError(f"{name}:{reader.line_num}: {error}", sure=False) from None
    if not rows or rows[-1][1] != [_END]:
        rule = _told(troubles, Wrong.CSV_QUOTE, "D109")
        raise LoadError(f"{name}: a quote is never closed", rule=rule)
    return rows[:-1]


def _header(row: tuple[int, list[str]]) -> list[str]:
    """Names as pandas makes them: `Unnamed: 2` for none, `text.1` for the second `text`."""
    names: list[str] = []
    seen: dict[str, int] = {}
    for number, written in enumerate(row[1]):
        name = written or f"Unnamed: {number}"
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.append(f"{name}.{count}" if count else name)
    return names


def _shifted(fields: list[str], width: int, shift: int) -> list[str | None]:
    padded: list[str | None] = [csv_value(field) for field in fields]
    padded += [None] * (width - len(padded))
    return padded[shift:] + padded[:shift]


# --- parquet -----------------------------------------------------------------------------------

_LIST_OF = regex(r"(?:large_)?list<\w+: ((?:large_)?string)(?: not null)?>")


def _parquet(file: MetadataFile, table: Table) -> None:
    for trouble in file.troubles:
        readable = "needs pyarrow" not in trouble.message
        raise LoadError(f"{file.name} {trouble.message}", sure=readable, rule="D112")
    kinds: dict[str, Kind] = {}
    for name, written in file.types.items():
        match = _LIST_OF.fullmatch(written)
        kinds[name] = ("list", match[1]) if match else written
    if file.rows:
        table.chunks.append((kinds, [row.values for row in file.rows]))
