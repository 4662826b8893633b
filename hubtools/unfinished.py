"""Names of files that are not what they will be yet, which a kill leaves."""

from __future__ import annotations

import hashlib
import os
import re
import secrets

from hubtools.patterns import regex

TEMPORARY = ".tmp-"  # first letters of files that are being written
# what a killed write leaves: nobody else's names look like this
LEFT_OVER = regex(r"\.tmp-[0-9a-f]{16}((?:-[0-9a-f]{16})*)(?:\.([^/]*))?", re.DOTALL)
_LONG = 180  # bytes of a name; with what stands before it a name may have 255
_STEM, _ENDING = 40, 16  # letters of a name that is longer


def temporary_for(name: str) -> str:
    """A name for a file (without folders) while it is written; it ends as `name` does."""
    return _new() + os.path.splitext(name)[1][:_ENDING]


def changing_places(name: str, *files: tuple[int, int, int]) -> str:
    """A name for what is about to take the place of `name` (without folders), or is taken from
    there. It tells which files, by inode, bytes and time of change in ns, may go after a kill: any
    other that got this name is somebody's."""
    if len(os.fsencode(name)) > _LONG:
        stem, ending = os.path.splitext(name)
        name = stem[:_STEM] + ending[:_ENDING]
    return "-".join((_new(), *map(_mark, files))) + f".{name}"


def is_somebodys(name: str, file: tuple[int, int, int]) -> bool:
    """True for a file with a name of `changing_places` that is none of those that it was made
    for."""
    found = LEFT_OVER.fullmatch(name)
    marks = found[1].split("-")[1:] if found else []
    return bool(marks) and _mark(file) not in marks


def place_of(name: str) -> str:
    """The name that a file with a name of `changing_places` had, or was to get."""
    found = LEFT_OVER.fullmatch(name)
    return (found and found[2]) or "left"


def _new() -> str:
    return TEMPORARY + secrets.token_hex(8)


def _mark(file: tuple[int, int, int]) -> str:
    return hashlib.sha256(repr(file).encode()).hexdigest()[:16]
