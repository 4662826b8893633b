"""Fixes of metadata that lies beside the archive of its pictures."""

from __future__ import annotations

import json
from typing import Any

from hubtools.dataset.edits.rewrites import pack_edit, rows_edit
from hubtools.dataset.edits.tables import Notes, Table, is_file_column
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.folder.packed import Member
from hubtools.dataset.metadata.named import resolved

_NAME = "metadata.jsonl"


@fixes("D228", safe="puts the metadata into the archive of its pictures")
def packed(draft: Draft) -> None:
    """D228: metadata lies in the archive that has its pictures."""
    if not draft.finds("D228"):
        return
    texts: dict[str, list[dict[str, Any]]] = {}
    gone: list[Table] = []
    for table in draft.tables.values():
        lines = _lines(table, draft.view.packed)
        if lines is None:
            return  # one that stays would speak for all
        gone.append(table)
        for archive, added in lines.items():
            texts.setdefault(archive, []).extend(added)
    if not all(_edit(name, added) and draft.may_edit(name) for name, added in texts.items()):
        return
    for name, added in texts.items():
        file = draft.files[name]
        file.edits = (_edit(name, added) or "",)
        how = f"as {_NAME}" if name.lower().endswith(".zip") else "beside its pictures"
        file.notes.add("D228", f"put {len(added)} records into it {how}")
    for table in gone:
        notes = Notes()
        notes.add("D228", f"its records are in {', '.join(texts)}")
        draft.remove_table(table.name, notes)
    draft.changed()


def _edit(name: str, rows: list[dict[str, Any]]) -> str | None:
    """The edit that puts records into an archive; None if it cannot have them."""
    if name.lower().endswith(".zip"):
        return pack_edit({_NAME: "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)})
    if not name.lower().endswith((".tar", ".tar.gz", ".tgz")):
        return None
    beside: dict[str, str] = {}
    for row in rows:  # WebDataset has one row a picture
        files = [key for key, value in row.items() if is_file_column(key, value)]
        if len(files) != 1 or not isinstance(row[files[0]], str) or row[files[0]] in beside:
            return None
        values = {key: value for key, value in row.items() if key != files[0]}
        beside[row[files[0]]] = json.dumps(values, ensure_ascii=False)
    return rows_edit(beside)


def _lines(table: Table, inside: dict[str, Member]) -> dict[str, list[dict[str, Any]]] | None:
    """The records by archive, with the names that pictures have there; None if some of
    them name no picture of an archive, or of several."""
    found: dict[str, list[dict[str, Any]]] = {}
    if table.locked is not None or not table.records:
        return None
    for record in table.records:
        values = dict(record.values)
        archives = set[str]()
        for key, value in values.items():
            if not is_file_column(key, value):
                continue
            names = value if isinstance(value, list) else [value]
            members = [inside.get(resolved(table.folder, name) or "") for name in names]
            if None in members:
                return None
            there = [_inside(member) for member in members if member]
            archives.update(member.archive for member in members if member)
            values[key] = there if isinstance(value, list) else there[0]
        if record.raw or len(archives) != 1:
            return None
        try:
            json.dumps(values, ensure_ascii=False)
        except (TypeError, ValueError):
            return None
        found.setdefault(archives.pop(), []).append(values)
    return found


def _inside(member: Member) -> str:
    """What records in the archive call a picture."""
    zipped = member.archive.lower().endswith(".zip")
    return member.name.removeprefix("./") if zipped else member.name
