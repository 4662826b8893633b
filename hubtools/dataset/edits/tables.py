"""Metadata files as tables that can be changed and written again."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from hubtools.dataset.edits.recover import decode
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata import FILE_NAME, Kind, parse_metadata

Form = Literal["jsonl", "csv", "parquet"]

IS_PARQUET = "it is a parquet file"  # and is written as another form only
BEYOND = "a part of it is beyond the limits"
RULE_OF = {
    Kind.JSON: "D101",
    Kind.MULTI_LINE: "D102",
    Kind.ARRAY: "D103",
    Kind.NOT_OBJECT: "D104",
    Kind.DUPLICATE_KEY: "D105",
    Kind.ENCODING: "D106",
    Kind.EMPTY: "D107",
    Kind.CSV_COLUMNS: "D108",
    Kind.CSV_QUOTE: "D109",
    Kind.CSV_HEADER: "D110",
    Kind.CSV_DELIMITER: "D111",
    Kind.PARQUET: "D112",
    Kind.TOO_LARGE: "D124",
    Kind.LIMIT: "D125",
    Kind.COLUMNS: "D126",
}


@dataclass
class Record:
    """One record. `text` is its line as the file has it, while nothing is changed; a `raw` record
    could not be understood (or not for certain) and is written as it was."""

    values: dict[str, Any]
    text: str | None = None
    fields: list[str] | None = None  # of a raw record in CSV
    raw: bool = False


class Notes:
    """What is done to a file, by rule."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, rule: str, what: str) -> None:
        """`what` is a phrase such as "correct a file name"; said again, it is counted."""
        self._counts[rule, what] += 1

    def remove(self, rule: str) -> None:
        """Forget what was said under a rule."""
        for key in [key for key in self._counts if key[0] == rule]:
            del self._counts[key]

    def take(self, other: Notes) -> None:
        """Add another file's notes."""
        self._counts.update(other._counts)

    def __bool__(self) -> bool:
        return bool(self._counts)

    @property
    def rules(self) -> tuple[str, ...]:
        """Rule ids, sorted; an unsafe fix that no rule asks for has none."""
        return tuple(sorted({rule for rule, _ in self._counts if rule}))

    @property
    def why(self) -> tuple[str, ...]:
        """The phrases, with how often each applies."""
        counts: Counter[str] = Counter()
        for (_, what), count in self._counts.items():
            counts[what] += count
        return tuple(
            what if count == 1 else f"{what} ({count} times)" for what, count in counts.items()
        )


@dataclass
class Table:
    """A metadata file as it would be. `source` is the file it comes from, None if it is new;
    `locked` says why it must be left as it is."""

    name: str
    source: str | None
    form: Form
    records: list[Record] = field(default_factory=list)
    header: list[str] = field(default_factory=list)  # CSV only
    locked: str | None = None
    changed: bool = False
    version: int = 0  # grows with every change
    notes: Notes = field(default_factory=Notes)

    @property
    def folder(self) -> str:
        """The folder that names in this table are relative to."""
        return self.name.rpartition("/")[0]

    @property
    def editable(self) -> Iterator[Record]:
        """Records that may be changed."""
        if self.locked is None:
            yield from (record for record in self.records if not record.raw)

    def takes(self, *keys: str) -> bool:
        """True if records with these keys can be added: a CSV row that was not understood would
        mean something else under a wider header."""
        if self.locked is not None:
            return False
        raw = any(record.raw for record in self.records)
        return self.form != "csv" or not raw or all(key in self.header for key in keys)

    def touch(self, rule: str, what: str) -> None:
        """Say that something was changed, and why."""
        self.changed = True
        self.version += 1
        self.notes.add(rule, what)

    def put(self, record: Record, values: dict[str, Any], rule: str, what: str) -> None:
        """Give a record these values."""
        record.values = values
        record.text = None
        if self.form == "csv":
            self.header.extend(key for key in values if key not in self.header)
        self.touch(rule, what)

    def add(self, values: dict[str, Any], rule: str, what: str) -> None:
        """Append a record."""
        record = Record({})
        self.records.append(record)
        self.put(record, values, rule, what)

    def drop(self, gone: Iterable[Record], rule: str, what: str) -> None:
        """Remove records."""
        ids = {id(record) for record in gone}
        for _ in ids:
            self.touch(rule, what)
        self.records = [record for record in self.records if id(record) not in ids]

    def columns(self) -> list[str]:
        """Keys in the order they first appear."""
        if self.form == "csv":
            return list(self.header)
        return list(dict.fromkeys(key for record in self.records for key in record.values))

    def render(self) -> bytes:
        """The file, in UTF-8."""
        if self.form == "csv":
            return self._csv()
        lines = []
        for record in self.records:
            if record.text is not None:
                lines.append(record.text)
            else:
                lines.append(json.dumps(record.values, ensure_ascii=False))
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")

    def _csv(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.header)
        for record in self.records:
            if record.fields is not None:
                writer.writerow(record.fields)
            else:
                cells = [record.values.get(name) for name in self.header]
                writer.writerow([_cell(value) for value in cells])
        return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def troubles_of(name: str, data: bytes) -> Counter[str]:
    """Rule ids of what the reader finds wrong with a file, counted."""
    found = parse_metadata(Entry(name, len(data), 0), data)
    return Counter(RULE_OF[trouble.kind] for trouble in found.troubles)


def load_table(
    name: str, data: bytes, *, caption: str, resolve_doubt: bool, source: str | None = None
) -> Table:
    """Read a metadata file as far as it can be understood; `name` says how (its ending).

    `resolve_doubt`: of two different values under one key take the last, drop what cannot be read.
    What the reading alone has repaired is in `notes`, and `changed` says that it has.
    """
    from hubtools.dataset.edits.read_csv import read_csv
    from hubtools.dataset.edits.read_jsonl import read_jsonl

    source = source or name
    ending = name.rpartition(".")[2]
    if ending == "parquet":
        found = parse_metadata(Entry(name, len(data), 0), data)
        if found.partial:
            return Table(name, source, "parquet", locked=BEYOND)
        records = [Record(row.values) for row in found.rows]
        return Table(name, source, "parquet", records, locked=IS_PARQUET)
    form: Form = "csv" if ending == "csv" else "jsonl"
    table = Table(name, source, form)
    if parse_metadata(Entry(name, len(data), 0), data).partial:
        table.locked = BEYOND
        return table
    text = decode(data)
    # what is written must be read again as the same
    if text is None or decode(text.encode("utf-8", "replace")) != text:
        table.locked = "its encoding is unknown"
        return table
    if form == "csv":
        read_csv(text, table, caption, resolve_doubt)
        _settle(table, caption, resolve_doubt)
    else:
        table.records = read_jsonl(text, name, resolve_doubt)
        for _ in range(4):  # what is left when commas are gone may be an array, or nothing
            again = table.render()
            if again == data:
                break
            records = read_jsonl(again.decode("utf-8"), name, resolve_doubt)
            if Table(name, source, form, records).render() == again:
                break
            table.records = records
        else:
            table.locked = "its records can be read in more than one way"
    written = table.render() if table.locked is None else b""
    if decode(written) != written.decode("utf-8"):
        table.locked = "its encoding is unknown"
    if table.locked is None:
        before, after = troubles_of(name, data), troubles_of(name, written)
        for rule in sorted(before - after):
            if rule != "D107":  # nothing is left to write; the planner decides
                unread = rule == "D101" and resolve_doubt
                table.touch(rule, REPAIRED[rule] + (", remove what is beyond it" if unread else ""))
    return table


def _settle(table: Table, caption: str, resolve_doubt: bool) -> None:
    """Read what would be written until it stays as it is: a row that was put together, or a quote
    that was taken away, may make others readable."""
    from hubtools.dataset.edits.read_csv import read_csv

    before: bytes | None = None
    for _ in range(4):
        data = table.render()
        if table.locked is not None or data == before:
            return
        again = Table(table.name, table.source, "csv")
        read_csv(data.decode("utf-8"), again, caption, resolve_doubt)
        before, table.locked = data, again.locked
        table.header, table.records = again.header, again.records
    table.locked = "its rows can be read in more than one way"


REPAIRED = {
    "D101": "repair records that are no JSON",
    "D102": "write each record on one line",
    "D103": "write the array as one record a line",
    "D104": "remove what is no record",
    "D105": "keep one value of each key",
    "D106": "write it in UTF-8",
    "D108": "give each row as many fields as there are columns",
    "D109": "take away a quote that is never closed",
    "D110": "write column names without spaces",
    "D111": "separate columns by commas",
}


def is_file_column(name: str, value: Any) -> bool:
    """True for a column that names files: file_name, mask_file_name, file_names, ..."""
    if name == FILE_NAME or name.endswith("_file_name"):
        return isinstance(value, str)
    return name.endswith("file_names") and isinstance(value, list)
