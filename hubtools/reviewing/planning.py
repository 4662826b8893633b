"""Pending changes as a plan of `fix`: made on a draft of the dataset as it is now, with the steps
that `hubtools fix` takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal import fingerprint
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.edits.references import Learnt, learnt_in, relative, table_for
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.planner import operations_of
from hubtools.dataset.fix.steps import REMEDIES
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.focus import COLUMN as FOCUS
from hubtools.dataset.rows import role_columns
from hubtools.dataset.view import Dataset
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.errors import HubtoolsError
from hubtools.reviewing.fates import Fates
from hubtools.reviewing.mending import Asked
from hubtools.reviewing.pending import Key, Value

GONE = "there is no such picture any more"


@dataclass(frozen=True)
class Conflict:
    """A thing that another program has changed since it was changed on the page. `before` is what
    it was then, `theirs` what it is now, `mine` what it is to become."""

    key: Key
    before: Any
    theirs: Any
    mine: Any
    why: str


@dataclass
class Planned:
    """A plan, and what becomes of the entries that it was made from: `planned` are in it, `settled`
    have no object any more, `left` are not in it, and why."""

    plan: FixPlan
    planned: list[Key] = field(default_factory=list)
    settled: list[Key] = field(default_factory=list)
    left: dict[Key, str] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The same for the same plan."""
        operations = [vars(op) for op in self.plan.operations]
        text = json.dumps(operations, sort_keys=True, default=str)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


@shared_guard()
def plan_pending(
    looked: Dataset,
    entries: Mapping[Key, Value],
    *,
    ignores: Mapping[str, Sequence[str]] | None = None,
) -> Planned:
    """What applying `entries` would do to the folder as it was just `looked` at."""
    fixes = Asked.of(entries)
    made = Planned(FixPlan(looked.root))
    # before the draft reads them: what changes meanwhile is then told apart
    were = {one.name: fingerprint(looked.root / one.name) for one in looked.listing.metadata}
    with Draft(looked, fixes.reading, wanted=fixes.rules, leave={}, ignores=ignores) as draft:
        _captions(draft, entries, made)
        further = _pictures(draft, entries, made)
        fixes.run(draft)
        operations = operations_of(draft)
        for key, rule in fixes.keys.items():
            if key[0] == "mend" and _goes(entries, key[1]):
                continue
            if key[0] == "mend" and key[1] not in looked.listing.names:
                made.left[key] = GONE
            elif any(rule in op.rules and _is_of(op, key, looked) for op in operations):
                made.planned.append(key)
            else:
                names = [n for n in REMEDIES[rule].unsafe if n not in entries[key]["unsafe"]]
                other = f"Fix: {' or '.join(names)} may" if names else "it needs a person"
                made.left[key] = f"this fix of {rule} changes nothing here; {other}"
        for op in operations:
            if op.path is not None and were.get(op.path, op.before) != op.before:
                raise HubtoolsError(
                    f"{looked.root / op.path} was changed while it was read.",
                    hint="look again",
                    code="file-changed",
                )
        touched = {op.path for op in operations}
        left = {name: why for name, why in draft.left.items() if name not in touched}
        made.plan = FixPlan(looked.root, (*operations, *further), left)
    return made


def _is_of(op: Operation, key: Key, looked: Dataset) -> bool:
    """Whether an operation may be what an entry asks for: one about a picture is no edit of another
    (it may remove copies of it, and records are in a file of many)."""
    other = op.path is not None and op.path in looked.pictures and op.path != key[1]
    return key[0] == "fix" or not other or op.action is Action.REMOVE


def _goes(entries: Mapping[Key, Value], picture: str) -> bool:
    """Whether a picture is to be deleted: what else was to become of it goes with it."""
    return bool(entries.get(("fate", picture), {}).get("what") == "delete")


def records_of(draft: Draft) -> dict[str, Learnt]:
    """The first record of each picture to learn."""
    found: dict[str, Learnt] = {}
    for one in learnt_in(draft.tables.values(), role_columns(draft.looked.settings)):
        if one.picture is not None:
            found.setdefault(one.picture, one)
    return found


def _captions(draft: Draft, entries: Mapping[Key, Value], made: Planned) -> None:
    wanted = {key: value for key, value in entries.items() if key[0] in ("caption", "focus")}
    records = records_of(draft) if wanted else {}
    fresh: dict[str, dict[str, Any]] = {}  # values of pictures that have no record yet
    for key, value in wanted.items():
        picture, column = key[1], key[2] if key[0] == "caption" else FOCUS
        what = "caption" if key[0] == "caption" else "crop"
        if _goes(entries, picture):
            continue
        one = records.get(picture)
        if one is None and picture not in draft.files:
            made.left[key] = GONE
            continue
        now = one.record.values.get(column) if one is not None else None
        if now == value["after"]:
            made.settled.append(key)
        elif (now or None) != (value["before"] or None):
            why = f"another program has changed this {what} since"
            made.conflicts.append(Conflict(key, value["before"], now, value["after"], why))
        elif one is None:
            fresh.setdefault(picture, {})[column] = value["after"]
            made.planned.append(key)
        elif why_not := _closed(one):
            made.left[key] = why_not
        else:
            values = one.record.values | {column: value["after"]}
            one.table.put(
                one.record,
                values,
                "",
                "edit a caption" if what == "caption" else "say where it is cut in training",
            )
            made.planned.append(key)
    for picture, values in fresh.items():
        table = table_for(draft.tables, picture)
        if not table.takes(FILE_NAME, *values):
            for key in [
                k for k in made.planned if k[0] in ("caption", "focus") and k[1] == picture
            ]:
                made.planned.remove(key)
                made.left[key] = f"{table.name} cannot be changed: {table.locked or 'odd rows'}"
            continue
        name = {FILE_NAME: relative(table.folder, picture)}
        table.add(name | values, "", "write the record of a picture")


def _closed(one: Learnt) -> str | None:
    if one.table.locked is not None:
        return f"{one.table.name} cannot be changed: {one.table.locked}"
    return "its record must be repaired first" if one.record.raw else None


def _pictures(draft: Draft, entries: Mapping[Key, Value], made: Planned) -> tuple[Operation, ...]:
    """What becomes of picture files; operations that the draft does not know of."""
    fates = Fates(draft, made.left)
    wanted = {
        key: value
        for key, value in entries.items()
        if key[0] in ("crop", "turn", "fate") and _is_there(draft, key, value, made)
    }
    for key in list(wanted):
        if key[0] != "fate" and _goes(entries, key[1]):
            del wanted[key]
    fates.redraw(wanted)
    what = {key[1]: value["what"] for key, value in wanted.items() if key[0] == "fate"}
    fates.delete([name for name, fate in what.items() if fate == "delete"])
    for name, fate in what.items():
        if fate == "exclude":
            fates.exclude(name)
    back = [key for key in entries if key[0] == "again"]
    gone = [key for key in back if not fates.again(key[1])]
    made.left |= dict.fromkeys(gone, GONE)
    made.planned += [key for key in (*wanted, *back) if key not in made.left and key not in gone]
    return tuple(fates.notes())


def _is_there(draft: Draft, key: Key, value: Value, made: Planned) -> bool:
    """Whether the picture is the one that was looked at."""
    name = key[1]
    facts = draft.looked.pictures.get(name)
    if facts is None or name not in draft.files:
        if value.get("what") == "delete":
            made.settled.append(key)
        else:
            made.left[key] = GONE
        return False
    if facts.digest != value["digest"]:
        why = "another program has changed this picture since"
        made.conflicts.append(Conflict(key, value["digest"], facts.digest, value, why))
        return False
    return True
