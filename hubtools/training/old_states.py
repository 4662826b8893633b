"""States that go: what is deleted is what was looked at.

A state is looked at through its open folder. It gets a name with a leading dot then, and goes if
that name leads to the folder that is open, and its files are those that were looked at; else it
gets its name back. What a killed removal has left gets its name back with the next state.
"""

from __future__ import annotations

from functools import partial
from itertools import count

from hubtools.errors import HubtoolsError
from hubtools.layout import STATE_DIR, STATE_MANIFEST
from hubtools.rooted import TEMPORARY, Root
from hubtools.training.found_states import FILES, NAME, found_state, state_names

_ASIDE = f"{TEMPORARY}old-"
# the facts last: with them the remains of a removal that was killed are known for this user's
_IN_ORDER = (*sorted(FILES - {STATE_MANIFEST}), STATE_MANIFEST)
Marks = dict[str, tuple[int, ...] | None]  # of files, as in `Root.mark`


def sweep(root: Root) -> None:
    """Remove states that a killed run was about to write, and give those their names back that it
    was about to remove."""
    for name in root.list(STATE_DIR):
        folder = f"{STATE_DIR}/{name}"
        if name.startswith(_ASIDE) and NAME.fullmatch(name.removeprefix(_ASIDE)):
            _give_back(root, folder, f"{STATE_DIR}/{name.removeprefix(_ASIDE)}")
        elif name.startswith(TEMPORARY) and NAME.fullmatch(name.removeprefix(TEMPORARY)):
            with root.inside(folder) as half:
                half.sweep(older_than=0)
                for file in _files(half):
                    half.unlink(file, missing_ok=True)
            root.rmdir(folder)


def clear(root: Root, folder: str) -> None:
    """Remove a state of this user; what somebody else has made, or changed, is put aside."""
    if root.is_folder(folder):
        _remove(root, folder)
    if root.exists(folder):
        _put_aside(root, folder, folder)


def drop_old(root: Root, final: str, limit: int) -> None:
    """Remove states beyond the newest `limit`, and later ones: they can only be damaged, else this
    run would have continued from them. What somebody else has put there stays; what somebody has
    changed is put aside."""
    there = state_names(root)
    place = there.index(final)
    for old in (*there[: max(0, place + 1 - limit)], *there[place + 1 :]):
        if _remove(root, old):
            try:
                _put_aside(root, old, old)
            except HubtoolsError as error:  # it cannot be renamed, and stays
                if error.code != "not-supported":
                    raise


def _remove(root: Root, folder: str) -> bool:
    """Remove the files of a state of this user, and its folder if nothing else is in it; what a
    person has laid beside them stays. True if one of them is not what the state's facts say, or
    changes meanwhile: the state stays."""
    aside = f"{STATE_DIR}/{_ASIDE}{folder.rpartition('/')[2]}"
    with root.inside(folder) as looked:
        if _is_ours(looked, folder):
            looked.sweep(older_than=0)  # what somebody has saved there gets its name back
        marks = {name: looked.mark(name) for name in _files(looked)}
        if not _is_ours(looked, folder):
            return False
        if _is_changed(looked, folder):
            return True
        try:
            root.rename(folder, aside, sync=False)
        except FileNotFoundError:
            return False  # somebody has moved it away
        except HubtoolsError as error:
            if error.code != "not-supported":
                raise
            return not _removed(root, folder, marks)  # where it lies
        try:
            return root.holds(aside, looked) and not _removed(root, aside, marks)
        finally:
            if root.exists(aside):
                _give_back(root, aside, folder)


def _removed(root: Root, folder: str, marks: Marks) -> bool:
    """Remove files that have these marks, and their folder; False if one has another mark, and
    stays."""
    with root.inside(folder) as state:
        try:
            for name, mark in marks.items():
                state.check_mark(name, mark)  # all of them before one goes
            for name, mark in marks.items():
                state.unlink(name, missing_ok=True, check=partial(state.check_mark, name, mark))
        except HubtoolsError as error:
            if error.code != "file-changed":
                raise
            return False
    root.rmdir(folder)
    return True


def _files(state: Root) -> list[str]:
    """Files in the open folder of a state that hubtools writes there, in the order in which they
    go."""
    return [name for name in _IN_ORDER if state.is_file(name)]


def _is_ours(state: Root, folder: str) -> bool:
    """True for the open folder of a state of this user, and for that of the remains of one."""
    seen = found_state(state, folder, opened=True)
    names = (name for name in state.list() if not name.startswith(TEMPORARY))
    return seen.ours or (seen.facts is None and FILES.issuperset(names))


def _is_changed(state: Root, folder: str) -> bool:
    """Whether a file of a state is not what its facts say; each is where those cannot be read."""
    facts = found_state(state, folder, opened=True).facts
    sums = facts.files if facts else dict.fromkeys(FILES, "")
    return any(state.fingerprint(name) not in (None, sums[name]) for name in sums)


def _give_back(root: Root, aside: str, folder: str) -> None:
    """Give what lies aside the name that it had, or one beside it where that is taken."""
    try:
        root.rename(aside, folder)
    except FileExistsError:
        _put_aside(root, aside, folder)


def _put_aside(root: Root, lies: str, folder: str) -> None:
    """Give what lies there a free name that says which state it was."""
    names = (f"{STATE_DIR}/other-{folder.rpartition('/')[2]}-{n}" for n in count(1))
    root.rename(lies, next(name for name in names if not root.exists(name)))
