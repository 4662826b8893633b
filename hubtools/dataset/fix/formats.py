"""Fixes of metadata files as a whole: wrong names, two formats, none at all."""

from __future__ import annotations

import gzip
import io
import json
import zlib

from hubtools.dataset.edits.load_tables import load_table
from hubtools.dataset.edits.tables import IS_PARQUET, Notes, Record, Table
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.records import contained
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.named import resolved
from hubtools.files import human_bytes
from hubtools.safe_yaml import load_yaml

_UNPACKED = 32_000_000  # bytes of a misnamed file, unpacked


@fixes(
    "D113",
    safe="makes a metadata.jsonl, metadata.csv or metadata.parquet of it",
    unsafe="drop-rows",
)
def misnamed(draft: Draft) -> None:
    """D113: a metadata file has the name that loaders look for."""
    for finding in draft.findings("D113"):
        name = str(finding.path)
        if name not in draft.files or not draft.may_edit(name):
            continue
        folder = draft.files[name].entry.folder
        table = _read(draft, name, folder)
        if table is None or [rule for rule in table.notes.rules if not draft.wants(rule)]:
            draft.left.setdefault(name, "it cannot be read as metadata")
            continue
        others = [other for other in draft.tables.values() if other.folder == folder]
        if others:
            _take_over(draft, name, table, others)
        elif table.records:
            data = draft.read(name)
            draft.files.pop(name)
            table.changed = table.form != "parquet" and table.render() != data
            table.notes.add("D113", f"name it {table.name.rpartition('/')[2]}")
            draft.tables[table.name] = table
            draft.changed()


def _read(draft: Draft, name: str, folder: str) -> Table | None:
    """The table that a misnamed file holds."""
    if draft.files[name].entry.size > _UNPACKED:
        draft.left[name] = f"it has more than {human_bytes(_UNPACKED)}"
        return None
    data = draft.read(name)
    base = name.rpartition("/")[2].lower()
    if base.endswith(".gz"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
                data = packed.read(_UNPACKED + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return None
    if len(data) > _UNPACKED:
        draft.left[name] = f"it has more than {human_bytes(_UNPACKED)}"
        return None
    if base.endswith(".xlsx"):
        draft.left[name] = "a spreadsheet: export it as CSV (UTF-8)"
        return None
    if base.endswith((".yaml", ".yml")):
        made = _from_yaml(data)
        if made is None:
            return None
        data = made
    if base.endswith((".parq", ".parquet")):
        ending = "parquet"
    elif base.endswith((".csv", ".csv.txt", ".tsv")):
        ending = "csv"
    else:
        ending = "jsonl"
    target = f"{folder}/metadata.{ending}" if folder else f"metadata.{ending}"
    table = load_table(
        target, data, caption=draft.caption, resolve_doubt=draft.may("drop-rows"), source=name
    )
    if table.form != "parquet":
        table.records = [record for record in table.records if record.values or record.raw]
        if table.locked or (table.records and all(record.raw for record in table.records)):
            return None
    return table


def _from_yaml(data: bytes) -> bytes | None:
    import yaml

    try:
        value = load_yaml(data)
        if isinstance(value, dict):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return None
        return b"".join(json.dumps(item).encode() + b"\n" for item in value)
    except (yaml.YAMLError, TypeError, ValueError):
        return None


def _take_over(draft: Draft, name: str, extra: Table, others: list[Table]) -> None:
    """Beside proper metadata: what the misnamed file adds is taken over, and it goes. If it
    contradicts, it stays, unless asked by name."""
    known: dict[str, list[Record]] = {}
    for _, record, picture in draft.rows():
        known.setdefault(picture, []).append(record)
    new: list[Record] = []
    keys = {key for record in extra.records for key in record.values}
    target = next((table for table in others if table.takes(*keys)), None)
    for record in extra.records:
        name_of = resolved(extra.folder, record.values.get(FILE_NAME)) or ""
        if not record.raw and any(contained(record, r) for r in known.get(name_of, ())):
            continue
        if not record.raw and name_of in draft.files and name_of not in known and target:
            new.append(record)
            known[name_of] = [record]
        elif not draft.may("drop-rows"):
            draft.left[name] = "it contradicts the metadata, or names no picture of the set"
            return
    for record in new:
        assert target is not None
        target.add(dict(record.values), "D113", f"take over a record of {name}")
    draft.remove(name, "D113", "no loader reads it, and the metadata says the same")


@fixes("D114", safe="writes all records into metadata.jsonl")
def two_formats(draft: Draft) -> None:
    """D114: all metadata is JSON Lines."""
    if not draft.finds("D114"):
        return
    for table in list(draft.tables.values()):
        if table.form == "jsonl" or not _is_json(table):
            continue
        name = f"{table.folder}/metadata.jsonl" if table.folder else "metadata.jsonl"
        target = draft.tables.get(name)
        if target is None:
            _convert(draft, table, name)
            continue
        if target.locked is not None:
            continue
        known: dict[str | None, list[Record]] = {}
        for record in target.records:
            picture = resolved(target.folder, record.values.get(FILE_NAME))
            known.setdefault(picture, []).append(record)
        for record in table.records:
            picture = resolved(table.folder, record.values.get(FILE_NAME))
            if not any(contained(record, other) for other in known.get(picture, ())):
                target.add(dict(record.values), "D114", f"take over a record of {table.name}")
        notes = Notes()
        notes.add("D114", f"its records are in {name}")
        draft.remove_table(table.name, notes)


def _is_json(table: Table) -> bool:
    if table.locked not in (None, IS_PARQUET) or not table.records:
        return False
    try:
        json.dumps([record.values for record in table.records])
    except (TypeError, ValueError):
        return False
    return not any(record.raw for record in table.records)


def _convert(draft: Draft, table: Table, name: str) -> None:
    del draft.tables[table.name]
    records = [Record(dict(record.values)) for record in table.records]
    new = Table(name, table.source, "jsonl", records, notes=table.notes)
    new.touch("D114", "write it as JSON Lines, as the other metadata")
    draft.tables[name] = new
    draft.changed()


@fixes("D107", safe="removes the empty file")
def empty(draft: Draft) -> None:
    """D107: no metadata file is empty."""
    for finding in draft.findings("D107"):
        table = draft.tables[str(finding.path)]
        if table.locked is None and not table.records:
            notes = Notes()
            notes.add("D107", "it holds no record")
            draft.remove_table(table.name, notes)
