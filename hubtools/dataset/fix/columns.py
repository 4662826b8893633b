"""Fixes of whole columns: the one that names the pictures, types, missing keys, their order."""

from __future__ import annotations

import json
from typing import Any

from hubtools.dataset.edits.read_csv import read_again
from hubtools.dataset.edits.tables import REPAIRED, Record, Table
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.rules.captions import caption_columns
from hubtools.dataset.rules.partners import text_columns


@fixes("D115", safe="renames the column that holds the names of pictures")
def name_column(draft: Draft) -> None:
    """D115: the column of the pictures' names is called file_name."""
    for finding in draft.findings("D115"):
        table = draft.tables[str(finding.path)]
        column = next((c for c in table.columns() if _names_pictures(draft, table, c)), None)
        if column is not None and table.locked is None:
            what = f"rename the column {column} to {FILE_NAME}"
            rename_column(table, column, FILE_NAME, "D115", what)


_USUAL = {"filename", "file", "image", "image_file", "path", "file name", "img", "name"}


def _names_pictures(draft: Draft, table: Table, column: str) -> bool:
    """True if all texts of the column are names of pictures (of usual columns, at least one)."""
    texts = [record.values.get(column) for record in table.editable]
    texts = [text for text in texts if isinstance(text, str) and text.strip()]
    good = [text for text in texts if is_picture_name(str(text))]
    usual = column.lower().strip() in _USUAL
    return bool(good) and (usual or len(good) == len(texts))


def is_picture_name(text: str) -> bool:
    """True for a text with the ending of a picture."""
    stem, dot, ending = text.strip().rpartition(".")
    return bool(stem and dot) and ("." + ending.lower()) in PICTURE_ENDINGS | FOREIGN_ENDINGS


def rename_column(table: Table, old: str, new: str, rule: str, what: str) -> None:
    """Give a column a new name in all records, at its old place."""
    if table.form == "csv":
        table.header = [new if name == old else name for name in table.header]
    for record in table.records:
        if old in record.values and not record.raw:
            record.values = {new if k == old else k: v for k, v in record.values.items()}
            record.text = None
    table.touch(rule, what)


@fixes("D227", safe="renames the column that names pictures, so that loaders open them")
def pictures_column(draft: Draft) -> None:
    """D227: columns that name pictures are called so."""
    for table in _tables(draft, "D227"):
        if table.locked is not None or any(record.raw for record in table.records):
            continue
        for file, column, _ in text_columns(draft.view):
            if file.name != table.name:
                continue
            many = isinstance(file.rows[0].values.get(column), list)
            new = f"{column}_{FILE_NAME}{'s' if many else ''}"
            if new not in table.columns():
                what = f"rename the column {column} to {new}"
                rename_column(table, column, new, "D227", what)


@fixes("D117", safe="renames the column")
def image_column(draft: Draft) -> None:
    """D117: no column is called image."""
    for finding in draft.findings("D117"):
        table = draft.tables[str(finding.path)]
        if table.locked is None and not any(record.raw for record in table.records):
            taken = set(table.columns())
            new = next(n for n in ("subject", "image_text", "image_value") if n not in taken)
            rename_column(table, "image", new, "D117", f"rename the column image to {new}")


@fixes("D501", unsafe="rename-column")
def caption_column(draft: Draft) -> None:
    """D501, by name: the only text column is the caption column."""
    if not draft.may("rename-column"):
        return
    for finding in draft.findings("D501"):
        table = draft.tables[str(finding.path)]
        texts = caption_columns(table.columns(), [record.values for record in table.editable])
        usual = [name for name in ("text", "prompt", "caption") if name in texts]
        chosen = texts if len(texts) == 1 else usual[:1]
        if chosen:
            what = f"rename the column {chosen[0]} to {draft.caption}"
            rename_column(table, chosen[0], draft.caption, "D501", what)


@fixes("D108")
def rows_again(draft: Draft) -> None:
    """D108, once the columns have their names: rows that can be understood now."""
    for table in _tables(draft, "D108"):
        if table.form == "csv" and table.locked is None and read_again(table, draft.caption):
            table.touch("D108", REPAIRED["D108"])


@fixes("D118", safe="writes the column in one type")
def types(draft: Draft) -> None:
    """D118: every column has one type."""
    for table in _tables(draft, "D118"):
        for column in table.columns():
            records = [r for r in table.editable if r.values.get(column) is not None]
            kinds = {_kind(record.values[column]) for record in records}
            if len(kinds) < 2 or any(r.raw and column in r.values for r in table.records):
                continue
            for record in records:
                value = _as_one(record.values[column], kinds, tags=column == draft.caption)
                if value != record.values[column] or type(value) is not type(record.values[column]):
                    values = record.values | {column: value}
                    table.put(record, values, "D118", f"write {column} in one type")


def _tables(draft: Draft, rule: str) -> list[Table]:
    """The tables of which a rule has something to say, each once however much it says."""
    paths = dict.fromkeys(str(finding.path) for finding in draft.findings(rule))
    return [draft.tables[path] for path in paths if path in draft.tables]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return type(value).__name__


def _as_one(value: Any, kinds: set[str], *, tags: bool) -> Any:
    if tags and "dict" not in kinds:
        return ", ".join(map(_text, value)) if isinstance(value, list) else _text(value)
    if "list" in kinds and "dict" not in kinds:
        items = value if isinstance(value, list) else [value]
        return [_text(item) for item in items]
    return _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@fixes("D119", safe="writes null where the key is missing")
def missing_keys(draft: Draft) -> None:
    """D119: every record has every key."""
    for table in _tables(draft, "D119"):
        optional = (FILE_NAME, draft.caption)
        columns = [column for column in table.columns() if column not in optional]
        for record in list(table.editable):
            missing = [column for column in columns if column not in record.values]
            if missing:
                values = record.values | dict.fromkeys(missing)
                table.put(record, values, "D119", "write null where a key is missing")


@fixes("D121", safe="writes file_name first")
@fixes("D218", safe="writes the caption behind file_name")
def order(draft: Draft) -> None:
    """D121, D218: file_name comes first, then the caption."""
    for finding in draft.findings("D121", "D218"):
        if finding.path not in draft.tables:
            continue
        table = draft.tables[str(finding.path)]
        if table.locked is not None or table.positional:
            continue
        for record in table.editable:
            _reorder(record, draft.caption)
        leading = dict.fromkeys((FILE_NAME, draft.caption))  # the caption may be the name
        first = [name for name in leading if name in table.header]
        table.header = [*first, *(name for name in table.header if name not in first)]
        table.touch(finding.rule, "write file_name first, then the caption")


def _reorder(record: Record, caption: str) -> None:
    first = {key: record.values[key] for key in (FILE_NAME, caption) if key in record.values}
    record.values = first | record.values
    record.text = None
