"""The places in metadata that name files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import NamedTuple

from hubtools.dataset.edits.tables import Record, Table, is_file_column
from hubtools.dataset.folder.names import fold
from hubtools.dataset.metadata.named import FILE_NAME, resolved
from hubtools.dataset.metadata.roles import RoleColumns, Roles, names_files, roles_of


@dataclass
class Reference:
    """A place in a record that names a file."""

    table: Table
    record: Record
    column: str
    index: int | None  # in a list


def references_in(
    tables: Iterable[Table], there: Collection[str] = ()
) -> dict[str, list[Reference]]:
    """Where each file is named, by its name. A name that none of `there` has counts for the one of
    them that it may mean (some disks know no case), where nothing else names that."""
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
    lost = [name for name in found if name not in there] if there else []
    if lost:
        meant: dict[str, list[str]] = {}
        for name in there:
            meant.setdefault(fold(name), []).append(name)
        exact = found.keys() - lost
        for name in lost:
            near = meant.get(fold(name), ())
            if len(near) == 1 and near[0] not in exact:
                found.setdefault(near[0], []).extend(found.pop(name))
    return found


def relative(folder: str, name: str) -> str | None:
    """How a metadata file in `folder` names the file `name`; None if it lies elsewhere."""
    if not folder:
        return name
    return name[len(folder) + 1 :] if name.startswith(f"{folder}/") else None


def is_free(place: Reference) -> bool:
    """True if the record may be changed."""
    return place.table.locked is None and not place.record.raw


def learnt_by(key_of: Callable[[Table], str]) -> Callable[[Reference], bool]:
    """What tells whether a place names the picture that its record is about. `key_of` is asked once
    a table: the answer may take a walk through all its records."""
    keys: dict[int, tuple[Table, str]] = {}

    def is_learnt(place: Reference) -> bool:
        table = place.table
        if id(table) not in keys:
            keys[id(table)] = table, key_of(table)
        return not place.index and place.column == keys[id(table)][1]

    return is_learnt


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


def drop_records(gone: Iterable[tuple[Reference, str]], what: str) -> None:
    """Remove the records in which places are, each by a rule."""
    found: dict[tuple[int, str], tuple[Table, list[Record]]] = {}
    for place, rule in gone:
        found.setdefault((id(place.table), rule), (place.table, []))[1].append(place.record)
    for (_, rule), (table, records) in found.items():
        table.drop(records, rule, what)


class Learnt(NamedTuple):
    """A record with the picture that is to be learnt of it; None if it names none."""

    table: Table
    record: Record
    picture: str | None
    roles: Roles


def learnt_in(tables: Iterable[Table], told: RoleColumns) -> Iterator[Learnt]:
    """Every record, in order."""
    for table in tables:
        roles = roles_of(table.columns(), told)
        key = roles.image or FILE_NAME
        for record in table.records:
            value = record.values.get(key)
            if isinstance(value, list) and names_files(key):  # the first of them
                value = next(iter(value), None)
            yield Learnt(table, record, resolved(table.folder, value), roles)


def table_for(tables: MutableMapping[str, Table], picture: str) -> Table:
    """The nearest metadata file above a picture; a new one at the root if there is none."""
    folder = picture.rpartition("/")[0]
    while True:
        for table in tables.values():
            if table.folder == folder:
                return table
        if not folder:
            break
        folder = folder.rpartition("/")[0]
    csv = bool(tables) and all(table.form == "csv" for table in tables.values())
    table = Table("metadata.csv" if csv else "metadata.jsonl", None, "csv" if csv else "jsonl")
    tables[table.name] = table
    return table
