"""Folders that a project's file names, and that must lie inside the project when they are opened.

A path is judged before a command begins, and a folder may be exchanged for a link after that. So
whoever opens the folder asks where it really lies: from its descriptor up, folder by folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from hubtools.rooted.system import AT

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


def fence_of(path: Path) -> Path | None:
    """The folder in which `path` must lie; None if there is none."""
    if not _FENCES:
        return None
    whole = Path(os.path.abspath(path))
    return next((_FENCES[one] for one in map(str, (whole, *whole.parents)) if one in _FENCES), None)


def lies_inside(descriptor: int, root: Path) -> bool:
    """Whether the open folder is `root` or lies below it. True where there is no openat."""
    if not AT:
        return True
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
