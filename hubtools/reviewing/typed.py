"""What is said of captions that are not written yet: their tokens, and what the rules find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata import MetadataFile, Row
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.rules.captions import OF_ONE_CAPTION
from hubtools.dataset.rules.judging import judge
from hubtools.dataset.view import Dataset
from hubtools.errors import HubtoolsError
from hubtools.reviewing import items
from hubtools.reviewing.pending import Key, Value

NO_RECORD = "D202"  # applying gives a picture whose caption was typed a record
JUDGED = frozenset({NO_RECORD, *OF_ONE_CAPTION})


def titles() -> dict[str, str]:
    """Of the rules `JUDGED`, by their ids."""
    return {rule.id: rule.title for rule in DATASET_RULES if rule.id in JUDGED}


def judged(
    looked: Dataset,
    entries: Mapping[Key, Value],
    keys: Mapping[Key, Value | None],
    rule_choice: Mapping[str, Any],
) -> list[list[Any]]:
    """`keys`, of which `entries` are pending, as JSON has them: [key, value, what is to be said of
    it]. Of a picture with several captions all that are pending are told anew, as what is found
    is of all of them."""
    names = {key[1] for key in keys if key[0] == "caption"}
    others = {
        key: value for key, value in entries.items() if key[0] == "caption" and key[1] in names
    }
    every = {**keys, **{key: value for key, value in others.items() if key not in keys}}
    pending: dict[str, dict[str, Any]] = {}
    for key, value in every.items():
        if value is not None and key[0] == "caption":
            pending.setdefault(key[1], {})[key[2]] = value["after"]
    found = findings_of(looked, pending, rule_choice)
    result = []
    for key, value in every.items():
        checks = None
        if value is not None and key[0] == "caption":
            checks = items.checked(looked, value["after"]) | {"findings": found.get(key[1], [])}
        result.append([list(key), value, checks])
    return result


def findings_of(
    looked: Dataset, pending: Mapping[str, Mapping[str, Any]], rule_choice: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """What the rules `JUDGED` find of pictures whose captions are `pending` (by picture: values by
    column), by picture, as the page has findings."""
    try:
        applied = DATASET_RULES.chosen(rule_choice["select"], rule_choice["ignore"])
        select = [rule.id for rule in applied if rule.id in OF_ONE_CAPTION]
        if not pending or not select:
            return {}
        alone = replace(looked, metadata=tuple(_files(looked, pending)))
        report = judge(alone, **{**rule_choice, "select": select})
    except HubtoolsError:
        return {}  # the report of all of them says why
    by_picture: dict[str, list[dict[str, Any]]] = items.found_by(report, {})["pictures"]
    return {name: found for name, found in by_picture.items() if name in pending}


def _files(looked: Dataset, pending: Mapping[str, Mapping[str, Any]]) -> Iterable[MetadataFile]:
    """The records of those pictures with what is pending, as metadata files of nothing else; a
    picture without a record has a file of its own, called as it is."""
    column, trigger = looked.settings.caption_column, looked.settings.trigger
    rows: dict[str, list[Row]] = {}
    for name, values in pending.items():
        first, *others = looked.rows_of.get(name) or [Row(name, None, {})]
        edited = first._replace(values={**first.values, **values})
        for row in (edited, *others):
            rows.setdefault(row.source, []).append(row)
    for file in looked.metadata:
        if found := [row for source in _sources(file) for row in rows.pop(source, ())]:
            told = [key for row in found for key in row.values]
            yield MetadataFile(file.entry, found, columns=[*dict.fromkeys([*file.columns, *told])])
    for name, found in rows.items():
        yield MetadataFile(Entry(name, 0, 0), found, columns=list(found[0].values))
    if trigger:  # whether any caption of the whole set has it is not asked here
        has = Row("", None, {column: trigger})
        yield MetadataFile(Entry("", 0, 0), [has], columns=[column])


def _sources(file: MetadataFile) -> Iterable[str]:
    return dict.fromkeys(row.source for row in file.rows) if file.rows else ()
