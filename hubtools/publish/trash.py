"""Move what is not worth publishing aside, and bring it back exactly as it was.

A trash is `.hubtools/trash/<time>/`: `files.json` says what was moved, and the modes and times of
the folders it came from; below `files/` it lies under its old names. The list is written first and
sealed (`hubtools.trust`): one that came with the folder is shown and acted on only if the user says
so. Of a LoRA that is written in half precision the file itself is kept there too, and so is the
`run.json` that told of it; the new ones are listed as `written`, and go on the way back. All of it
goes through `Root`: no link is followed and nothing outside the folder is touched. One process at a
time moves, brings back or deletes; a trash that it has left unfinished belongs to the next one.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hubtools import renaming
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of
from hubtools.findings import plural
from hubtools.layout import RUN_MANIFEST, WORK_DIR
from hubtools.publish.classify import PrunePlan
from hubtools.publish.halving import Taken, changed, exchange, new_facts, taken_back, written
from hubtools.publish.trash_list import (
    ALL,
    BEGUN,
    FILES,
    LIST,
    Folder,
    Listed,
    folders_of,
    read_list,
    trashes_of,
)
from hubtools.rooted import Root, parts_of
from hubtools.runfolders.trainers import read_manifest, recognise
from hubtools.trust import ForeignState, seal

_LOCK = f"{ALL}/.lock"
_SHOWN = 10  # moves of a list that came with the folder that are shown


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
        _check_ready(root, plan)
        top = _folder(root, "")  # as it is without the lock
        with _locked(root):
            _check_ready(root, plan)
            trash = _moved(root, plan, halves, promoted, top)
    return None if trash is None else plan.root / trash


def _check_ready(root: Root, plan: PrunePlan) -> None:
    if (read_manifest(root) or {}).get("status") in ("running", "interrupted"):
        raise HubtoolsError(
            f"The run in {plan.root} is not finished; pruning would take what it resumes from.",
            hint="finish it with `hubtools train`, then prune",
            code="unfinished-change",
        )
    for item in plan.kept:
        if item.target and root.exists(item.target):
            raise _in_the_way(root, item.target, "move it aside")


@contextmanager
def _locked(root: Root) -> Iterator[None]:
    """One prune at a time. The lock ends with the process, however that ends."""
    with ExitStack() as stack:
        try:
            stack.enter_context(root.holding(_LOCK, remove=True))
        except BlockingIOError:
            raise _busy(root) from None
        yield
    _remove_empty(root, [ALL])
    _remove_empty(root, [WORK_DIR])


def _busy(root: Root) -> HubtoolsError:
    return HubtoolsError(
        f"Another `hubtools prune` is at work in {root.path}.",
        hint="wait for it, and run the same command again",
        code="busy",
    )


def _moved(
    root: Root,
    plan: PrunePlan,
    halves: Mapping[str, Path],
    promoted: list[tuple[str, str]],
    top: Folder | None,
) -> str | None:
    """Do what the plan says; give the name of the trash, None if another process has done it."""
    _sweep(root)
    new = [(item.path, item.target or item.path) for item in plan.halved]
    made_of = {item.path: item.half.made_of.sha256 for item in plan.halved if item.half}
    for old, digest in made_of.items():
        if root.fingerprint(old) != digest:
            raise renaming.changed(root.path / old)
    moved = [item.path for item in plan.moved if root.exists(item.path)]
    if not moved and not new and not promoted:
        return None
    facts = new_facts(root, plan) if new and RUN_MANIFEST not in moved else None
    replaced = [old for old, _ in new] + ([RUN_MANIFEST] if facts is not None else [])
    left = sorted(folders_of(moved + replaced + [old for old, _ in promoted]))
    found = [top, *(_folder(root, name) for name in left if name)]
    trash = root.new_folder(ALL)
    name = f"{trash}/{LIST}"
    content: dict[str, Any] = {
        "schema": 2,
        "moves": [{"from": one, "to": one} for one in moved + replaced],
        "promoted": [{"from": old, "to": to, "sha256": root.sha256(old)} for old, to in promoted],
        "written": [
            {"from": old, "to": to, "sha256": sha256_of(halves[to]), "was": made_of[old]}
            for old, to in new
        ],
        "folders": [
            {"name": one.name, "mode": one.mode, "mtime_ns": one.mtime_ns} for one in found if one
        ],
    }
    if facts is not None:
        was, digest = (hashlib.sha256(one).hexdigest() for one in facts)
        entry = {"from": RUN_MANIFEST, "to": RUN_MANIFEST, "sha256": digest, "was": was}
        content["written"].append(entry)
    root.write(f"{trash}/{BEGUN}", b"")
    root.write_json(name, seal(plan.root, name, content))
    for old, target in promoted:
        root.rename(old, target)
    exchange(root, f"{trash}/{FILES}", new, halves, facts)
    for one in moved:
        if root.exists(one):  # gone since the look otherwise
            root.rename(one, f"{trash}/{FILES}/{one}", sync=False)
    _sync(root, [f"{trash}/{FILES}/{one}" for one in moved])
    _remove_empty(root, left)
    root.unlink(f"{trash}/{BEGUN}")
    root.sync()
    return trash


def _folder(root: Root, name: str) -> Folder | None:
    facts = root.stat(name) if name else root.path.stat()
    if facts is None or not stat.S_ISDIR(facts.st_mode):
        return None
    return Folder(name, stat.S_IMODE(facts.st_mode), facts.st_mtime_ns)


def _remove_empty(root: Root, folders: Iterable[str]) -> None:
    """Remove those that are empty now; a folder after what is in it."""
    for name in sorted(folders, key=lambda one: one.count("/"), reverse=True):
        if name and root.is_folder(name):
            root.rmdir(name)


def _sync(root: Root, names: Iterable[str]) -> None:
    """Make the new names survive a power cut, before the old places go: a folder once, not once a
    file."""
    for folder in folders_of(names):
        if not folder or root.is_folder(folder):
            root.sync(folder)


def _sweep(root: Root) -> None:
    """Remove trashes that were killed before their list was written: nothing is in them."""
    for entry in root.list_made(ALL):
        trash = f"{ALL}/{entry}"
        if root.is_folder(trash) and not root.exists(f"{trash}/{LIST}"):
            if (found := root.stat(f"{trash}/{BEGUN}")) is not None and not found.st_size:
                root.unlink(f"{trash}/{BEGUN}")
            root.sweep(trash)
            root.rmdir(trash)


# --- and back ------------------------------------------------------------------------------------


def trashes(root: Path) -> list[Path]:
    """All trashes of a run folder, oldest first. Raises `LeadsOut` if one is a link."""
    with Root(root) as opened:
        return [root / trash for trash in trashes_of(opened)]


def undo(root: Path, *, trust: bool = False) -> int:
    """Bring back the newest trash of the run folder, and what prunes before it that did not come to
    their end have moved; give the number of files restored.

    Raises `ForeignState` for a list that this user did not write there, unless `trust` is set, and
    `HubtoolsError` if there is no trash, the list is damaged or leads out, or a file would be
    overwritten. Nothing of that trash is moved then.
    """
    with Root(root) as opened:
        try:
            _look(opened, *_belonging(opened, trust)[0], trust)  # before a lock leaves its traces
        except HubtoolsError:
            if opened.held(_LOCK):  # what is in the way is what that one brings back
                raise _busy(opened) from None
            raise
        with _locked(opened):
            found = _belonging(opened, trust)
            count = sum(_bring_back(opened, trash, listed, trust) for trash, listed in found)
        _restore(opened, [folder for folder in found[-1][1].folders if not folder.name])
    return count


def _newest(root: Root) -> str:
    found = trashes_of(root)
    if not found:
        raise HubtoolsError(f"{root.path} has no trash to bring back.", code="nothing-there")
    return found[-1]


def _belonging(root: Root, trust: bool) -> list[tuple[str, Listed]]:
    """The newest trash, and those right before it of prunes that were stopped: for who typed the
    command again it was one."""
    newest = _newest(root)
    found = [(newest, read_list(root, newest))]
    for trash in reversed(trashes_of(root)[:-1]):
        if not root.exists(f"{trash}/{BEGUN}"):
            break
        try:
            listed = read_list(root, trash)
        except HubtoolsError:
            break  # told by whoever undoes that one
        if not listed.sealed and not trust:
            break
        found.append((trash, listed))
    return found


class _Looked(NamedTuple):
    """What there is to bring back: (where it is, where it was), what goes for it, and the marks of
    files that are back already."""

    pending: list[tuple[str, str]]
    back: dict[str, Taken]
    copies: dict[str, tuple[int, ...]]


def _look(opened: Root, trash: str, listed: Listed, trust: bool) -> _Looked:
    pending = [(now, was) for now, was in listed.moves if opened.exists(now)]
    if not listed.sealed and not trust:
        # what is hidden first: it is what programs obey
        first = sorted(pending, key=lambda one: not f"/{one[1]}".count("/."))[:_SHOWN]
        shown = [f"{was!r} from {now!r}" for now, was in first]
        more = [f"and {len(pending) - _SHOWN} more"] if len(pending) > _SHOWN else []
        raise ForeignState(
            opened.path / trash / LIST,
            f"move {plural(len(pending), 'file')} back into the folder",
            tuple(shown + more),
        )
    back = {was: taken_back(opened, listed.written, now, was) for now, was in pending}
    copies = {
        was: mark
        for now, was in pending
        if (mark := _back_already(opened, now, was, back[was])) is not None
    }
    for now, digest in listed.promoted.items():
        if digest is not None and opened.fingerprint(now) not in (None, digest):
            raise changed(opened, now)
    return _Looked(pending, back, copies)


def _bring_back(opened: Root, trash: str, listed: Listed, trust: bool) -> int:
    pending, back, copies = _look(opened, trash, listed, trust)
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
    return len(pending)


def _check_same(root: Root, name: str, mark: tuple[int, ...] | None) -> None:
    if root.mark(name) != mark:
        raise changed(root, name)


def _back_already(root: Root, now: str, was: str, taken: Taken) -> tuple[int, ...] | None:
    """The mark of a file that is back, so that the one in the trash only goes."""
    if taken.name == was:
        return None
    if not taken.name and taken.mark is not None:
        return taken.mark
    return _blocked(root, now, was)


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


def _restore(root: Root, folders: Iterable[Folder]) -> None:
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
    root.unlink(f"{trash}/{BEGUN}", missing_ok=True)
    root.unlink(f"{trash}/{LIST}", missing_ok=True)
    root.sweep(trash)
    _remove_empty(root, [trash])


def purge(root: Path, *, trust: bool = False) -> int:
    """Delete all trashes of the run folder for good; give the bytes freed.

    Raises `ForeignState`, before anything is deleted, if this user did not write one of the lists
    there and `trust` is not set."""
    with Root(root) as opened:
        if not _trusted(opened, trust):
            return 0
        with _locked(opened):
            # the list last: a purge that is killed can be done again
            return sum(
                opened.remove_tree(f"{trash}/{FILES}") + opened.remove_tree(trash)
                for trash in _trusted(opened, trust)
            )


def _trusted(root: Root, trust: bool) -> list[str]:
    found = trashes_of(root)
    for trash in found:
        if not trust and not read_list(root, trash).sealed:
            count = sum(not stat.S_ISDIR(facts.st_mode) for _, facts in root.walk(trash))
            count -= 1 + root.exists(f"{trash}/{BEGUN}")
            raise ForeignState(root.path / trash / LIST, f"delete {plural(count, 'file')} for good")
    return found


__all__ = ["apply", "purge", "trashes", "undo"]
