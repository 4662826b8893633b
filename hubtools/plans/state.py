"""The state of a folder that a plan is made from, and what has changed since."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from hubtools.errors import HubtoolsError
from hubtools.layout import WORK_DIR
from hubtools.limits import FILES
from hubtools.rooted import Root

_NAMED = 5  # files that a sentence names


class Changes(NamedTuple):
    """Names of files that differ between two states of a folder or of a repository."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]

    @classmethod
    def between(cls, then: Mapping[str, str], now: Mapping[str, str]) -> Changes:
        """Both are fingerprints by name."""
        return cls(
            tuple(sorted(now.keys() - then.keys())),
            tuple(sorted(name for name in then.keys() & now.keys() if then[name] != now[name])),
            tuple(sorted(then.keys() - now.keys())),
        )

    def said(self, who: Mapping[str, str] | None = None) -> str:
        """`changed: README.md (by you); added: a.png, b.png and 3 more`."""
        known = who or {}
        found = []
        for word, names in (("changed", self.changed), ("added", self.added),
                            ("deleted", self.deleted)):  # fmt: skip
            if names:
                shown = [f"{n} ({known[n]})" if n in known else n for n in names[:_NAMED]]
                more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
                found.append(f"{word}: {', '.join(shown)}{more}")
        return "; ".join(found)


def root_of(folder: Path, plan: Path | None) -> str:
    """`folder` as a plan at `plan` names it: relative, with `/`; its name where the plan's place is
    not known, or on another drive."""
    real = folder.resolve()
    if plan is not None:
        try:
            return Path(os.path.relpath(real, plan.absolute().parent.resolve())).as_posix()
        except ValueError:
            pass
    return real.name or "."


def state_of(folder: Path, plan: Path | None = None, *, git: bool = False) -> dict[str, str]:
    """Fingerprints of all files below `folder`, by name; hubtools' own, the plan itself, and those
    of git (but with `git`) are passed by. Each is read to its end. Raises `HubtoolsError` for too
    many."""
    found: dict[str, str] = {}
    own = inside(folder, plan)
    with Root(folder) as root:
        todo = [""]
        while todo:
            above = todo.pop()
            for entry in _entries(root, above):
                name = f"{above}/{entry}" if above else entry
                facts = root.stat(name)
                if facts is None or name == own:
                    continue
                if stat.S_ISDIR(facts.st_mode):
                    if entry != WORK_DIR and (git or entry != ".git"):
                        todo.append(name)
                    continue
                if len(found) >= FILES:
                    raise HubtoolsError(
                        f"{folder} has more than {FILES:,} files.",
                        hint="no plan of it is saved",
                        code="too-large",
                    )
                found[name] = _fingerprint(root, name)
    return found


def _fingerprint(root: Root, name: str) -> str:
    """Of what is no file, or is not to be read by this user (nor was when the plan was made), no
    more is known than that it is there."""
    try:
        return root.fingerprint(name) or "special"
    except PermissionError:
        return "special"


def _entries(root: Root, folder: str) -> list[str]:
    try:
        return root.list(folder)
    except PermissionError:
        return []


def inside(folder: Path, plan: Path | None) -> str | None:
    """The name of the plan in the folder, if it lies there."""
    if plan is None:
        return None
    place = plan.absolute().parent.resolve() / plan.name
    real = folder.resolve()
    return place.relative_to(real).as_posix() if place.is_relative_to(real) else None
