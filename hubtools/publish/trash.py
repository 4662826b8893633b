"""Move what is not worth publishing aside, and bring it back exactly as it was.

A trash is `.hubtools/trash/<time>/`: `files.json` says what was moved, and the modes and times of
the folders it came from; below `files/` it lies under its old names. The list is written first and
sealed (`hubtools.trust`): one that came with the folder is shown and acted on only if the user says
so. Of a LoRA that is written in half precision the file itself is kept there too, and so is the
`run.json` that told of it; the new ones are listed as `written`, and go on the way back. All of it
goes through `Root`: no link is followed and nothing outside the folder is touched.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_value, sha256_of
from hubtools.findings import plural
from hubtools.layout import RUN_MANIFEST, TRASH_DIR, WORK_DIR
from hubtools.publish.classify import PrunePlan
from hubtools.publish.halving import (
    changed,
    exchange,
    new_facts,
    taken_back,
    written,
)
from hubtools.rooted import LeadsOut, Root, parts_of
from hubtools.runfolders.trainers import read_manifest, recognise
from hubtools.trust import ForeignState, is_sealed, seal

_LIST = "files.json"
_FILES = "files"
_ALL = f"{WORK_DIR}/{TRASH_DIR}"
_MAX_LIST = 200_000_000  # bytes of a list: a million files
_SHOWN = 10  # moves of a list that came with the folder that are shown


@dataclass(frozen=True)
class _Folder:
    """A folder that files were moved out of, as it was; "" is the run folder."""

    name: str
    mode: int
    mtime_ns: int


@dataclass(frozen=True)
class _Listed:
    """What a list says: (where a file is now, where it was), the folders, and what was promoted."""

    moves: tuple[tuple[str, str], ...]
    folders: tuple[_Folder, ...]
    promoted: dict[str, str | None]  # name now -> SHA-256 it had
    written: dict[str, tuple[str, str]]  # name it had -> (name now, SHA-256) of what took its place
    sealed: bool


# --- there ---------------------------------------------------------------------------------------


def apply(plan: PrunePlan) -> Path | None:
    """Move all files that the plan drops and knows to a new trash below the run folder; give it
    (None if there was nothing to move). The list of moves is written first, so that `undo` works
    after a kill at any moment.

    Raises `HubtoolsError` if the folder is no trainer's output, something is undecided or the run
    is not finished (its states are what it would resume from).
    """
    recognise(plan.root)
    if plan.asks:
        raise HubtoolsError(
            f"{plural(len(plan.asks), 'file')} undecided:"
            f" {', '.join(i.path for i in plan.asks[:3])}.",
            hint="decide with --keep PATTERN or --drop PATTERN",
            code="confirmation-needed",
        )
    promoted = [(i.path, str(i.target)) for i in plan.kept if i.target and not i.half]
    if not plan.moved and not promoted and not plan.halved:
        return None
    with Root(plan.root) as root, written(plan) as halves:
        if (read_manifest(root) or {}).get("status") in ("running", "interrupted"):
            raise HubtoolsError(
                f"The run in {plan.root} is not finished; pruning would take what it resumes from.",
                hint="finish it with `hubtools train`, then prune",
                code="unfinished-change",
            )
        for item in plan.kept:
            if item.target and root.exists(item.target):
                raise _in_the_way(root, item.target, "move it aside")
        _sweep(root)
        new = [(item.path, item.target or item.path) for item in plan.halved]
        moved = [item.path for item in plan.moved]
        facts = new_facts(root, plan) if new and RUN_MANIFEST not in moved else None
        replaced = [old for old, _ in new] + ([RUN_MANIFEST] if facts is not None else [])
        left = sorted(_folders_of(moved + replaced + [old for old, _ in promoted]))
        folders = [found for name in left if (found := _folder(root, name)) is not None]
        trash = root.new_folder(_ALL)
        name = f"{trash}/{_LIST}"
        content: dict[str, Any] = {
            "schema": 2,
            "moves": [{"from": one, "to": one} for one in moved + replaced],
            "promoted": [
                {"from": old, "to": new, "sha256": root.sha256(old)} for old, new in promoted
            ],
            "written": [
                {"from": old, "to": to, "sha256": sha256_of(halves[to])} for old, to in new
            ],
            "folders": [
                {"name": one.name, "mode": one.mode, "mtime_ns": one.mtime_ns} for one in folders
            ],
        }
        if facts is not None:
            digest = hashlib.sha256(facts[1]).hexdigest()
            content["written"].append({"from": RUN_MANIFEST, "to": RUN_MANIFEST, "sha256": digest})
        root.write_json(name, seal(plan.root, name, content))
        for old, target in promoted:
            root.rename(old, target)
        exchange(root, f"{trash}/{_FILES}", new, halves, facts)
        for one in moved:
            if root.exists(one):  # gone since the look otherwise
                root.rename(one, f"{trash}/{_FILES}/{one}", sync=False)
        _sync(root, [f"{trash}/{_FILES}/{one}" for one in moved])
        _remove_empty(root, left)
        root.sync()
    return plan.root / trash


def _folders_of(names: Iterable[str]) -> set[str]:
    """All folders that these lie in; "" is the run folder."""
    found = {""}
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _folder(root: Root, name: str) -> _Folder | None:
    facts = root.stat(name) if name else root.path.stat()
    if facts is None or not stat.S_ISDIR(facts.st_mode):
        return None
    return _Folder(name, stat.S_IMODE(facts.st_mode), facts.st_mtime_ns)


def _remove_empty(root: Root, folders: Iterable[str]) -> None:
    """Remove those that are empty now; a folder after what is in it."""
    for name in sorted(folders, key=lambda one: one.count("/"), reverse=True):
        if name and root.is_folder(name):
            root.rmdir(name)


def _sync(root: Root, names: Iterable[str]) -> None:
    """Make the new names survive a power cut, before the old places go: a folder once, not once a
    file."""
    for folder in _folders_of(names):
        if not folder or root.is_folder(folder):
            root.sync(folder)


def _sweep(root: Root) -> None:
    """Remove trashes that were killed before their list was written: nothing is in them."""
    for entry in root.list_made(_ALL):
        trash = f"{_ALL}/{entry}"
        if root.is_folder(trash) and not root.exists(f"{trash}/{_LIST}"):
            root.sweep(trash)
            root.rmdir(trash)


# --- and back ------------------------------------------------------------------------------------


def trashes(root: Path) -> list[Path]:
    """All trashes of a run folder, oldest first. Raises `LeadsOut` if one is a link."""
    with Root(root) as opened:
        return [root / trash for trash in _trashes(opened)]


def _trashes(root: Root) -> list[str]:
    found = []
    for entry in root.list_made(_ALL):
        trash = f"{_ALL}/{entry}"
        if (root.is_folder(trash) or root.is_link(trash)) and root.exists(f"{trash}/{_LIST}"):
            found.append(trash)
    return found


def undo(root: Path, *, trust: bool = False) -> int:
    """Bring back the newest trash of the run folder; give the number of files restored.

    Raises `ForeignState` for a list that this user did not write there, unless `trust` is set, and
    `HubtoolsError` if there is no trash, the list is damaged or leads out, or a file would be
    overwritten. Nothing is moved then.
    """
    with Root(root) as opened:
        found = _trashes(opened)
        if not found:
            raise HubtoolsError(f"{root} has no trash to bring back.", code="nothing-there")
        trash = found[-1]
        listed = _read(opened, trash)
        pending = [(now, was) for now, was in listed.moves if opened.exists(now)]
        if not listed.sealed and not trust:
            shown = [f"{was!r} from {now!r}" for now, was in pending[:_SHOWN]]
            more = [f"and {len(pending) - _SHOWN} more"] if len(pending) > _SHOWN else []
            raise ForeignState(
                opened.path / trash / _LIST,
                f"move {plural(len(pending), 'file')} back into the folder",
                tuple(shown + more),
            )
        back = {was: taken_back(opened, listed.written, now, was) for now, was in pending}
        copies = {
            was: mark
            for now, was in pending
            if back[was].name != was and (mark := _blocked(opened, now, was)) is not None
        }
        for now, digest in listed.promoted.items():
            if digest is not None and opened.fingerprint(now) not in (None, digest):
                raise changed(opened, now)
        for now, was in pending:
            new, mark, facts = back[was]
            if facts is not None:
                opened.write_over(was, facts[1], facts[0])
            elif new and new != was:
                # the others may have taken long
                opened.unlink(new, check=partial(_check_same, opened, new, mark))
            if was in copies:  # the file that it is of must still be in its place
                opened.unlink(now, check=partial(_check_same, opened, was, copies[was]))
            elif facts is not None:
                opened.unlink(now)
            else:
                same = partial(_check_same, opened, new, mark) if new == was else None
                opened.rename(now, was, sync=False, check=same)
        _sync(opened, [was for _, was in pending])
        _restore(opened, [folder for folder in listed.folders if folder.name])
        _remove_trash(opened, trash)
        _restore(opened, [folder for folder in listed.folders if not folder.name])
    return len(pending)


def _check_same(root: Root, name: str, mark: tuple[int, ...] | None) -> None:
    if root.mark(name) != mark:
        raise changed(root, name)


def _blocked(root: Root, now: str, was: str) -> tuple[int, ...] | None:
    """The mark of the very same file if it is there already. Raises `HubtoolsError` if something
    else is in the way of `was`, or in that of a folder on the way (links count; they may lead
    out)."""
    parts = parts_of(was)
    for count in range(1, len(parts)):
        folder = "/".join(parts[:count])
        if root.exists(folder) and not root.is_folder(folder):
            raise _in_the_way(root, folder)
    mark = root.mark(was)
    if mark is None:
        return None
    if root.is_file(was) and root.is_file(now) and root.fingerprint(was) == root.fingerprint(now):
        return mark
    raise _in_the_way(root, was)


def _in_the_way(root: Root, name: str, hint: str = "move it aside and undo again") -> HubtoolsError:
    if hint == "move it aside":
        return HubtoolsError(f"{root.path / name} is in the way.", hint=hint, code="file-exists")
    return HubtoolsError(
        f"{root.path / name} exists again; bringing the trash back would overwrite it.",
        hint=hint,
        code="file-exists",
    )


def _restore(root: Root, folders: Iterable[_Folder]) -> None:
    """Make the folders as they were; one after what is in it, so that its times stay."""
    for folder in sorted(folders, key=lambda one: one.name.count("/"), reverse=True):
        if folder.name:
            root.mkdir(folder.name)
            root.chmod(folder.name, folder.mode)
        facts = root.stat(folder.name) if folder.name else root.path.stat()
        assert facts is not None
        root.set_times(folder.name, facts.st_atime_ns, folder.mtime_ns)


def _remove_trash(root: Root, trash: str) -> None:
    """Remove the list and the empty folders of a trash that was brought back."""
    inside = [name for name, facts in root.walk(trash) if stat.S_ISDIR(facts.st_mode)]
    for folder in inside:
        root.sweep(folder, older_than=0)  # copies that a kill has left half made
    _remove_empty(root, inside)
    root.unlink(f"{trash}/{_LIST}", missing_ok=True)
    root.sweep(trash)
    _remove_empty(root, [trash])
    _remove_empty(root, [_ALL])
    _remove_empty(root, [WORK_DIR])


def purge(root: Path, *, trust: bool = False) -> int:
    """Delete all trashes of the run folder for good; give the bytes freed.

    Raises `ForeignState`, before anything is deleted, if this user did not write one of the lists
    there and `trust` is not set."""
    with Root(root) as opened:
        found = _trashes(opened)
        for trash in found:
            if not trust and not _read(opened, trash).sealed:
                count = sum(not stat.S_ISDIR(facts.st_mode) for _, facts in opened.walk(trash))
                raise ForeignState(
                    opened.path / trash / _LIST, f"delete {plural(count - 1, 'file')} for good"
                )
        freed = 0
        for trash in found:
            # the list last: a purge that is killed can be done again
            freed += opened.remove_tree(f"{trash}/{_FILES}")
            freed += opened.remove_tree(trash)
        _remove_empty(opened, [_ALL])
    return freed


# --- the list ------------------------------------------------------------------------------------


def _read(root: Root, trash: str) -> _Listed:
    """The list of a trash. Raises `HubtoolsError` if it is damaged, names something twice or leads
    out of the folder."""
    name = f"{trash}/{_LIST}"
    try:
        content = json_value(root.read(name, _MAX_LIST))
        promoted = [(m["to"], m["from"]) for m in content["promoted"]]
        moved = [(m["to"], m["from"]) for m in content["moves"]]
        digests = {m["to"]: m.get("sha256") for m in content["promoted"]}
        written = {m["from"]: (m["to"], str(m["sha256"])) for m in content.get("written", [])}
        folders = [_Folder(f["name"], f["mode"], f["mtime_ns"]) for f in content.get("folders", [])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise HubtoolsError(
            f"{root.path / name} is damaged; nothing was moved.", code="file-damaged"
        ) from None
    names = [one for pair in promoted + moved for one in pair] + [f.name for f in folders if f.name]
    names += [one for was, (new, _) in written.items() for one in (was, new)]
    for one in names:
        _check(root, name, one)
    numbers = [number for folder in folders for number in (folder.mode, folder.mtime_ns)]
    if not all(type(n) is int and -(1 << 62) < n < 1 << 62 for n in numbers):
        raise HubtoolsError(
            f"{root.path / name} is damaged; nothing was moved.", code="file-damaged"
        )
    _check_apart(root, name, [was for _, was in promoted + moved])
    moves = [*promoted, *((f"{trash}/{_FILES}/{now}", was) for now, was in moved)]
    sealed = is_sealed(root.path, name, content)
    return _Listed(tuple(moves), tuple(folders), digests, written, sealed)


def _check(root: Root, listed: str, name: object) -> None:
    try:
        if isinstance(name, str) and WORK_DIR not in parts_of(name):
            return
    except LeadsOut:
        pass
    raise HubtoolsError(
        f"{root.path / listed} names {name!r}, which is not in {root.path}; nothing was moved.",
        code="file-damaged",
    )


def _check_apart(root: Root, listed: str, names: list[str]) -> None:
    """Each file once, and none where another has its folder."""
    seen = set(names)
    twice = len(seen) < len(names)
    if twice or seen & _folders_of(names):
        raise HubtoolsError(
            f"{root.path / listed} puts two files in one place; nothing was moved.",
            code="file-damaged",
        )


__all__ = ["apply", "purge", "trashes", "undo"]
