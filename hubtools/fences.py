"""Folders that a project's file names, and that must lie inside the project when they are opened;
folders that stay the same ones while a command works.

A path is judged before a command begins, and a folder may be exchanged for a link after that. So
whoever opens the folder asks where it really lies: from its descriptor up, folder by folder. And a
path that a command opens twice may lead elsewhere the second time, where a folder above it was
exchanged: what it led to first is kept open, and compared.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from hubtools.errors import HubtoolsError

AT = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd  # not on Windows


class LeadsOut(HubtoolsError):
    """A name that leaves its folder, or a symbolic link in the way."""

    default_code = "link-refused"


# By path; None: the user has named this one.
_FENCES: dict[str, Path | None] = {}


def fence(path: Path, root: Path) -> None:
    """From now on `path`, the folders on the way to it, and what is below it, are opened only where
    they lie inside `root`."""
    top, whole = Path(os.path.abspath(root)), Path(os.path.abspath(path))
    _FENCES[str(whole)] = top
    for folder in whole.parents:
        if top in folder.parents:
            _FENCES[str(folder)] = top


def unfence(path: Path) -> None:
    """The user has named `path`: links in it, and on the way to it, are followed."""
    whole = Path(os.path.abspath(path))
    _FENCES[str(whole)] = None
    for folder in map(str, whole.parents):
        _FENCES.pop(folder, None)


def keep_inside(folder: Path) -> None:
    """Have a folder that nobody has named made and opened only where it lies, not through a link:
    who has made what lies around it may have made one. Raises `LeadsOut` if there is one."""
    if folder.is_symlink():
        raise LeadsOut(
            f"{folder} is a link; nothing is written through one that you have not named.",
            hint="name the place where it is to be written",
        )
    fence(folder, folder.parent)


def _fence_of(path: Path) -> Path | None:
    """The folder in which `path` must lie; None if there is none."""
    if not _FENCES:
        return None
    whole = Path(os.path.abspath(path))
    return next((_FENCES[one] for one in map(str, (whole, *whole.parents)) if one in _FENCES), None)


def check_fence(path: Path, descriptor: int) -> None:
    """Raises `LeadsOut` if `path`, which was opened as a folder, must lie in a project and does
    not, or is another folder than this command has opened there before. Nothing is told where
    there is no openat."""
    _check_inside(path, descriptor)
    if AT and _KNOWN is not None:
        _check_same(path, descriptor)


def _check_inside(path: Path, descriptor: int) -> None:
    root = _fence_of(path)
    if AT and root is not None and not _lies_inside(descriptor, root):
        raise LeadsOut(
            f"{path} leads out of the project's folder {root}; nothing was done.",
            hint="it lay inside a moment ago: look who changes it, and run it again",
        )


class _Folder(NamedTuple):
    """What a path led to: which folder, and a descriptor that keeps its number from being given to
    another (-1: that of a folder below it does)."""

    facts: os.stat_result
    descriptor: int


_KNOWN: dict[str, _Folder] | None = None
_MOST_OPEN = 64


@contextmanager
def same_folders() -> Iterator[None]:
    """Until the end, a path under which a folder was opened must lead to the same one whenever it
    is opened again."""
    global _KNOWN
    before, _KNOWN = _KNOWN, {}
    try:
        yield
    finally:
        for known in _KNOWN.values():
            if known.descriptor >= 0:
                os.close(known.descriptor)
        _KNOWN = before


def _check_same(path: Path, descriptor: int) -> None:
    known = _KNOWN if _KNOWN is not None else {}
    whole, facts = Path(os.path.abspath(path)), os.fstat(descriptor)
    found = known.get(str(whole))
    if found is not None:
        if not os.path.samestat(found.facts, facts):
            raise _another(path)
        return
    for folder in whole.parents:
        above = known.get(str(folder))
        if above is not None and not _still(folder, above):
            raise _another(folder)
    keep = sum(one.descriptor >= 0 for one in known.values()) < _MOST_OPEN
    known[str(whole)] = _Folder(facts, os.dup(descriptor) if keep else -1)
    for folder in whole.parents:
        with suppress(OSError):
            known.setdefault(str(folder), _Folder(os.stat(folder), -1))


def _still(folder: Path, known: _Folder) -> bool:
    try:
        return os.path.samestat(os.stat(folder), known.facts)
    except OSError:
        return False


def _another(path: Path) -> LeadsOut:
    return LeadsOut(
        f"{path} is another folder than it was when this command began; it goes no further.",
        hint="look who exchanges it, or a folder above it, and run it again",
    )


def forget(path: Path | str) -> None:
    """A folder that the command itself moves or removes: what comes in its place is another one."""
    if not _KNOWN:
        return
    whole = os.path.abspath(path)
    for name in [name for name in _KNOWN if name == whole or name.startswith(whole + os.sep)]:
        if (descriptor := _KNOWN.pop(name).descriptor) >= 0:
            os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, with all on the way; nothing happens if it is there. Raises `LeadsOut` if it
    must lie in a project, and would not."""
    if AT and _fence_of(path) is not None:
        above = path
        while not above.is_dir() and above != above.parent:
            above = above.parent
        descriptor = os.open(above, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _check_inside(path, descriptor)
            check_fence(above, descriptor)  # that is what is open, and not yet `path`
        finally:
            os.close(descriptor)
    path.mkdir(parents=True, exist_ok=True)


def _lies_inside(descriptor: int, root: Path) -> bool:
    top = os.stat(root)
    here = os.dup(descriptor)
    try:
        while not os.path.samestat(facts := os.fstat(here), top):
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = above
            if os.path.samestat(os.fstat(here), facts):
                return False  # the top of the file system
        return True
    finally:
        os.close(here)
