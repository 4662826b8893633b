"""Fixes of parquet and WebDataset shards: each is written anew, with every picture as it was."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hubtools.dataset.edits.rewrites import parquet_edit
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.loaders.parquet_files import ParquetTable, picture_type, told_features
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.rules.shards import parquet_tables
from hubtools.dataset.shards.held import Form
from hubtools.dataset.view import Dataset


@fixes("D805", safe="writes all shards with the same columns")
@fixes("D806", safe="writes pictures as loaders want them, with the Image feature")
@fixes("D809", safe="writes row groups of 100 rows or 24 MB")
@fixes("D807", safe="gives files of a WebDataset names without dots")
def shards(draft: Draft) -> None:
    """D805, D806, D807, D809: shards are read as they are meant."""
    if draft.shards is None or any(file.edits for file in draft.files.values()):
        return
    wanted = [r for r in ("D805", "D806", "D807", "D809") if draft.wants(r)]
    found = DATASET_RULES.run(draft.shards, select=wanted) if wanted else []
    if any(one.rule == "D807" for one in found):
        for name in draft.shards.contents.shards or {}:
            if not name.endswith(".parquet"):
                _edit(draft, name, "keys", {"D807": "write names without dots"})
    rules = tuple(sorted({one.rule for one in found if one.rule != "D807"}))
    if rules:
        _parquet(draft, draft.shards, rules)


def _edit(draft: Draft, name: str, edit: str, notes: Mapping[str, str]) -> None:
    if name not in draft.files or not draft.may_edit(name):
        return
    file = draft.files[name]
    file.edits = (edit,)
    for rule, what in notes.items():
        file.notes.add(rule, what)
    draft.changed()


def _parquet(draft: Draft, looked: Dataset, rules: tuple[str, ...]) -> None:
    import pyarrow as arrow

    tables = parquet_tables(looked)
    forms = {table.name: _forms(table) for table in tables}
    pictures = {name for held in forms.values() for name in held}
    names = _captions(draft, tables) if "D805" in rules else {}
    types = _types(tables, pictures, forms, names) if "D805" in rules else {}
    if types is None:
        for table in tables:
            draft.left.setdefault(table.name, "a column has types that nothing can be made of")
        return
    declared = "D806" in rules or "D805" in rules
    for table in tables:
        own = {one.name: one.type for one in table.schema}
        if declared:
            own |= {name: _stored_as(own[name]) for name in forms[table.name]}
        fields = types or own
        schema = arrow.schema(
            list(fields.items()), metadata=_metadata(table, fields, pictures if declared else set())
        )
        held = forms[table.name] if declared else {}
        whole = table.schema.equals(schema, check_metadata=True)
        if whole and "D809" not in rules:
            continue
        renamed = {new: old for old, new in names.get(table.name, {}).items()}
        told = {
            "D805": f"write it with the columns {', '.join(fields)}",
            "D806": "write the Image feature",
            "D809": "write smaller row groups",
        }
        notes = {rule: told[rule] for rule in rules}
        for new, old in renamed.items():
            if draft.wants("D501"):
                notes["D501"] = f"rename the column {old} to {new}"
        _edit(draft, table.name, parquet_edit(schema, held, renamed), notes)


def _captions(draft: Draft, tables: Iterable[ParquetTable]) -> dict[str, dict[str, str]]:
    """By shard, the column to be renamed and its new name: where each shard has one column that
    captions are usually in, and it is not the same in all."""
    found: dict[str, str] = {}
    for table in tables:
        usual = [name for name in (draft.caption, *_USUAL) if name in table.schema.names]
        if len(set(usual)) != 1 or not _is_text(table.schema.field(usual[0]).type):
            return {}
        found[table.name] = usual[0]
    if len(set(found.values())) < 2:
        return {}
    wanted = draft.caption if draft.caption in found.values() else next(iter(found.values()))
    return {name: {old: wanted} for name, old in found.items() if old != wanted}


_USUAL = ("text", "caption", "prompt", "description", "txt")


def _is_text(kind: Any) -> bool:
    import pyarrow as arrow

    return bool(arrow.types.is_string(kind) or arrow.types.is_large_string(kind))


def _forms(table: ParquetTable) -> dict[str, Form]:
    """How each column of pictures holds them."""
    return {name: table.forms[name] for name in table.named}


def _stored_as(kind: Any) -> Any:
    """The type of a column of pictures once it is as `datasets` writes it."""
    import pyarrow as arrow

    many = arrow.types.is_list(kind) or arrow.types.is_large_list(kind)
    return arrow.list_(picture_type()) if many else picture_type()


def _types(
    tables: Iterable[ParquetTable],
    pictures: set[str],
    forms: Mapping[str, Mapping[str, Form]],
    names: Mapping[str, Mapping[str, str]],
) -> dict[str, Any] | None:
    """One type for each column of all shards, in the order in which they appear; None if there is
    none that takes all values."""
    import pyarrow as arrow

    seen: dict[str, list[tuple[ParquetTable, Any]]] = {}
    for table in tables:
        for one in table.schema:
            kind = one.type.value_type if arrow.types.is_dictionary(one.type) else one.type
            if one.name in pictures:
                if one.name not in forms[table.name] and table.rows:
                    return None  # here it is something else
                kind = _stored_as(kind)
            name = names.get(table.name, {}).get(one.name, one.name)
            seen.setdefault(name, []).append((table, kind))
    found: dict[str, Any] = {}
    for name, kinds in seen.items():
        joined = _joined(name, kinds)
        if joined is None:
            return None
        found[name] = joined
    return found


def _joined(name: str, kinds: list[tuple[ParquetTable, Any]]) -> Any:
    import pyarrow as arrow

    different = list(dict.fromkeys(kind for _, kind in kinds if not arrow.types.is_null(kind)))
    if len(different) < 2:
        return different[0] if different else arrow.null()
    schemas = [arrow.schema([(name, kind)]) for kind in different]
    try:
        return arrow.unify_schemas(schemas, promote_options="permissive").field(name).type
    except arrow.ArrowException:
        pass
    if all(not arrow.types.is_nested(kind) for kind in different):
        return arrow.string()
    return None


def _metadata(
    table: ParquetTable, fields: Mapping[str, Any], pictures: set[str]
) -> dict[bytes, bytes]:
    """What the schema tells `datasets`: the features it had of columns that stay what they are, and
    of those that are pictures now. What hubtools wrote of other columns is left out."""
    old = dict(table.schema.metadata or {})
    features = {
        name: told
        for name, told in told_features(old).items()
        if name in fields and name not in pictures
    }
    many = {name for name in pictures if name in fields and str(fields[name]).startswith("list")}
    image = {"_type": "Image"}
    features |= {
        name: {"feature": image, "_type": "List"} if name in many else image
        for name in sorted(pictures & fields.keys())
    }
    kept = {b"hubtools"} if list(fields) == table.schema.names else set()
    told = {key: value for key, value in old.items() if key in kept}
    return told | {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
