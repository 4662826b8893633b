"""Apply a plan so that a kill at any moment loses nothing, and undo it.

    .hubtools/fixes/<id>/
      staging.json     until journal.json is there: nothing of the dataset has changed
      journal.json     every operation with fingerprints before and after, and the state
      originals/       copies of all files that are changed, renamed or removed
      new/             what is not yet in place
      aside/           a file that is being taken away

All originals and all new files are written (and checked) before journal.json is; until then nothing
of the dataset has changed, and a folder with our sealed mark and without a journal is thrown away.
From then on the journal says how to go on: files leave their old names (`removing`), new ones take
theirs (`placing`), `done`. `undo` goes back from anywhere (`undo-removing`, `undo-placing`,
`undone`). Each step can be done again.

A journal that this user did not write in this folder came with it: it is listed, and acted on only
by callers that pass `trust_state`. Every file is reached through `hubtools.rooted`, which follows
no link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote

from hubtools.causes import of_system
from hubtools.dataset.edits.acts import act, act_back, check_originals
from hubtools.dataset.edits.journal_files import (
    FIXES,
    Journal,
    is_staging,
    journals,
    locked,
    new_place,
)
from hubtools.dataset.edits.plan import FixPlan
from hubtools.dataset.edits.stage import RefusedFiles, check, discard, same, stage, sweep
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.findings import plural
from hubtools.layout import WORK_DIR
from hubtools.rooted import Root
from hubtools.trust import ForeignState
from hubtools.whereabouts import from_here

__all__ = [
    "RefusedFiles", "apply", "finish", "fingerprint", "fingerprint_of", "purge", "undo",
    "unfinished",
]  # fmt: skip


@shared_guard()
def apply(
    root: Path, plan: FixPlan, on_file: Callable[[int, int], None] | None = None
) -> Journal | None:
    """Do what the plan says and give its journal (None if it says nothing, or is done already).

    Raises `RefusedFiles` if a picture cannot be edited as promised and `HubtoolsError` if a file
    has changed since the plan was made, if the plan contradicts itself, or if another fix was
    interrupted; nothing is changed then.
    """
    if not plan.operations or plan.done:
        return None
    with locked(root) as rooted:
        _refuse_beside(root)
        sweep(rooted, plan.operations)
        check(rooted, plan.operations)
        id = new_place(rooted)
        try:
            journal = stage(rooted, Journal(root, id, "removing", ()), plan, on_file)
        except BaseException:
            if is_staging(rooted, id):
                discard(rooted, id)
            raise
        journal = journal.write(rooted, "removing")
        rooted.unlink(f"{journal.name}/staging.json", missing_ok=True)
        with _told(root):
            return act(rooted, journal, fresh=True)


@contextmanager
def _told(root: Path) -> Iterator[None]:
    """For what stops in the middle: the error of the system, and how to go on or back."""
    try:
        yield
    except OSError as error:
        told = of_system(error, str(error))
        if told is None:
            raise
        on = f"`hubtools fix {quote(str(root))} --yes` goes on where it stopped, --undo goes back"
        told.hint = f"{told.hint}; then {on}" if told.hint else on
        raise told from error


def _refuse_beside(root: Path) -> None:
    found = unfinished(root)
    if found is None:
        return
    if not found.ours:
        raise foreign(found)
    raise HubtoolsError(
        f"A fix of {root} was interrupted ({found.id}).",
        hint=f"`hubtools fix {quote(str(root))} --yes` goes on where it stopped, --undo goes back",
        code="unfinished-change",
    )


# --- going on, undoing -----------------------------------------------------------------------


def unfinished(root: Path) -> Journal | None:
    """The journal of a fix (or an undo) that was interrupted, if there is one; one's own first."""
    found = [journal for journal in journals(root) if journal.unfinished]
    return min(found, key=lambda journal: not journal.ours, default=None)


def would(journal: Journal) -> str:
    """What going on with a journal does: `put back 3 files`."""
    count = plural(len(journal.steps), "file")
    back = journal.state.startswith("undo") or journal.state == "done"
    return f"{'put back' if back else 'change'} {count}"


def foreign(journal: Journal) -> ForeignState:
    """The error for a journal that somebody else wrote."""
    error = ForeignState(journal.place, would(journal), journal.lines())
    error.hint = f"{error.hint}; if not, remove {journal.place}"
    return error


def finish(root: Path, *, trust_state: bool = False) -> Journal | None:
    """Go on with what was interrupted; give its journal, or None if there was nothing.

    To call this is to say yes to it. Raises `ForeignState` if somebody else wrote the journal,
    unless `trust_state` is set.
    """
    if not (root / WORK_DIR).exists():
        return None
    with locked(root) as rooted:
        sweep(rooted)
        return _finish(rooted, trust_state)


def _finish(root: Root, trust_state: bool) -> Journal | None:
    journal = unfinished(root.path)
    if journal is None:
        return None
    journal = _trusted(journal, trust_state)
    with _told(root.path):
        back = journal.state.startswith("undo")
        return act_back(root, journal) if back else act(root, journal)


def _trusted(journal: Journal, trust_state: bool) -> Journal:
    if journal.ours:
        return journal
    if not trust_state:
        raise foreign(journal)
    return replace(journal, keeps=True)


def undo(
    root: Path,
    id: str | None = None,
    *,
    trust_state: bool = False,
    before: Callable[[Journal], None] = lambda journal: None,
) -> Journal:
    """Put back, byte for byte, what the fix `id` (default the last of one's own) has changed; one
    that was interrupted is taken back from where it is. `before` hears which, once it is sure.

    Raises `HubtoolsError` if there is none, if an original is not what it was, or if a file has
    been changed since (nothing is touched then), and `ForeignState` if somebody else wrote the
    journal, unless `trust_state` is set.
    """
    with locked(root) as rooted:
        sweep(rooted)
        known = {j.id: j for j in journals(root) if j.state != "undone"}
        if not known:
            raise HubtoolsError(f"{root} has no fix to undo.", code="nothing-there")
        if id is not None and id not in known:
            raise HubtoolsError(
                f"{root} has no fix {id} to undo.",
                hint="`hubtools fix --journal` lists them",
                code="nothing-there",
            )
        last = _last(known)
        journal = _trusted(known[id if id is not None else last.id], trust_state)
        other = unfinished(root)
        if other is not None and other.ours and other.id != journal.id:
            raise HubtoolsError(
                f"The fix {other.id} of {root} was interrupted.",
                hint=f"`hubtools fix {quote(str(root))} --undo --id {other.id}` first",
                code="unfinished-change",
            )
        fresh = not journal.state.startswith("undo")
        if fresh:
            check_originals(rooted, journal)
            _refuse_to_lose(rooted, journal, newest=journal.id == last.id)
        before(journal)
        if fresh:
            journal = journal.write(rooted, "undo-removing")
        with _told(root):
            return act_back(rooted, journal, fresh=fresh)


def _last(known: dict[str, Journal]) -> Journal:
    return max(known.values(), key=lambda j: (j.ours, j.ours and j.unfinished, j.id))


def _refuse_to_lose(root: Root, journal: Journal, *, newest: bool) -> None:
    """Raises `HubtoolsError` if a file is neither what the fix has made of it nor what it was."""
    was = {step.path: step.before for step in journal.steps if step.path is not None}
    targets = {step.target for step in journal.steps if step.target is not None}
    for step in journal.steps:
        if step.target is not None and root.exists(step.target):
            known = (step.after, was.get(step.target, step.after))
            if root.fingerprint(step.target) not in known:
                raise HubtoolsError(
                    f"{root.path / step.target} has been changed since the fix.",
                    hint=_undo_first(root, step.target, journal, newest),
                    code="file-changed",
                )
        if step.path is not None and step.path not in targets and root.exists(step.path):
            if any(same(root, step.path, target) for target in targets):
                continue  # the same file, on a file system that ignores case
            if root.fingerprint(step.path) != step.before:
                raise HubtoolsError(
                    f"{root.path / step.path} exists again; undoing would overwrite it.",
                    hint=_undo_first(root, step.path, journal, newest),
                    code="file-exists",
                )


def _undo_first(root: Root, name: str, journal: Journal, newest: bool) -> str:
    """What to do about the file `name`, which is in the way of an undo of `journal`."""
    mark, here = root.fingerprint(name), root.path.absolute()
    later = []
    for folder in (here / name).parents:  # a fix of a folder above, or below, may have made it
        try:
            known = journals(folder) if (folder / FIXES).is_dir() else []
        except (HubtoolsError, OSError):
            continue
        own = (here / name).relative_to(folder).as_posix()
        later += [
            one
            for one in known
            if one.state != "undone"
            and (one.id != journal.id if folder == here else one.ours)
            and any(step.target == own and step.after == mark for step in one.steps)
        ]
    if later:
        last = max(later, key=lambda one: one.id)
        typed = f"hubtools fix {quote(from_here(last.root))} --undo --id {last.id}"
        return f"a later fix has made that file: `{typed}` first, then this again"
    if newest:
        return "move it aside and undo again"
    listed = f"hubtools fix {quote(from_here(root.path))} --journal"
    return f"undo the later fixes first; `{listed}` lists them"


# --- files -----------------------------------------------------------------------------------


def purge(root: Path, *, trust_state: bool = False) -> int:
    """Delete the originals of all finished fixes for good; give the bytes freed.

    Raises `HubtoolsError` if one was interrupted, and `ForeignState` if somebody else wrote one,
    unless `trust_state` is set; nothing is deleted then. Originals without a journal stay.
    """
    with locked(root) as rooted:
        sweep(rooted)
        known = journals(root)
        for journal in known:
            if journal.unfinished and journal.ours:
                _refuse_beside(root)
            if not journal.ours and not trust_state:
                raise ForeignState(
                    journal.place, "have its originals deleted for good", journal.lines()
                )
        freed = sum(rooted.remove_tree(journal.name) for journal in known)
        if not [id for id in rooted.list(FIXES) if rooted.is_folder(f"{FIXES}/{id}")]:
            for name in (".gitignore", ".lock"):
                rooted.unlink(f"{FIXES}/{name}", missing_ok=True)
            if rooted.rmdir(FIXES):
                rooted.rmdir(WORK_DIR)
        return freed


def fingerprint(path: Path) -> str | None:
    """SHA-256 of a file, `link:` and its target of a link, None if there is nothing (or something
    that has no bytes: a folder, a pipe)."""
    if path.is_symlink():
        return f"link:{path.readlink()}"
    return sha256_of(path) if path.is_file() else None


def fingerprint_of(data: bytes) -> str:
    """What `fingerprint` gives for a file of these bytes."""
    return hashlib.sha256(data).hexdigest()
