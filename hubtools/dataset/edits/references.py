"""The places in metadata that name files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubtools.dataset.edits.tables import Record, Table, is_file_column
from hubtools.dataset.metadata.named import resolved


@dataclass
class Reference:
    """A place in a record that names a file."""

    table: Table
    record: Record
    column: str
    index: int | None  # in a list


def references_in(tables: Iterable[Table]) -> dict[str, list[Reference]]:
    """Where each file is named, by its name."""
    found: dict[str, list[Reference]] = {}
    for table in tables:
        for record in table.records:
            for column, value in record.values.items():
                if not is_file_column(column, value):
                    continue
                items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
                for index, item in items:
                    name = resolved(table.folder, item)
                    if name is not None:
                        place = Reference(table, record, column, index)
                        found.setdefault(name, []).append(place)
    return found


def relative(folder: str, name: str) -> str | None:
    """How a metadata file in `folder` names the file `name`; None if it lies elsewhere."""
    if not folder:
        return name
    return name[len(folder) + 1 :] if name.startswith(f"{folder}/") else None


def is_free(place: Reference) -> bool:
    """True if the record may be changed."""
    return place.table.locked is None and not place.record.raw


def point(place: Reference, value: str, rule: str) -> None:
    """Let a record name another file."""
    values = dict(place.record.values)
    if place.index is None:
        values[place.column] = value
    else:
        items = list(values[place.column])
        items[place.index] = value
        values[place.column] = items
    place.table.put(place.record, values, rule, "name a renamed picture")
