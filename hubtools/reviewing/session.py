"""One dataset that is reviewed: what was read of it, and what is pending."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hubtools.dataset.edits.journal import apply, finish, undo
from hubtools.dataset.edits.journal_files import Journal
from hubtools.dataset.fix.remedies import UNSAFE
from hubtools.dataset.folder.listing import walk
from hubtools.dataset.metadata.focus import COLUMN as FOCUS
from hubtools.dataset.metadata.focus import told_focus
from hubtools.dataset.pictures.buckets import Size
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.rules.judging import judge
from hubtools.dataset.view import Dataset, view
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.errors import HubtoolsError
from hubtools.findings import plural
from hubtools.layout import title_of
from hubtools.models.targets import divisor_of
from hubtools.project import Project
from hubtools.reviewing import items, typed
from hubtools.reviewing.mending import fixes_of
from hubtools.reviewing.pending import (
    LOCK,
    Key,
    Value,
    clear,
    coming_back,
    is_caption,
    load,
    save,
    save_applied,
    save_before_undo,
    save_unsaid,
)
from hubtools.reviewing.planning import Planned, plan_pending
from hubtools.rooted import Root
from hubtools.training.buckets import targets
from hubtools.training.preview import is_broken, seen_of

_LONG = 0.1  # seconds
_RATHER = 20  # of the time at most so little is spent with looking for changes of others


class Session:
    """The dataset in `folder`, judged as `project` says. One at a time for a folder.

    Raises `HubtoolsError` if there is no such folder, or another page is open on it, and
    `ForeignState` if pending changes lie there that this user has not made (unless `trust_state`).
    """

    def __init__(
        self,
        folder: Path,
        project: Project,
        *,
        trust_state: bool = False,
        on_picture: Callable[[int, int], None] | None = None,
    ) -> None:
        self.folder, self.project = folder, project
        self.lock = threading.RLock()
        self._stack = contextlib.ExitStack()
        self.root = self._stack.enter_context(Root(folder))
        self.root.keep_private()
        try:
            self._hold()
            self.pending = load(self.root, trust_state=trust_state)
            self.version = 0
            self.unkept: str | None = None  # why the pending changes could not be written
            self.report: dict[str, Any] | None = None
            self.failed: str | None = None
            self._outside: tuple[str, ...] = ()
            self._at_work = 0  # writing to the folder, or reading it anew
            self._next_walk = 0.0
            self.look(on_picture)
        except BaseException:
            self._stack.close()
            raise

    def _hold(self) -> None:
        try:
            self._stack.enter_context(self.root.holding(LOCK))
        except BlockingIOError:
            raise HubtoolsError(
                f"{self.folder} is open on another page of `hubtools review`.",
                hint="go on there, or stop that one first (Ctrl-C)",
                code="busy",
            ) from None
        except PermissionError:
            raise HubtoolsError(
                f"You may not write to {self.folder}, so no change could be kept.",
                hint="copy the folder, and review the copy",
                code="permission-denied",
            ) from None

    def close(self) -> None:
        """Let others open the folder. What is pending stays."""
        with self.lock:
            if not self.pending.entries:
                with contextlib.suppress(OSError, HubtoolsError):
                    clear(self.root)
            self._stack.close()

    # --- looking -----------------------------------------------------------------------------

    def look(self, on_picture: Callable[[int, int], None] | None = None) -> None:
        """Read the folder anew; the rules are asked in the background."""
        with shared_guard():
            looked = self._looked(on_picture)
        names = items.ordered(looked)
        pictures = items.described(looked, names)
        with self.lock:
            self.looked, self.names, self.pictures = looked, names, pictures
            self.excluded = dict.fromkeys(items.excluded_in(looked))
            self.places = {name: place for place, name in enumerate(names)}
            self.listed = items.signature(looked.listing)
            self._outside, self._next_walk = (), 0.0
            self.version += 1
            self.report, self.failed = None, None
            version = self.version
            self._drop_done()
        worker = threading.Thread(target=self._judge, args=(looked, version), daemon=True)
        worker.start()

    def _drop_done(self) -> None:
        """Forget what the folder has already: an apply was killed before it could say so."""
        done = [
            key
            for key, value in self.pending.entries.items()
            if (key[0] == "caption" and self.caption(key[1], key[2]) == value["after"])
            or (key[0] == "focus" and self.caption(key[1], FOCUS) == value["after"])
            or (value.get("what") == "delete" and key[1] not in self.places)
        ]
        if done and save_unsaid(self.root, {key: self.pending.entries[key] for key in done}):
            self.pending.drop(done)
            self.keep()

    def _looked(self, on_picture: Callable[[int, int], None] | None = None) -> Dataset:
        judged = self.project.judged_by
        return view(
            self.folder,
            judged["settings"],
            resolution=judged["resolution"],
            base=judged["base"],
            on_picture=on_picture,
        )

    def _judge(self, looked: Dataset, version: int) -> None:
        try:
            with shared_guard():
                found = judge(looked, **self.project.rule_choice)
                told = items.found_by(found, fixes_of(looked.listing))
                told |= {"groups": items.copies_in(looked), "shots": items.shots_in(looked)}
                told |= {"splits": items.splits_in(looked), "names": dict(UNSAFE)}
            failed = None
        except HubtoolsError as error:
            told, failed = None, f"{error.message} {error.hint or ''}".strip()
        with self.lock:
            if version == self.version:
                self.report, self.failed = told, failed

    def changed_outside(self) -> tuple[str, ...]:
        """Files that other programs have changed, added or removed since the folder was read."""
        begun = time.monotonic()
        with self.lock:
            then = self.listed
            if self._at_work:  # it is the page itself
                return ()
            if begun < self._next_walk:  # a walk of many files takes long, and the page asks often
                return self._outside
        now = items.signature(walk(self.folder))
        names = {name for name, _ in then.items() ^ now.items()}
        with self.lock:
            if self._at_work or self.listed is not then:
                return ()
            self._outside = tuple(sorted(names))
            took = time.monotonic() - begun
            self._next_walk = begun + _RATHER * took if took > _LONG else 0.0
        return self._outside

    # --- what the page is told ---------------------------------------------------------------

    def everything(self) -> dict[str, Any]:
        """The dataset as the page shows it."""
        with self.lock:
            looked, version = self.looked, self.version
            found = [dict(item) for item in self.pictures]
            pending = self.judged(self.pending.entries)
        captions, columns = items.columns_of(looked)
        settings = looked.settings
        for item in found:
            if "problem" not in item:
                bucket = self._bucket(looked.pictures[item["name"]])
                item["kept"] = items.kept_of(item["size"], bucket)
            if "row" in item:
                row = item["row"]
                item |= items.checked(looked, row.get(settings.caption_column))
                others = [column for column in captions[1:] if column in row]
                if others:
                    item["others"] = {one: items.checked(looked, row[one]) for one in others}
        return {
            "version": version,
            "name": title_of(self.folder),
            "folder": str(self.folder.absolute()),
            "pictures": found,
            "captions": captions,
            "column": settings.caption_column,
            "columns": columns,
            "trigger": settings.trigger,
            "tokens": items.counted_by(looked.counter),
            "resolution": looked.resolution,
            "target": looked.target.title if looked.target else None,
            "license": looked.license[0],
            "rights": [settings.rights, settings.rights_note],
            "closed": items.closed_in(looked),
            "excluded": list(self.excluded),
            "judged": typed.titles(),
            "pending": pending,
        }

    def judged(self, keys: Mapping[Key, Value | None]) -> list[list[Any]]:
        """Entries as JSON has them: [key, value, what is to be said of it]."""
        return typed.judged(self.looked, self.pending.entries, keys, self.project.rule_choice)

    def picture(self, name: str) -> dict[str, Any]:
        """More of one picture: what the trainer will cut out of it, and what speaks against it."""
        looked, train = self.looked, self.project.train
        facts = looked.pictures[name]
        if is_broken(facts):
            return {"warnings": [facts.problem or "it cannot be read"]}
        focus = told_focus(self.current(name, FOCUS))
        seen = seen_of(looked, facts, train, focus)
        return {
            "box": list(seen.box),
            "kept": seen.kept,
            "scale": seen.scale,
            "resized": list(seen.resized),
            "bucket": list(self._bucket(facts)),
            "warnings": list(seen.warnings),
            "placed": "here" if focus else "center" if train.center_crop else "by chance",
            "focus": focus,
        }

    def _bucket(self, facts: PictureFacts) -> Size:
        looked = self.looked
        divisor = divisor_of(looked.target)
        return targets(facts.upright_size, self.project.train, looked.resolution, divisor)[-1]

    def beside(self, name: str) -> list[str]:
        """The control pictures and masks in a picture's first record."""
        return [one for _, _, one in self.pictures[self.places[name]].get("beside", ())]

    # --- changing what is pending ------------------------------------------------------------

    def change(
        self, changes: Mapping[Key, Value | None], what: str, *, joining: bool = False
    ) -> list[list[Any]]:
        """Set entries, and keep them; what is then to be said of each."""
        with self.lock:
            full = {key: self._filled(key, value) for key, value in changes.items()}
            self.pending.change(full, what, joining=joining)
            self.keep()
            return self.judged(full)

    def _filled(self, key: Key, value: Value | None) -> Value | None:
        """An entry with what it is about as it is in the folder; none for a caption that is that
        again."""
        if value is not None and key[0] in ("turn", "crop", "fate"):
            return value | {"digest": self.looked.pictures[key[1]].digest}
        if value is None or key[0] not in ("caption", "focus"):
            return value
        there, is_text = self.pending.entries.get(key), key[0] == "caption"
        before = there["before"] if there else self.caption(key[1], key[2] if is_text else FOCUS)
        if is_text and not is_caption(before):
            raise ValueError(f"{key[2]} of {key[1]} is no text")
        after = value["after"]
        same = (before or "") == (after or "") if is_text else before == after
        return None if same else {"before": before, "after": after}

    def caption(self, name: str, column: str) -> Any:
        """What a picture's first record has in a column."""
        rows = self.looked.rows_of.get(name)
        return rows[0].values.get(column) if rows else None

    def current(self, name: str, column: str) -> Any:
        """The same with what is pending."""
        key = ("focus", name) if column == FOCUS else ("caption", name, column)
        there = self.pending.entries.get(key)
        return there["after"] if there else self.caption(name, column)

    def step(self, forth: bool) -> tuple[str, list[list[Any]]] | None:
        """Take a step back or forth through what was changed."""
        with self.lock:
            found = self.pending.redo() if forth else self.pending.undo()
            if found is None:
                return None
            what, keys = found
            self.keep()
            return what, self.judged({key: self.pending.entries.get(key) for key in keys})

    def keep(self) -> None:
        """Write what is pending."""
        try:
            save(self.root, self.pending)
            self.unkept = None
        except OSError as error:
            self.unkept = error.strerror or str(error)

    # --- applying ----------------------------------------------------------------------------

    def plan(self) -> Planned:
        """What applying would do to the folder as it is at this moment."""
        with self.lock:
            return plan_pending(
                self._looked(),
                self.pending.entries,
                ignores=self.project.rule_choice["per_file_ignores"],
            )

    def apply(self, digest: str) -> str:
        """Do what the plan of that digest says, and say what was done. Raises `HubtoolsError` if it
        would do something else by now; nothing is changed then."""
        with self._working():
            made = self.plan()
            if made.conflicts or made.digest != digest:
                raise HubtoolsError(
                    "Something has changed since the changes were shown.",
                    hint="look at them again",
                    code="file-changed",
                )
            journal = apply(self.folder, made.plan)
            entries = self.pending.entries
            deleted = {
                key[1] for key in made.planned if entries[key].get("what") == "delete"
            }  # and with them whatever else was to become of them
            others = [key for key in entries if key[0] != "fix" and key[1] in deleted]
            if journal is not None:
                gone = {key: entries[key] for key in (*made.planned, *others)}
                save_applied(self.root, journal.name, gone)
            self.pending.drop((*made.planned, *made.settled, *others))
            self.keep()
        if journal is None:
            return "There was nothing to write."
        return f"{plural(len(journal.steps), 'file')} written; History takes them back."

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """The folder is changed by the page, and read anew then."""
        self._at_work += 1
        try:
            with self.lock:
                yield
            self.look()
        finally:
            self._at_work -= 1

    def settle(self, key: Key, mine: bool) -> None:
        """Of a conflict: go on with one's own change, or drop it."""
        with self.lock:
            conflict = next((one for one in self.plan().conflicts if one.key == key), None)
            value = self.pending.entries.get(key)
            if conflict is None or value is None:
                return
            theirs = "before" if key[0] in ("caption", "focus") else "digest"
            self.pending.drop([key])
            if mine:
                self.pending.entries[key] = value | {theirs: conflict.theirs}
            self.keep()

    def take_back(self, id: str | None) -> str:
        """Undo a fix, or what was interrupted of one; see `coming_back`."""
        with self._working():
            done = undo(self.folder, id, before=partial(save_before_undo, self.root, self.pending))
            told = self._bring_back(done)
        return f"Undone: {plural(len(done.steps), 'file')}{told}."

    def _bring_back(self, journal: Journal) -> str:
        """Have what an undone fix had written pending again; the end of a sentence on it."""
        if not (again := coming_back(self.root, self.pending, journal)):
            return ""
        told = plural(len(again), "change")
        self.pending.change(again, f"bring {told} back")
        self.keep()
        return f"; {told} pending again"

    def go_on(self) -> str:
        """Finish a fix that was interrupted."""
        with self._working():
            done = finish(self.folder)
            told = self._bring_back(done) if done and done.state == "undone" else ""
        return f"{done.id} is finished{told}." if done else "There was nothing to finish."
