"""What was changed on the page and is not applied yet.

An entry says what becomes of one thing; its key is one of

    caption, PICTURE, COLUMN    {"before": value in the file, "after": value}
    turn, PICTURE               {"by": 90, 180 or 270, "digest": of the picture}
    crop, PICTURE               {"box": [left, top, right, bottom], "digest": ...}
    fate, PICTURE               {"what": "delete" or "exclude", "digest": ...}
    again, PICTURE              {} an excluded picture comes back
    focus, PICTURE              {"before": value in the file, "after": [x, y] or null}
    fix, RULE                   {"unsafe": [names of fixes that need a yes]}
    mend, PICTURE, RULE         the same, for that picture alone

They lie in the dataset's own `.hubtools/review`, sealed like all state there, and do nothing by
themselves: they are shown again, and applied when somebody says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from hubtools.dataset.edits.journal_files import JOURNAL, Journal, journals
from hubtools.dataset.edits.plan import check_name
from hubtools.dataset.fix.steps import REMEDIES
from hubtools.dataset.metadata.focus import focus_of
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.findings import plural
from hubtools.layout import WORK_DIR
from hubtools.limits import JSON_FILE, OWN_JSON_COST
from hubtools.rooted import Root
from hubtools.trust import ForeignState, is_sealed, seal

Key = tuple[str, ...]
Value = dict[str, Any]
Changes = Mapping[Key, Value | None]  # None: no longer

FOLDER = f"{WORK_DIR}/review"
FILE = f"{FOLDER}/pending.json"
LOCK = f"{FOLDER}/.lock"
_APPLIED = "review.json"  # in the folder of a journal
_IGNORE = b"*\n"  # in .gitignore
_SCHEMA = 1
_MOST_UNDO = 500  # steps back

_LENGTHS = {"caption": 3, "turn": 2, "crop": 2, "fate": 2, "again": 2, "fix": 2,
            "focus": 2, "mend": 3}  # fmt: skip


class Pending:
    """The entries, and the way back through what was changed while the page was open."""

    def __init__(self, entries: Mapping[Key, Value] | None = None) -> None:
        self.entries: dict[Key, Value] = dict(entries or {})
        self._back: list[tuple[str, Changes]] = []
        self._forth: list[tuple[str, Changes]] = []
        self._joining: Key | None = None

    def change(self, changes: Changes, what: str, *, joining: bool = False) -> None:
        """Set or remove entries, as one step that can be undone. `joining`: it goes on with the
        step before if that was of the same entry (as one types)."""
        was = self._set(changes)
        key = next(iter(changes)) if joining and len(changes) == 1 else None
        if key is None or key != self._joining:
            self._back = [*self._back[1 - _MOST_UNDO :], (what, was)]
        self._joining = key
        self._forth = []

    def undo(self) -> tuple[str, tuple[Key, ...]] | None:
        """Take the last step back; what it was, and the entries it touched."""
        return self._step(self._back, self._forth)

    def redo(self) -> tuple[str, tuple[Key, ...]] | None:
        """Take a step again that was taken back."""
        return self._step(self._forth, self._back)

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget entries for good: they are applied, or have no object any more."""
        gone = set(keys)
        for key in gone:
            self.entries.pop(key, None)
        if gone:
            self._back, self._forth, self._joining = [], [], None

    def _step(
        self, source: list[tuple[str, Changes]], target: list[tuple[str, Changes]]
    ) -> tuple[str, tuple[Key, ...]] | None:
        self._joining = None
        if not source:
            return None
        what, changes = source.pop()
        target.append((what, self._set(changes)))
        return what, tuple(changes)

    def _set(self, changes: Changes) -> Changes:
        was: dict[Key, Value | None] = {}
        for key, value in changes.items():
            was[key] = self.entries.get(key)
            if value is None:
                self.entries.pop(key, None)
            else:
                self.entries[key] = value
        return was


def save(root: Root, pending: Pending) -> None:
    """Write the entries, sealed, so that a kill at any moment leaves the former or these ones."""
    root.write_new(f"{FOLDER}/.gitignore", _IGNORE)
    entries = [[list(key), value] for key, value in pending.entries.items()]
    sealed = seal(root.path, FILE, {"schema": _SCHEMA, "entries": entries})
    # without indents: that takes ten times as long, and each pause in typing writes all of it
    root.write(FILE, json.dumps(sealed).encode("ascii"))


def clear(root: Root) -> None:
    """Remove what `save` has written, and the folder; what a person has put there stays."""
    ignore = f"{FOLDER}/.gitignore"
    own = {FILE, LOCK}
    if root.is_file(ignore) and root.read(ignore) == _IGNORE:
        own.add(ignore)
    root.sweep(FOLDER, older_than=0)
    there = {f"{FOLDER}/{name}" for name in root.list(FOLDER)}
    for name in own & there if there <= own else {FILE}:
        root.unlink(name, missing_ok=True)
    if there:
        root.rmdir(FOLDER)


def save_unsaid(root: Root, entries: Mapping[Key, Value]) -> bool:
    """Keep entries that were in the folder when it was looked at, as `save_applied`, where a fix
    was made after they were saved and does not say which: it was killed before it could. False
    while a fix is not finished: they must stay pending, as its undo takes them out of the folder.
    """
    own = [journal for journal in journals(root.path) if journal.ours]
    if any(journal.unfinished for journal in own):
        return False
    saved = root.stat(FILE)
    if not own or own[-1].state != "done" or saved is None:
        return True
    made = root.stat(f"{own[-1].name}/{JOURNAL}")
    late = made is not None and made.st_mtime_ns >= saved.st_mtime_ns
    if late and not root.exists(f"{own[-1].name}/{_APPLIED}"):
        save_applied(root, own[-1].name, entries)
    return True


def save_applied(root: Root, journal: str, entries: Mapping[Key, Value]) -> None:
    """Keep the entries that the fix with the folder `journal` has written, beside its originals:
    an undo brings both back."""
    name = f"{journal}/{_APPLIED}"
    content = {"schema": _SCHEMA, "entries": [[list(key), one] for key, one in entries.items()]}
    root.write(name, json.dumps(seal(root.path, name, content)).encode("ascii"))


def load_applied(root: Root, journal: str) -> dict[Key, Value]:
    """The entries that a fix has written; none where it was not of the page, or where its file is
    damaged or of somebody else."""
    name = f"{journal}/{_APPLIED}"
    if not root.exists(name):
        return {}
    try:
        content = json_value(root.read(name, JSON_FILE), most=OWN_JSON_COST)
        return _entries(content) if is_sealed(root.path, name, content) else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError):
        return {}


def coming_back(root: Root, pending: Pending, journal: Journal) -> dict[Key, Value]:
    """What an undo of a fix makes pending again: what it had written, but where something else is
    pending by now."""
    was = load_applied(root, journal.name)
    return {key: one for key, one in was.items() if key not in pending.entries}


def save_before_undo(root: Root, pending: Pending, journal: Journal) -> None:
    """Write what is pending with what the undo is about to bring back: it may be killed."""
    if again := coming_back(root, pending, journal):
        save(root, Pending(pending.entries | again))


def _entries(content: Any) -> dict[Key, Value]:
    if content["schema"] != _SCHEMA:
        raise ValueError("of another version")
    return {checked_key(key): checked_value(key, value) for key, value in content["entries"]}


def load(root: Root, *, trust_state: bool = False) -> Pending:
    """What an earlier page has left. Raises `ForeignState` for what another user, or a folder that
    came from elsewhere, has brought, unless `trust_state` is set; `HubtoolsError` for a damaged
    file."""
    if not root.exists(FILE):
        return Pending()
    place = root.path / FILE
    damaged = HubtoolsError(
        f"{place} is damaged; nothing was done.",
        hint="it holds changes that were not applied yet: move it to another place to go on"
        " without them",
        code="file-damaged",
    )
    try:
        content = json_value(root.read(FILE, JSON_FILE), most=OWN_JSON_COST)
        entries = _entries(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None
    if not is_sealed(root.path, FILE, content) and not trust_state:
        lines = tuple(" ".join(map(ascii, key)) for key in list(entries)[:20])
        raise ForeignState(
            place,
            f"propose {plural(len(entries), 'change')}",
            lines,
            "if you want them on the page, add --trust-state; if not, remove the file",
        )
    return Pending(entries)


def checked_key(value: object) -> Key:
    """A key that anybody may have written. Raises `ValueError` for what is none."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(part, str) for part in value):
        raise ValueError("a key is a list of texts")
    key = tuple(value)
    if not key or _LENGTHS.get(key[0]) != len(key):
        raise ValueError(f"{key[:1]} is no kind of change")
    if key[0] == "fix":
        if key[1] not in REMEDIES:
            raise ValueError(f"{key[1]!r} has no fix")
    else:
        check_name(key[1])
    if key[0] == "mend" and not (key[2] in REMEDIES and REMEDIES[key[2]].each):
        raise ValueError(f"{key[2]!r} has no fix for one picture")
    if key[0] == "caption" and (names_file(key[2]) or names_files(key[2])):
        raise ValueError(f"{key[2]!r} names files")
    return key


def checked_value(key: Iterable[str], value: object) -> Value:
    """What stands under a key, of the right shape. Raises `ValueError` for what is not."""
    kind, *names = key
    if not isinstance(value, dict):
        raise ValueError("a change is an object")
    if kind == "caption":
        texts = (value.get("before"), value.get("after"))
        if not all(is_caption(text) for text in texts) or texts[1] is None:
            raise ValueError("a caption is a text or a list of texts")
        return {"before": texts[0], "after": texts[1]}
    if kind in ("fix", "mend"):
        unsafe, rule = value.get("unsafe", []), names[-1]
        if not isinstance(unsafe, list) or not set(unsafe) <= set(REMEDIES[rule].unsafe):
            raise ValueError(f"{rule} has no such fix")
        return {"unsafe": unsafe}
    if kind == "focus":
        after = focus_of(value.get("after"))
        return {"before": value.get("before"), "after": None if after is None else list(after)}
    if kind == "again":
        return {}
    digest = value.get("digest")
    if not isinstance(digest, str):
        raise ValueError("a picture has a digest")
    if kind == "turn" and value.get("by") in (90, 180, 270):
        return {"by": value["by"], "digest": digest}
    if kind == "fate" and value.get("what") in ("delete", "exclude"):
        return {"what": value["what"], "digest": digest}
    if kind == "crop":
        box = value.get("box")
        if isinstance(box, list) and len(box) == 4 and all(type(side) is int for side in box):
            left, top, right, bottom = box
            if 0 <= left < right and 0 <= top < bottom:
                return {"box": box, "digest": digest}
    raise ValueError(f"that is no {kind}")


def is_caption(value: object) -> bool:
    """Whether a value of a record can be changed as a caption."""
    if isinstance(value, list):
        return all(isinstance(text, str) for text in value)
    return value is None or isinstance(value, str)
