"""Symbolic links in a dataset folder: where each leads to, by way of which names.

A file that is sent in the place of a link has several names: the link's, that of each further link
on the way, and its own. What the rules say of a name (`.env` is for secrets, what `.gitignore`
names stays here) they say of each of them.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from hubtools.causes import is_absent, is_out_of_reach

_MOST = 40  # links on one way, as Linux has it


@dataclass(frozen=True)
class Link:
    """A symbolic link in a dataset folder. `leads_to` is where; `why_not` says why the file there
    is not published in its place, None if it is; `outside`: it lies outside the folder."""

    name: str
    leads_to: str
    why_not: str | None
    outside: bool = False


@dataclass(frozen=True)
class Target:
    """A regular file that a link leads to. `names`: all that it goes by on the way, relative to
    the dataset folder (`../x` outside of it), its own last."""

    path: Path
    bytes: int
    names: tuple[str, ...]


def follow(folder: Path, name: str) -> tuple[Link, Target | None]:
    """The link `name` in `folder`, and the regular file that it leads to, if it does."""
    path = folder / name
    try:
        said = str(path.readlink())
        names, target = _way(folder.resolve(), name)
        facts = target.lstat()
    except OSError as error:
        if not is_out_of_reach(error):
            raise
        why = "it leads nowhere" if is_absent(error) else "you may not look where it leads"
        return Link(name, "?", why), None
    except RuntimeError:
        return Link(name, "?", "it leads nowhere"), None
    outside = not target.is_relative_to(folder.resolve())
    if stat.S_ISDIR(facts.st_mode):
        return Link(name, said, "it leads to a folder", outside), None
    if not stat.S_ISREG(facts.st_mode):
        return Link(name, said, "it leads to no regular file", outside), None
    return Link(name, said, None, outside), Target(target, facts.st_size, names)


def _way(root: Path, name: str) -> tuple[tuple[str, ...], Path]:
    """(the names that the way goes by, the file at its end). Raises `OSError` if there is none."""
    here, todo = root, list(Path(name).parts)
    seen: dict[str, None] = {}
    links = 0
    while todo:
        part = todo.pop(0)
        if part == os.pardir:
            here = here.parent
            continue
        if not (here / part).is_symlink():
            here = here / part
            continue
        links += 1
        if links > _MOST:
            raise RuntimeError("links without end")
        to = (here / part).readlink()
        here = Path(to.anchor) if to.is_absolute() else here
        todo = [*(to.parts[1:] if to.is_absolute() else to.parts), *todo]
        seen[_from(root, here.joinpath(*todo))] = None
    target = here.resolve(strict=True)
    # as it is: a folder on the way may have had another name
    seen.pop(own := _from(root, target), None)
    return (*seen, own), target


def _from(root: Path, path: Path) -> str:
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive of Windows
        return path.as_posix()


def below(name: str) -> str:
    """A name without the `../` that it begins with: the part of it that somebody has chosen."""
    while name.startswith("../"):
        name = name[3:]
    return name
