"""Names inside a folder: which are allowed, and which a write in progress has."""

from __future__ import annotations

import os

from hubtools.fences import LeadsOut
from hubtools.unfinished import LEFT_OVER


def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a relative name with `/`. Raises `LeadsOut` if it is absolute, has empty parts,
    `.` or `..`, a NUL, or what no name can be written with."""
    parts = tuple(name.split("/"))
    bad = "\0" in name or "" in parts or "." in parts or ".." in parts
    try:
        if not name.isascii():
            os.fsencode(name)
    except UnicodeEncodeError:  # half a character
        bad = True
    if bad or (os.name == "nt" and any(mark in name for mark in ":\\")):
        raise LeadsOut(f"{name!r} is no name of a file inside a folder; nothing was done.")
    return parts


def is_left_over(name: str) -> bool:
    """True for a name (without folders) that only a write that was killed leaves."""
    return LEFT_OVER.fullmatch(name) is not None
