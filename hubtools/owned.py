"""Folders of bookkeeping: a sealed file in one says that this user has made it on this machine."""

from __future__ import annotations

from hubtools.files import json_value
from hubtools.rooted import Root
from hubtools.trust import is_sealed, seal

_MOST = 100_000  # bytes


def is_own(root: Root, name: str) -> bool:
    """Whether the file `name` in an open folder has this user's seal for that place."""
    if not root.is_file(name):
        return False
    try:
        return is_sealed(root.path, name, json_value(root.read(name, _MOST)))
    except (FileNotFoundError, ValueError, RecursionError):
        return False


def claim(root: Root, name: str, made_by: str) -> None:
    """Write that file."""
    root.write_json(name, seal(root.path, name, {"made_by": made_by}))
