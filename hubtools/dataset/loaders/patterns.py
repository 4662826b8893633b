"""File patterns of `configs:`, matched as `datasets` matches them (fsspec globs, hidden files)."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from hubtools.dataset.folder.splits import IGNORED
from hubtools.dataset.loaders.model import LoadError

_MAGIC = re.compile(r"[*?\[]")


def translate(pattern: str) -> str:
    """A regular expression for a glob. `**` stands for any number of folders, and only alone.

    After `fsspec.utils.glob_translate`. Raises `ValueError` for `**` inside a name.
    """
    parts = pattern.split("/")
    found = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            found.append(".*" if last else "(?:.+/)?")
            continue
        if "**" in part:
            raise ValueError("'**' must stand alone between slashes")
        if part == "*":
            found.append("[^/]+")
        else:
            found.append(_segment(part))
        if not last:
            found.append("/")
    return "".join(found)


def _segment(part: str) -> str:
    result, place = "", 0
    while place < len(part):
        mark = part[place]
        end = _closing(part, place) if mark == "[" else -1
        if mark == "*":
            result += "[^/]*"
        elif mark == "?":
            result += "[^/]"
        elif end > 0:
            # fsspec's character sets are those of fnmatch, whose translation is "(?s:SET)\\Z"
            translated = fnmatch.translate(part[place : end + 1])
            result += translated[len("(?s:") : translated.rindex(")")]
            place = end
        else:
            result += re.escape(mark)
        place += 1
    return result


def _closing(part: str, place: int) -> int:
    """Where the set that opens at `place` ends, -1 if it does not; `]` right at its beginning is
    one of its characters."""
    begin = place + 2 if part.startswith("!", place + 1) else place + 1
    return part.find("]", begin + 1)


def resolve(pattern: str, names: Iterable[str]) -> list[str]:
    """The files of `names` (all of the folder, hidden ones too, relative, sorted) that `pattern`
    names.

    Hidden files and folders match only where the pattern writes as many hidden parts. Raises
    `LoadError` where the loader raises, and for what cannot be told from names.
    """
    if "://" in pattern or pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
        raise LoadError(f"configs: {pattern!r} leads out of the folder", sure=False, rule="D214")
    if "::" in pattern:
        raise LoadError(f"configs: {pattern!r} looks into an archive", sure=False, rule="D214")
    plain = PurePosixPath(pattern).as_posix()
    base = plain.rpartition("/")[2]
    wanted = (_hidden(plain), _special(plain))
    if not _MAGIC.search(plain):
        found = [plain] if plain in set(names) else []
    else:
        try:
            matcher = re.compile(f"(?s:{translate(plain)})")
        except (ValueError, re.error) as error:
            raise LoadError(f"configs: {pattern!r} is no pattern: {error}", rule="D214") from None
        found = [name for name in names if matcher.fullmatch(name)]
    found = [
        name
        for name in found
        if (name.rpartition("/")[2] not in IGNORED or name.rpartition("/")[2] == base)
        and (_hidden(name), _special(name)) == wanted
    ]
    if not found and not _MAGIC.search(plain):
        raise LoadError(f"configs: there is no file {pattern!r}", rule="D214")
    return found


def _hidden(name: str) -> int:
    return sum(part.startswith(".") and set(part) != {"."} for part in name.split("/"))


def _special(name: str) -> int:
    return sum(part.startswith("__") for part in name.split("/")[:-1])
