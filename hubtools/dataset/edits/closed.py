"""Whether operations on files can be carried out one beside the other, whoever wrote them down."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from hubtools.dataset.folder.names import fold

_PRINT = re.compile(r"[0-9a-f]{64}|link:.*", re.DOTALL)


def is_fingerprint(value: object) -> bool:
    """True for what `journal.fingerprint` gives for a file or a link."""
    return isinstance(value, str) and _PRINT.fullmatch(value) is not None


class Action(StrEnum):
    """What becomes of a file."""

    WRITE = "write"  # a text gets this content (and perhaps a new name)
    EDIT = "edit"  # a picture is changed (and perhaps gets a new name)
    RENAME = "rename"
    REMOVE = "remove"  # to the journal


def check_operations(
    operations: Iterable[tuple[Action, str | None, str | None, str | None]], *, folds: bool = False
) -> None:
    """Raises `ValueError` unless each of (action, path, target, before) has what it needs, no file
    is named twice, and none would lie inside another.

    `folds`: the file system takes names for the same that differ in case or composition.
    """
    key = fold if folds else str
    paths: set[str] = set()
    targets: set[str] = set()
    for action, path, target, before in operations:
        _check_one(action, path, target, before)
        for name, seen, doing in ((path, paths, "change"), (target, targets, "write")):
            if name is None:
                continue
            if key(name) in seen:
                raise ValueError(f"two operations {doing} {name!r}")
            seen.add(key(name))
    every = paths | targets
    for name in every:
        parts = name.split("/")
        for count in range(1, len(parts)):
            if (above := "/".join(parts[:count])) in every:
                raise ValueError(f"{name!r} would lie inside the file {above!r}")


def _check_one(action: Action, path: str | None, target: str | None, before: str | None) -> None:
    name = repr(path if path is not None else target)
    if action is Action.REMOVE and target is not None:
        raise ValueError(f"the removal of {name} has a target")
    if action is not Action.REMOVE and target is None:
        raise ValueError(f"{action.value} of {name} has no target")
    if action is not Action.WRITE and path is None:
        raise ValueError(f"{action.value} of {name} has no path")
    if action is Action.RENAME and path == target:
        raise ValueError(f"{name} would keep its name")
    if (path is None) != (before is None) or (path is not None and not is_fingerprint(before)):
        raise ValueError(f"{action.value} of {name} does not say what the file is before")
