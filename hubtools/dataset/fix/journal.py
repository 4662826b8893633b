"""Apply a plan so that a kill at any moment loses nothing, and undo it.

    .hubtools/fixes/<id>/
      journal.json     every operation with fingerprints before and after, and the state
      originals/       every file that is changed, renamed or removed, as it was
      new/             what is not yet in place

All originals and all new files are written (and checked) before journal.json is; until then nothing
of the dataset has changed and a left-over folder is thrown away. From then on the journal says how
to go on: files leave their old names (`removing`), new ones take theirs (`placing`), `done`.
`undo` goes back the same way (`undo-removing`, `undo-placing`, `undone`). Each step can be done
again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from hubtools.dataset.careful import one_helper
from hubtools.dataset.files import read_file
from hubtools.dataset.fix.journals import (
    JOURNAL,
    Journal,
    Step,
    journals,
    locked,
    new_place,
    place_of,
)
from hubtools.dataset.fix.pixels import Refused, edited
from hubtools.dataset.fix.plan import Operation, Plan
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of, sync_folder, write_bytes

_UNFINISHED = ("removing", "placing", "undo-removing", "undo-placing")


class RefusedFiles(HubtoolsError):
    """Edits that turned out impossible while the plan was prepared; nothing was changed."""

    def __init__(self, files: dict[str, str]) -> None:
        first = next(iter(files.items()))
        super().__init__(f"{first[0]} cannot be changed: {first[1]}.")
        self.files = files


# --- apply -----------------------------------------------------------------------------------


@one_helper()
def apply(
    root: Path, plan: Plan, on_file: Callable[[int, int], None] | None = None
) -> Journal | None:
    """Do what the plan says and give its journal (None if it says nothing).

    Raises `RefusedFiles` if a picture cannot be edited as promised and `HubtoolsError` if a file
    has changed since the plan was made; nothing is changed then.
    """
    if not plan.operations:
        return None
    with locked(root):
        _finish(root)
        place = new_place(root)
        try:
            steps = _stage(root, place, plan, on_file)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return _act(root, Journal(place, place.name, "", steps).write("removing"))


def _stage(
    root: Path, place: Path, plan: Plan, on_file: Callable[[int, int], None] | None
) -> tuple[Step, ...]:
    """Write all originals and all new files into the journal's folder."""
    steps: list[Step] = []
    refused: dict[str, str] = {}
    _check(root, plan)
    for number, op in enumerate(plan.operations):
        if op.path is not None:
            _keep(root / op.path, place / "originals" / op.path)
        after = pixels = None
        if op.target is not None:
            new = place / "new" / str(number)
            try:
                pixels = _make(root, op, new)
            except Refused as error:
                refused[str(op.path)] = str(error)
                continue
            after = fingerprint(new)
        steps.append(
            Step(op.action.value, op.path, op.target, op.before, after, op.rules, op.why, pixels)
        )
        if on_file is not None:
            on_file(number + 1, len(plan.operations))
    if refused:
        raise RefusedFiles(refused)
    for folder, _, _ in os.walk(place):
        sync_folder(Path(folder))
    return tuple(steps)


def _check(root: Path, plan: Plan) -> None:
    sources = {op.path for op in plan.operations}
    for op in plan.operations:
        for name in (op.path, op.target):
            if name is not None:
                _inside(root, name)
        if op.path is not None and fingerprint(root / op.path) != op.before:
            raise HubtoolsError(
                f"{root / op.path} has changed since the plan was made; nothing was done.",
                hint="run `hubtools fix` again",
            )
        if op.target not in sources and op.target is not None and _exists(root / op.target):
            same = op.path is not None and _same(root / op.path, root / op.target)
            if not same:
                raise HubtoolsError(f"{root / op.target} is in the way; nothing was done.")


def _make(root: Path, op: Operation, new: Path) -> str | None:
    """Write what `op.target` will be; give the hash of its pixels if an edit proves them."""
    if op.content is not None:
        write_bytes(new, op.content.encode("utf-8"))
    elif op.edits:
        assert op.path is not None
        data, pixels = edited(read_file(root / op.path), op.edits)
        write_bytes(new, data)
        shutil.copymode(root / op.path, new)
        return pixels
    else:
        assert op.path is not None
        _keep(root / op.path, new)
    if op.path is not None and op.content is not None:
        shutil.copymode(root / op.path, new)
    return None


def _keep(source: Path, target: Path) -> None:
    """A second name for a file, or a copy where the file system has none. Files are only ever
    replaced, never written into, so that a second name is as good as a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    try:
        os.link(source, target)
    except OSError:
        with source.open("rb") as content, target.open("wb") as copy:
            shutil.copyfileobj(content, copy)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(source, target)


def _act(root: Path, journal: Journal) -> Journal:
    """Go on from wherever the journal is."""
    if journal.state == "removing":
        for step in journal.steps:
            if step.moves and step.path is not None:
                _take_away(root / step.path, step.before)
        journal = journal.write("placing")
    for number, step in enumerate(journal.steps):
        new = journal.place / "new" / str(number)
        if step.target is None or not _exists(new):
            continue
        target = root / step.target
        if _exists(target) and (step.moves or fingerprint(target) not in (step.before, step.after)):
            raise _in_the_way(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(new, target)
    _tidy(root, journal)
    journal = journal.write("done")
    shutil.rmtree(journal.place / "new", ignore_errors=True)
    return journal


def _take_away(path: Path, expected: str | None) -> None:
    """Remove a file of which the journal has a copy; one that has changed is never removed."""
    if not _exists(path):
        return
    if fingerprint(path) != expected:
        raise _in_the_way(path)
    path.unlink()


def _in_the_way(path: Path) -> HubtoolsError:
    return HubtoolsError(
        f"{path} has changed since; nothing more was done.",
        hint="move it aside and run the same command again; it continues where it stopped",
    )


# --- going on, undoing -----------------------------------------------------------------------


def unfinished(root: Path) -> Journal | None:
    """The journal of a fix (or an undo) that was interrupted, if there is one."""
    return next((j for j in journals(root) if j.state in _UNFINISHED), None)


def finish(root: Path) -> Journal | None:
    """Go on with what was interrupted; give its journal, or None if there was nothing."""
    with locked(root):
        return _finish(root)


def _finish(root: Path) -> Journal | None:
    place = place_of(root)
    if place.is_dir():
        for folder in place.iterdir():
            if folder.is_dir() and not (folder / JOURNAL).exists():
                shutil.rmtree(folder)  # killed before anything was changed
    journal = unfinished(root)
    if journal is None:
        return None
    return _act_back(root, journal) if journal.state.startswith("undo") else _act(root, journal)


def undo(root: Path, id: str | None = None) -> Journal:
    """Put back, byte for byte, what the fix `id` (default the last) has changed.

    Raises `HubtoolsError` if there is none, or if a file has been changed since (nothing is
    touched then).
    """
    with locked(root):
        _finish(root)
        known = {journal.id: journal for journal in journals(root) if journal.state == "done"}
        if not known:
            raise HubtoolsError(f"{root} has no fix to undo.")
        if id is not None and id not in known:
            raise HubtoolsError(
                f"{root} has no fix {id} to undo.", hint="`hubtools fix --journal` lists them"
            )
        journal = known[id if id is not None else max(known)]
        _refuse_to_lose(root, journal, newest=journal.id == max(known))
        return _act_back(root, journal.write("undo-removing"))


def _refuse_to_lose(root: Path, journal: Journal, *, newest: bool) -> None:
    targets = {step.target for step in journal.steps}
    for step in journal.steps:
        hint = "move it aside and undo again"
        if not newest:
            hint = "undo the later fixes first; `hubtools fix --journal` lists them"
        if step.target is not None:
            path = root / step.target
            if _exists(path) and fingerprint(path) != step.after:
                raise HubtoolsError(f"{path} has been changed since the fix.", hint=hint)
        if step.path is not None and step.path not in targets and _exists(root / step.path):
            if any(_same(root / step.path, root / t) for t in targets if t is not None):
                continue  # the same file, on a file system that ignores case
            raise HubtoolsError(
                f"{root / step.path} exists again; undoing would overwrite it.", hint=hint
            )
        if step.path is not None and not _exists(journal.place / "originals" / step.path):
            raise HubtoolsError(f"The journal {journal.id} lacks {step.path}; nothing was undone.")


def _act_back(root: Path, journal: Journal) -> Journal:
    originals = journal.place / "originals"
    if journal.state == "undo-removing":
        for step in journal.steps:
            if step.target is not None and step.target != step.path:
                _take_away(root / step.target, step.after)
        journal = journal.write("undo-placing")
    for step in journal.steps:
        if step.path is None or not _exists(originals / step.path):
            continue
        target = root / step.path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(originals / step.path, target)
        sync_folder(target.parent)
    _tidy(root, journal)
    journal = journal.write("undone")
    shutil.rmtree(originals, ignore_errors=True)
    shutil.rmtree(journal.place / "new", ignore_errors=True)
    return journal


def _tidy(root: Path, journal: Journal) -> None:
    """Remove folders that the steps have emptied, and make the rest durable."""
    names = {name for step in journal.steps for name in (step.path, step.target) if name}
    folders = {parent for name in names for parent in (root / name).parents if parent != root}
    folders = {folder for folder in folders if folder.is_relative_to(root)}
    linked: set[str] | None = None
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        if folder.is_dir() and not folder.is_symlink():
            if any(folder.iterdir()):
                sync_folder(folder)
                continue
            linked = _linked(root) if linked is None else linked
            if os.path.realpath(folder) not in linked:
                folder.rmdir()
    sync_folder(root)


def _linked(root: Path) -> set[str]:
    """Folders that links below `root` lead to: without them, the links would lead nowhere."""
    return {
        os.path.realpath(path)
        for place, folders, _ in os.walk(root)
        for path in (Path(place, name) for name in folders)
        if path.is_symlink()
    }


# --- files -----------------------------------------------------------------------------------


def purge(root: Path) -> int:
    """Delete the originals of all finished fixes for good; give the bytes freed."""
    with locked(root):
        _finish(root)
        freed = 0
        for journal in journals(root):
            freed += journal.bytes
            shutil.rmtree(journal.place)
        place = place_of(root)
        shutil.rmtree(place)
        if not any(place.parent.iterdir()):
            place.parent.rmdir()
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


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other) and one.name.casefold() == other.name.casefold()
    except OSError:
        return False


def _inside(root: Path, name: str) -> None:
    """Raises `HubtoolsError` if a folder on the way is a link, which may lead out."""
    for parent in (root / name).relative_to(root).parents:
        if (root / parent).is_symlink() and root / parent != root:
            raise HubtoolsError(f"{root / parent} is a symbolic link; nothing was done.")
