"""Carrying out a journal, forward and back, from whatever state a kill has left it in.

Nothing is deleted in its place: a file is first moved into the journal's folder (`aside`), looked
at there, and moved back if it is not what the journal says. So an edit of somebody else is kept,
whenever it comes.
"""

from __future__ import annotations

import os
import secrets
import stat
from shlex import quote
from typing import NamedTuple

from hubtools.dataset.edits.closed import Action
from hubtools.dataset.edits.journal_files import ORIGINALS, STAGING, Journal, Step
from hubtools.errors import HubtoolsError
from hubtools.rooted import Root


def act(root: Root, journal: Journal, *, fresh: bool = False) -> Journal:
    """Go on from `removing` or `placing` to `done`. `fresh`: the originals were copied just now.

    Raises `HubtoolsError` if a file is not what the journal says; nothing of it is lost then.
    """
    if not fresh:
        root.unlink(f"{journal.name}/{STAGING}", missing_ok=True)
        _keep_again(root, journal)
        _check_new(root, journal)
        _settle(root, journal)
    if journal.state == "removing":
        for number, step in enumerate(journal.steps):
            if step.moves and step.path is not None:
                if step.action == Action.RENAME:
                    _lift(root, journal, number, step)
                else:
                    _take(root, journal, f"{number}-path", step.path, step, (step.before,))
        _sync(root, journal)
        journal = journal.write(root, "placing")
    for number, step in enumerate(journal.steps):
        if step.target is not None:
            _place(root, journal, number, step, fresh=fresh)
    _tidy(root, journal)
    journal = journal.write(root, "done")
    if not journal.keeps:
        _clear_stored(root, journal, "new")
        if root.exists(f"{journal.name}/aside"):
            root.rmdir(f"{journal.name}/aside")
    return journal


def act_back(root: Root, journal: Journal, *, fresh: bool = False) -> Journal:
    """Go on from `undo-removing` or `undo-placing` to `undone`, whatever had been done. What is
    taken away is kept until all originals are in their places, and what they are not, unless the
    undo is `fresh` (asked for and checked just now), for longer: the journal may be a replayed one.

    Raises `HubtoolsError` if an original is not what it was; nothing is touched then.
    """
    check_originals(root, journal)
    _settle(root, journal)
    was = {step.path: step.before for step in journal.steps if step.path is not None}
    if journal.state == "undo-removing":
        for number, step in enumerate(journal.steps):
            name = step.target
            if name is None or name == step.path or not root.exists(name):
                continue
            if name in was and root.fingerprint(name) == was[name]:
                continue  # it had not been moved yet
            _take(root, journal, f"{number}-target", name, step, (step.after,))
        _sync(root, journal)
        journal = journal.write(root, "undo-placing")
    _clear_folders(root, journal)
    for number, step in enumerate(journal.steps):
        if step.path is not None:
            _put_back(root, journal, number, step)
    _tidy(root, journal)
    for folder, mode in sorted(journal.folders.items()):
        found = root.stat(folder)
        if found is not None and stat.S_IMODE(found.st_mode) != mode:
            root.chmod(folder, mode)
    journal = journal.write(root, "undone")
    if not journal.keeps:
        _clear_kept(root, journal, fresh)
        _clear_stored(root, journal, "new")
        _clear_stored(root, journal, ORIGINALS)
    return journal


def check_originals(root: Root, journal: Journal) -> None:
    """Before an undo. Raises `HubtoolsError` if an original is not what it was, and is not back in
    its place."""
    for step in journal.steps:
        if step.path is None:
            continue
        kept = root.fingerprint(journal.original(step.path))
        if kept == step.before:
            continue
        there = root.fingerprint(step.path)  # raises `LeadsOut` for a link on the way
        if kept is not None or there != step.before:
            raise _no_original(root, journal, step.path)


def _keep_again(root: Root, journal: Journal) -> None:
    """Before going forward: each file has an original, or gets one, for an undo has put the former
    ones back. Raises `HubtoolsError` if there is none to be had."""
    for number, step in enumerate(journal.steps):
        if step.path is None:
            continue
        original = journal.original(step.path)
        if not root.exists(original):
            places = (step.path, journal.new(number), step.target)
            for place in places if step.action == Action.RENAME else (step.path,):
                if place is not None and root.fingerprint(place) == step.before:
                    root.copy(place, original)
                    break
        if root.fingerprint(original) != step.before:
            raise _no_original(root, journal, step.path)


def _no_original(root: Root, journal: Journal, name: str) -> HubtoolsError:
    there = root.exists(journal.original(name))
    return HubtoolsError(
        f"The original of {root.path / name} in {journal.place}"
        f" {'is not what it was' if there else 'is missing'}; nothing was changed.",
        hint=f"the others are in {journal.place / ORIGINALS}: copy back by hand what you need, then"
        f" move {journal.place} to another place",
        code="file-changed",
    )


def _check_new(root: Root, journal: Journal) -> None:
    """Raises `HubtoolsError` if something that is no file lies where a step keeps its result."""
    for number in range(len(journal.steps)):
        name = journal.new(number)
        if root.exists(name) and root.fingerprint(name) is None:
            raise HubtoolsError(
                f"{root.path / name} is no file, and no fix has made it; nothing was changed.",
                hint="move it away, and run the same command again",
                code="nothing-there",
            )


def in_the_way(root: Root, name: str) -> HubtoolsError:
    """Say that a file is not what the journal expects there."""
    return HubtoolsError(
        f"{root.path / name} has changed since; nothing more was done.",
        hint=f"move it aside, then `hubtools fix {quote(str(root.path))} --yes` goes on where it"
        " stopped and --undo goes back",
        code="file-changed",
    )


# --- one file --------------------------------------------------------------------------------


def _take(
    root: Root,
    journal: Journal,
    mark: str,
    name: str,
    step: Step,
    expected: tuple[str | None, ...],
) -> None:
    """Take a file away of which the journal has a copy; one that is another stays."""
    if not root.exists(name):
        return
    aside = f"{journal.name}/aside/{mark}"
    if root.exists(aside):  # not ours: `_settle` has seen to what is
        aside += f"-{secrets.token_hex(4)}"
    root.rename(name, aside, sync=False)
    looked = _looked_at(root, aside)
    if looked.found is not None and looked.found in expected:
        _drop(root, journal, aside, name, step, looked)
        return
    _give_back(root, aside, name)
    raise in_the_way(root, name)


class _Looked(NamedTuple):
    """The fingerprint of a file, and the mark that it had before it was read."""

    found: str | None
    mark: tuple[int, ...] | None


def _looked_at(root: Root, name: str) -> _Looked:
    mark = root.mark(name)
    return _Looked(root.fingerprint(name), mark)


def _delete(root: Root, name: str, looked: _Looked) -> bool:
    """Delete a file in the journal's folder, if nobody has written to it since it was looked at:
    a program that had it open before may do so. Says whether it went."""
    if root.mark(name) != looked.mark:
        return False
    root.unlink(name)
    return True


def _drop(root: Root, journal: Journal, aside: str, name: str, step: Step, looked: _Looked) -> None:
    """Delete what was taken away if its original has the very same bytes, now; else, and in an
    undo always, keep it."""
    back = journal.keeps or journal.state.startswith("undo")
    original = journal.original(step.path) if step.path is not None else None
    same = not back and original is not None and root.fingerprint(original) == looked.found
    if same and _delete(root, aside, looked):
        return
    kept = f"{secrets.token_hex(4)}-{name.rpartition('/')[2]}"
    kept = os.fsdecode(os.fsencode(kept)[:200])
    root.rename(aside, f"{journal.name}/kept/{kept}", sync=False)


def _clear_kept(root: Root, journal: Journal, fresh: bool) -> None:
    """Delete what an undo has kept and is in its place by now, or what the fix has made of it."""
    known = {step.before for step in journal.steps}
    if fresh:
        known |= {step.after for step in journal.steps}
    folder = f"{journal.name}/kept"
    for entry in root.list(folder):
        looked = _looked_at(root, f"{folder}/{entry}")
        if looked.found is not None and looked.found in known:
            _delete(root, f"{folder}/{entry}", looked)
    if root.is_folder(folder):
        root.rmdir(folder)


def _clear_stored(root: Root, journal: Journal, store: str) -> None:
    """Delete what the journal has stored and needs no more. What somebody else has put there, or
    has changed there, stays."""
    folder = f"{journal.name}/{store}"
    there = {name: stat.S_ISDIR(facts.st_mode) for name, facts in root.walk(folder)}
    for number, step in enumerate(journal.steps):
        name = journal.new(number) if store == "new" else journal.original(step.path or "")
        looked = _looked_at(root, name) if name in there else _Looked(None, None)
        if looked.found is not None and looked.found in (step.before, step.after):
            _delete(root, name, looked)
    inner = [name for name, is_folder in there.items() if is_folder]
    for name in (*sorted(inner, key=lambda one: one.count("/"), reverse=True), folder):
        if root.is_folder(name):
            root.rmdir(name)


def _give_back(root: Root, aside: str, name: str) -> None:
    try:
        root.rename(aside, name, sync=False)
    except FileExistsError:
        raise HubtoolsError(
            f"{root.path / name} has changed twice since: what it was before is"
            f" {root.path / aside}; nothing more was done.",
            hint="keep the one you want under its name, move the other to another place, and run"
            " the same command again",
            code="file-changed",
        ) from None


def _lift(root: Root, journal: Journal, number: int, step: Step) -> None:
    """Move a file that gets another name out of the way."""
    new = journal.new(number)
    assert step.path is not None
    if not root.exists(new) and root.exists(step.path):
        root.rename(step.path, new, sync=False)
    if root.exists(new) and root.fingerprint(new) != step.before:
        _give_back(root, new, step.path)
        raise in_the_way(root, step.path)


def _place(root: Root, journal: Journal, number: int, step: Step, *, fresh: bool) -> None:
    new = journal.new(number)
    assert step.target is not None
    if not root.exists(new):
        if root.exists(step.target):
            return  # it is in its place
        if step.action != Action.RENAME or step.path is None:
            raise _lacks(root, journal, step.target)
        root.copy(journal.original(step.path), new)
    if not fresh and root.fingerprint(new) != step.after:
        raise _lacks(root, journal, step.target)
    if not step.moves and step.path is not None:
        _take(root, journal, f"{number}-path", step.path, step, (step.before, step.after))
    try:
        root.rename(new, step.target, sync=False)
    except FileExistsError:
        raise in_the_way(root, step.target) from None


def _lacks(root: Root, journal: Journal, name: str) -> HubtoolsError:
    return HubtoolsError(
        f"{journal.place} lacks what {name} should become, or it was changed there; nothing more"
        " was done.",
        hint=f"`hubtools fix {quote(str(root.path))} --undo` goes back",
        code="file-changed",
    )


def _put_back(root: Root, journal: Journal, number: int, step: Step) -> None:
    assert step.path is not None
    there = root.fingerprint(step.path) if root.exists(step.path) else None
    if there is not None and there == step.before:
        return  # it is back, or was never away
    original = journal.original(step.path)
    if root.fingerprint(original) != step.before:
        raise HubtoolsError(
            f"The original of {root.path / step.path} in {journal.place} is not what it was;"
            " nothing more was done.",
            hint=f"{journal.place / ORIGINALS} has the others",
            code="file-changed",
        )
    owner = root.stat(step.target) if step.target is not None else None
    if step.target == step.path:
        _take(root, journal, f"{number}-target", step.path, step, (step.after,))
    try:
        root.rename(original, step.path, sync=False)
    except FileExistsError:
        raise in_the_way(root, step.path) from None
    if owner is not None and root.is_file(step.path):
        root.carry_owner(owner, step.path)


def _settle(root: Root, journal: Journal) -> None:
    """What a kill has left aside goes, if it is what the journal says, else back to its name; so
    does a file that was lifted and not looked at yet."""
    folder = f"{journal.name}/aside"
    for entry in root.list(folder):
        number, _, which = entry.partition("-")
        if not number.isdecimal() or int(number) >= len(journal.steps):
            continue
        step = journal.steps[int(number)]
        name = step.path if which.partition("-")[0] == "path" else step.target
        aside = f"{folder}/{entry}"
        looked = _looked_at(root, aside)
        if name is None or looked.found is None:
            continue  # a folder there is not ours
        if looked.found in (step.before, step.after):
            _drop(root, journal, aside, name, step, looked)
        else:
            _give_back(root, aside, name)
    waiting = set() if journal.keeps else set(root.list(f"{journal.name}/new"))
    for place, step in enumerate(journal.steps):
        if str(place) in waiting and step.action == Action.RENAME and step.path is not None:
            new = journal.new(place)
            if root.fingerprint(new) not in (None, step.before):
                _give_back(root, new, step.path)


# --- folders ---------------------------------------------------------------------------------


def _folders(journal: Journal) -> list[str]:
    """All folders that the steps name, the deepest first."""
    found: set[str] = set()
    for step in journal.steps:
        for name in (step.path, step.target):
            while name and (name := name.rpartition("/")[0]):
                found.add(name)
    return sorted(found, key=lambda name: name.count("/"), reverse=True)


def _sync(root: Root, journal: Journal) -> None:
    """Make what was moved durable, before the journal says that it was."""
    places = (f"{journal.name}/{name}" for name in ("", "new", "aside", "kept"))
    for folder in (*_folders(journal), *(place.rstrip("/") for place in places)):
        if root.is_folder(folder):
            root.sync(folder)
    root.sync()


def _clear_folders(root: Root, journal: Journal) -> None:
    """Remove emptied folders that have the name of a file that comes back."""
    paths = {step.path for step in journal.steps}
    for folder in _folders(journal):
        if any(path == folder or str(path).startswith(f"{folder}/") for path in paths):
            continue
        if root.is_folder(folder) and not root.list(folder):
            root.rmdir(folder)


def _tidy(root: Root, journal: Journal) -> None:
    """Remove folders that the steps have emptied, and make the rest durable."""
    linked: set[str] | None = None
    for folder in _folders(journal):
        if not root.is_folder(folder):
            continue
        if root.list(folder):
            continue
        linked = _linked(root) if linked is None else linked
        if os.path.realpath(root.path / folder) not in linked:
            root.rmdir(folder)
    _sync(root, journal)


def _linked(root: Root) -> set[str]:
    """Folders that links in the dataset lead to: without them, the links would lead nowhere."""
    return {
        os.path.realpath(root.path / name)
        for name, found in root.walk()
        if stat.S_ISLNK(found.st_mode)
    }
