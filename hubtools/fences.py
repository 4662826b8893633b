"""Folders that a project's file names, and that must lie inside the project when they are opened.

A path is judged before a command begins, and a folder may be exchanged for a link after that. So
whoever opens the folder asks where it really lies: from its descriptor up, folder by folder.
"""

from __future__ import annotations

import os
from pathlib import Path

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


def _fence_of(path: Path) -> Path | None:
    """The folder in which `path` must lie; None if there is none."""
    if not _FENCES:
        return None
    whole = Path(os.path.abspath(path))
    return next((_FENCES[one] for one in map(str, (whole, *whole.parents)) if one in _FENCES), None)


def check_fence(path: Path, descriptor: int) -> None:
    """Raises `LeadsOut` if `path`, which was opened as a folder, must lie in a project and does
    not. Nothing is told where there is no openat."""
    root = _fence_of(path)
    if AT and root is not None and not _lies_inside(descriptor, root):
        raise LeadsOut(
            f"{path} leads out of the project's folder {root}; nothing was done.",
            hint="it lay inside a moment ago: look who changes it, and run it again",
        )


def make_folder(path: Path) -> None:
    """Make a folder, with all on the way; nothing happens if it is there. Raises `LeadsOut` if it
    must lie in a project, and would not."""
    if AT and _fence_of(path) is not None:
        above = path
        while not above.is_dir() and above != above.parent:
            above = above.parent
        descriptor = os.open(above, os.O_RDONLY | os.O_DIRECTORY)
        try:
            check_fence(path, descriptor)
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
