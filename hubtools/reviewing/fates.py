"""What becomes of picture files: turned, cropped, deleted, set aside and brought back.

A picture that is excluded moves to `.excluded` of its dataset, where no loader looks and from where
no push takes it, with the masks and controls that are its own; its record is kept beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.plan import Operation
from hubtools.dataset.edits.references import Reference, is_free, learnt_by, table_for
from hubtools.dataset.fix.draft import Draft
from hubtools.dataset.fix.pictures import encode_anew
from hubtools.dataset.folder.names import fold
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.focus import COLUMN as FOCUS
from hubtools.dataset.metadata.focus import told_focus
from hubtools.dataset.metadata.named import resolved
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.files import json_value
from hubtools.layout import EXCLUDED_DIR
from hubtools.limits import JSON_FILE
from hubtools.reviewing.pending import Key, Value

RECORDS = f"{EXCLUDED_DIR}/records.jsonl"


@dataclass
class Fates:
    """Acts on a draft; what cannot be done is in `left`, by key."""

    draft: Draft
    left: dict[Key, str]

    def __post_init__(self) -> None:
        self._kept = _kept_records(self.draft)
        self._noted = dict(self._kept)
        self._references: dict[str, list[Reference]] | None = None
        self._is_learnt = learnt_by(self.draft.learnt_key)

    # --- the picture itself ------------------------------------------------------------------

    def redraw(self, entries: Mapping[Key, Value]) -> None:
        """Crops, then turns, each with the masks and controls of the picture."""
        for kind in ("crop", "turn"):
            for key, value in entries.items():
                if key[0] == kind:
                    self._redraw(key, value)

    def _redraw(self, key: Key, value: Value) -> None:
        kind, name = key
        draft = self.draft
        own, shared = self._partners(name)
        if shared:
            self.left[key] = f"{shared[0]} is that of other pictures too"
            return
        size = draft.facts[name].upright_size
        if kind == "crop":
            edit, what = "crop=" + ",".join(map(str, value["box"])), "crop it"
            odd = [one for one in own if draft.facts[one].upright_size != size]
            if odd:
                self.left[key] = f"{odd[0]} has another size"
                return
        else:
            edit, what = f"turn={value['by']}", f"turn it by {value['by']} degrees"
        for one in (name, *own):
            changes = draft.changes
            encode_anew(draft, one, edit, "", what)
            if draft.changes == changes:
                self.left[key] = draft.left.get(one, "it cannot be changed")
                return
        self._carry_focus(name, lambda x, y: _moved(kind, value, size, x, y))

    def _carry_focus(self, name: str, moved: Callable[[float, float], list[float]]) -> None:
        """Let the records of a picture say of what it is now where it is cut in training."""
        for place in self._named().get(name, []):
            values = place.record.values
            focus = told_focus(values.get(FOCUS))
            if focus is not None and is_free(place) and self._is_learnt(place):
                place.table.put(place.record, values | {FOCUS: moved(*focus)}, "", "move its focus")

    # --- away and back -----------------------------------------------------------------------

    def delete(self, names: list[str]) -> None:
        """Remove pictures with their records."""
        if not names:
            return  # to look for none takes a walk through all records
        self.draft.remove_pictures(dict.fromkeys(names, ("", "deleted in the review")))
        for name in names:
            if name in self.draft.files:
                self.left["fate", name] = self.draft.left.get(name, "it is to be left as it is")
        self._references = None

    def exclude(self, name: str) -> None:
        """Set a picture aside."""
        draft, key = self.draft, ("fate", name)
        own, _ = self._partners(name)
        places = self._named().get(name, [])
        moved = {one: f"{EXCLUDED_DIR}/{one}" for one in (name, *own)}
        taken = {fold(one) for one in draft.files}
        if any(fold(target) in taken for target in moved.values()):
            self.left[key] = f"{EXCLUDED_DIR} has one of that name already"
            return
        if not all(is_free(place) for place in places):
            self.left[key] = "a record that cannot be changed names it"
            return
        if not all(draft.may_edit(one) for one in moved):
            self.left[key] = "it is a link, or to be left as it is"
            return
        records = list({id(place.record): place for place in places}.values())
        self._noted[name] = [
            {"source": place.table.name, "values": place.record.values} for place in records
        ]
        for place in records:
            place.table.drop([place.record], "", "set the record of an excluded picture aside")
        draft.rename(moved, "", "exclude it")
        self._references = None

    def again(self, name: str) -> bool:
        """Bring a picture back that was set aside; False if there is none."""
        draft, key = self.draft, ("again", name)
        there = f"{EXCLUDED_DIR}/{name}"
        if there not in draft.files:
            return False
        noted = self._kept.get(name, [])
        names = {name: there}
        for item in noted:
            for one in _files_in(item):
                if f"{EXCLUDED_DIR}/{one}" in draft.files:
                    names[one] = f"{EXCLUDED_DIR}/{one}"
        done = draft.rename({old: new for new, old in names.items()}, "", "bring it back")
        if there not in done:
            self.left[key] = draft.left.get(there, "it cannot come back")
            return True
        for item in noted:
            table = draft.tables.get(item["source"])
            same = table is not None and table.takes(*item["values"])
            table = table if same and table is not None else table_for(draft.tables, name)
            if table.takes(*item["values"]):
                table.add(dict(item["values"]), "", "write the record of a picture again")
        self._noted.pop(name, None)
        self._references = None
        return True

    def notes(self) -> Iterator[Operation]:
        """The operation that writes the records of what is set aside, where there is no such file
        yet; one that is there is changed in the draft."""
        if self._noted == self._kept:
            return
        lines = [
            json.dumps({"picture": name, "records": items}, ensure_ascii=False)
            for name, items in self._noted.items()
        ]
        text = "".join(f"{line}\n" for line in lines)
        why = "note the records of excluded pictures"
        if RECORDS in self.draft.files:
            if text:
                self.draft.write(RECORDS, text, "", why)
            else:
                self.draft.remove(RECORDS, "", "no picture is excluded any more")
        elif text:
            yield Operation(Action.WRITE, None, RECORDS, (), (why,), None, text)

    # --- inside ------------------------------------------------------------------------------

    def _named(self) -> dict[str, list[Reference]]:
        if self._references is None:
            self._references = self.draft.references()
        return self._references

    def _partners(self, name: str) -> tuple[list[str], list[str]]:
        """The other pictures in the records of a picture: (those of it alone, those of others
        too)."""
        named = self._named()
        records = {id(place.record) for place in named.get(name, [])}
        own, shared = [], []
        for other, places in named.items():
            if other == name or other not in self.draft.facts or not records:
                continue
            inside = [id(place.record) in records for place in places]
            if all(inside):
                own.append(other)
            elif any(inside):
                shared.append(other)
        return own, shared


def _moved(kind: str, value: Value, size: tuple[int, int], x: float, y: float) -> list[float]:
    """A point, as shares of width and height, after a crop or turn of a picture of `size`."""
    if kind == "turn":
        return {90: [1 - y, x], 180: [1 - x, 1 - y]}.get(value["by"], [y, 1 - x])
    left, top, right, bottom = value["box"]
    across, down = (x * size[0] - left) / (right - left), (y * size[1] - top) / (bottom - top)
    return [min(max(round(share, 4), 0.0), 1.0) for share in (across, down)]


def _files_in(item: Mapping[str, Any]) -> Iterator[str]:
    """The files that a record names which was set aside."""
    folder = item["source"].rpartition("/")[0]
    for key, value in item["values"].items():
        if names_file(key) or names_files(key):
            for one in value if isinstance(value, list) else [value]:
                if (found := resolved(folder, one)) is not None:
                    yield found


def _kept_records(draft: Draft) -> dict[str, list[dict[str, Any]]]:
    """What an earlier review has noted; nothing of what cannot be read."""
    found: dict[str, list[dict[str, Any]]] = {}
    if RECORDS not in draft.files or draft.files[RECORDS].entry.size > JSON_FILE:
        return found
    for line in draft.read(RECORDS).splitlines():
        try:
            item = json_value(line)
            records = [
                {"source": str(one["source"]), "values": dict(one["values"])}
                for one in item["records"]
                if FILE_NAME in one["values"] or one["values"]
            ]
            found[str(item["picture"])] = records
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found
