"""Fixes of metadata that lies beside the archive of its pictures."""

from __future__ import annotations

import json

from hubtools.dataset.edits.rewrites import pack_edit
from hubtools.dataset.edits.tables import Notes, Table, is_file_column
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.folder.packed import Member
from hubtools.dataset.metadata.named import resolved

_NAME = "metadata.jsonl"


@fixes("D228", safe="puts the metadata into the zip file of its pictures")
def packed(draft: Draft) -> None:
    """D228: metadata lies in the archive that has its pictures."""
    if not draft.finds("D228"):
        return
    texts: dict[str, list[str]] = {}
    gone: list[Table] = []
    for table in draft.tables.values():
        lines = _lines(table, draft.view.packed)
        if lines is None:
            return  # one that stays would speak for all
        gone.append(table)
        for archive, added in lines.items():
            texts.setdefault(archive, []).extend(added)
    if not all(name.lower().endswith(".zip") and draft.may_edit(name) for name in texts):
        return
    for name, added in texts.items():
        file = draft.files[name]
        file.edits = (pack_edit({_NAME: "".join(added)}),)
        file.notes.add("D228", f"put {len(added)} records into it as {_NAME}")
    for table in gone:
        notes = Notes()
        notes.add("D228", f"its records are in {', '.join(texts)}")
        draft.remove_table(table.name, notes)
    draft.changed()


def _lines(table: Table, inside: dict[str, Member]) -> dict[str, list[str]] | None:
    """The records as lines, by archive, with the names that pictures have there; None if some of
    them name no picture of an archive, or of several."""
    found: dict[str, list[str]] = {}
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
            there = [member.name.removeprefix("./") for member in members if member]
            archives.update(member.archive for member in members if member)
            values[key] = there if isinstance(value, list) else there[0]
        if record.raw or len(archives) != 1:
            return None
        try:
            line = json.dumps(values, ensure_ascii=False)
        except (TypeError, ValueError):
            return None
        found.setdefault(archives.pop(), []).append(line + "\n")
    return found
