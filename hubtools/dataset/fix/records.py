"""Fixes of records: the pictures they name, records that say the same, records that must go."""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from hubtools.dataset.edits.references import relative
from hubtools.dataset.edits.tables import Record, Table
from hubtools.dataset.fix.columns import is_picture_name
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.remedies import fixes
from hubtools.dataset.folder.names import escapes
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.text.blank import is_blank

_Place = tuple[Table, Record]
COMPARED = 16  # records of a picture that a further one is compared with


def contained(one: Record, other: Record) -> bool:
    """True if everything that `one` says of its picture, `other` says as well."""
    return all(
        key == FILE_NAME or value is None or value == "" or other.values.get(key) == value
        for key, value in one.values.items()
    )


# --- names ---------------------------------------------------------------------------------------


@fixes("D116", safe="completes a number to the picture it means")
@fixes("D201", safe="corrects case, accents, spaces, folder and ending")
@fixes("D204", safe="names the picture of the set that is meant")
def names(draft: Draft) -> None:
    """D116, D201, D204: records name the pictures that are there, where only one can be meant."""
    there = {n: draft.files[n].origin for n in sorted(draft.files) if is_picture_name(n)}
    if not there or not draft.finds("D116", "D201", "D204"):
        return
    claimed = {name for _, _, name in draft.rows()}
    finder = _Finder(there, claimed)
    for table in draft.tables.values():
        for record in list(table.editable):
            value = record.values.get(FILE_NAME)
            rule, found = _meant(value, table, draft, finder)
            if rule is None or found is None or not draft.wants(rule):
                continue
            written = relative(table.folder, found)
            if written is not None:
                finder.claimed.add(found)
                values = record.values | {FILE_NAME: written}
                table.put(record, values, rule, "correct the name of a picture")


class _Finder:
    """Pictures that no record names yet, by what may be left of their names, or of those (`there`
    has them) that they had before they were renamed."""

    def __init__(self, there: dict[str, str], claimed: set[str]) -> None:
        self.claimed = claimed
        self.exact = set(there)
        self._folded: dict[str, list[str]] = defaultdict(list)
        self._bases: dict[str, list[str]] = defaultdict(list)
        self._stems: dict[str, list[str]] = defaultdict(list)
        for name, origin in there.items():
            for one in dict.fromkeys((name, origin)):
                self._folded[_fold(one)].append(name)
                self._bases[_fold(one.rpartition("/")[2])].append(name)
                self._stems[_fold(one.rpartition(".")[0])].append(name)

    def near(self, name: str) -> str | None:
        """The one free picture whose name differs in case, accents, spaces, folder or ending."""
        base = name.rpartition("/")[2]
        stem = name.rpartition(".")[0] if is_picture_name(name) else name
        for known, key in ((self._folded, name), (self._bases, base), (self._stems, stem)):
            free = {found for found in known.get(_fold(key), ()) if found not in self.claimed}
            if free:
                return free.pop() if len(free) == 1 else None
        return None


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _meant(
    value: Any, table: Table, draft: Draft, finder: _Finder
) -> tuple[str | None, str | None]:
    """(the rule that a record breaks, the picture it must mean)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return "D116", finder.near(resolved(table.folder, str(value)) or "")
    name = resolved(table.folder, value)
    if name is None:
        return "D116", None
    drive = len(value) > 2 and value[1] == ":" and value[2] in "\\/"
    if escapes(name) or escapes(value) or drive:
        parts = [part for part in value.replace("\\", "/").split("/") if part not in ("", "..")]
        for start in range(len(parts)):
            tail = resolved(table.folder, "/".join(parts[start:])) or ""
            if tail in finder.exact and tail not in finder.claimed:
                return "D204", tail
        return "D204", finder.near(resolved(table.folder, parts[-1]) or "") if parts else None
    if name in draft.files or name in draft.tables or draft.looked.listing.hides(name):
        return None, None
    return "D201", finder.near(name)


# --- several records of a picture ----------------------------------------------------------------


@fixes("D203", "D210", each=True, safe="removes records that say the same", unsafe="drop-rows")
def twice(draft: Draft) -> None:
    """D203, D210: of records that say the same one stays; of others only if asked by name."""
    if not draft.finds("D203", "D210"):
        return
    by_picture: dict[str, list[_Place]] = defaultdict(list)
    for table, record, name in draft.rows():
        by_picture[name].append((table, record))
    gone: dict[tuple[int, str], tuple[Table, list[Record]]] = {}
    for picture, places in by_picture.items():
        tables = {table.name for table, _ in places}
        rules = [rule for rule in ("D203", "D210") if draft.acts_on(rule, picture, *tables)]
        for drop, stays in _superfluous_of(places, draft) if rules else ():
            rule = rules[-1] if stays[0] is not drop[0] else rules[0]
            gone.setdefault((id(drop[0]), rule), (drop[0], []))[1].append(drop[1])
    for (_, rule), (table, records) in gone.items():
        table.drop(records, rule, "remove a further record of a picture")


def _superfluous_of(places: Sequence[_Place], draft: Draft) -> Iterator[tuple[_Place, _Place]]:
    """(a record that can go, the one for which it does) of those of a picture. Each is compared
    with the first few that stay, and with one that says the same to the letter."""
    kept: list[_Place] = []
    equal: dict[str, _Place] = {}  # what a record says -> the one that stays and says so
    for place in places if len(places) > 1 else ():
        text = _said(place[1])
        rivals = kept[:COMPARED]
        if text in equal and not any(one is equal[text] for one in rivals):
            rivals.append(equal[text])
        for one in rivals:
            drop = _superfluous(one, place, draft)
            if drop is place:
                yield place, one
                break
            if drop is one:
                yield one, place
                del kept[next(n for n, other in enumerate(kept) if other is one)]
                equal[_said(one[1])] = place
        else:
            kept.append(place)
            equal.setdefault(text, place)


def _said(record: Record) -> str:
    said = {key: value for key, value in record.values.items() if key != FILE_NAME}
    return json.dumps(said, sort_keys=True, default=repr)


def _superfluous(kept: _Place, other: _Place, draft: Draft) -> _Place | None:
    """The one of two records of a picture that can go; None if both must stay."""
    if _can_go(other) and contained(other[1], kept[1]):
        return other
    if _can_go(kept) and contained(kept[1], other[1]):
        return kept
    if not draft.may("drop-rows"):
        return None
    empty = [place for place in (kept, other) if _blank(place[1], draft.caption)]
    first = empty[0] if len(empty) == 1 else other
    return first if _can_go(first) else None


def _can_go(place: _Place) -> bool:
    return place[0].locked is None and not place[1].raw


def _blank(record: Record, column: str) -> bool:
    value = record.values.get(column)
    return value is None or (isinstance(value, str) and is_blank(value))


# --- records that must go ------------------------------------------------------------------------


@fixes("D104", "D116", "D201", "D204", unsafe="drop-rows")
def drop(draft: Draft) -> None:
    """D104, D116, D201, D204, by name: records that no picture belongs to."""
    if not draft.may("drop-rows"):
        return
    if not draft.finds("D104", "D116", "D201", "D204"):
        return
    for table in draft.tables.values():
        gone: dict[str, list[Record]] = defaultdict(list)
        if table.locked is not None or not any(FILE_NAME in r.values for r in table.records):
            continue  # without the column, not a single record would be left
        for record in table.records:
            rule = "D104" if record.raw and not record.values else None
            if not record.raw:
                rule = _homeless(record.values.get(FILE_NAME), table, draft)
            if rule is not None and draft.wants(rule):
                gone[rule].append(record)
        for rule, records in gone.items():
            table.drop(records, rule, "remove a record without a picture")


def _homeless(value: Any, table: Table, draft: Draft) -> str | None:
    name = resolved(table.folder, value)
    if name is None:
        return "D116"
    drive = len(value) > 2 and value[1] == ":" and value[2] in "\\/"
    if escapes(name) or escapes(value) or drive:
        return "D204"
    there = name in draft.files or name in draft.tables or draft.looked.listing.hides(name)
    return None if there else "D201"
