"""Metadata files as tables that can be changed and written again."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring
from typing import Any, Literal

from hubtools.dataset.metadata.roles import names_file, names_files

Form = Literal["jsonl", "csv", "parquet"]

IS_PARQUET = "it is a parquet file"  # and is written as another form only
BEYOND = "a part of it is beyond the limits"


_WRITTEN = json.JSONEncoder(ensure_ascii=False)


def _line_of(values: dict[str, Any]) -> str:
    """A record as JSON; of texts alone, as most are, without the encoder's way round."""
    if {*map(type, values), *map(type, values.values())} != {str}:
        return _WRITTEN.encode(values)
    pairs = [f"{encode_basestring(key)}: {encode_basestring(text)}" for key, text in values.items()]
    return f"{{{', '.join(pairs)}}}"


@dataclass
class Record:
    """One record. `text` is its line, as the file has it or as it was last written, None once its
    values change; a `raw` record could not be understood (or not for certain) and is written as it
    was."""

    values: dict[str, Any]
    text: str | None = None
    fields: list[str] | None = None  # of a raw record in CSV
    raw: bool = False


class Notes:
    """What is done to a file, by rule."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, rule: str, what: str) -> None:
        """`what` is a phrase such as "correct a file name"; said again, it is counted. Nothing if
        it is "", where another note tells of the change."""
        if what:
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

    @property
    def positional(self) -> bool:
        """True with a CSV row that was not understood: what it means goes by the places of the
        columns, so that these must stay."""
        return self.form == "csv" and any(record.raw for record in self.records)

    def takes(self, *keys: str) -> bool:
        """True if records with these keys can be added: a CSV row that was not understood would
        mean something else under a wider header."""
        if self.locked is not None:
            return False
        return not self.positional or all(key in self.header for key in keys)

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
            if record.text is None:
                record.text = _line_of(record.values)
            lines.append(record.text)
        lines.append("")
        return "\n".join(lines).encode("utf-8", "backslashreplace")

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
    if names_file(name):
        return isinstance(value, str)
    return names_files(name) and isinstance(value, list)
