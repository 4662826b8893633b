"""File patterns of `configs:`, matched as `datasets` matches them (fsspec globs, hidden files)."""

from __future__ import annotations

import fnmatch
import re
import sys
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from hubtools.dataset.folder.splits import IGNORED
from hubtools.dataset.loaders.model import LoadError
from hubtools.patterns import regex

_MAGIC = regex(r"[*?\[]")


def translate(pattern: str) -> str:
    """A regular expression for a glob. `**` stands for any number of folders, and only alone.

    After `fsspec.utils.glob_translate`, which matches the same names in exponential time: here what
    a star has found first is kept, for nothing that follows could gain by another choice. Raises
    `ValueError` for `**` inside a name, and for many stars beside a set that fits a slash.
    """
    parts = pattern.split("/")
    blocks = [""]  # what stands between two `**`
    kept = not _fits_slash(pattern)
    if not kept and pattern.count("*") > _MOST_STARS:
        raise ValueError(f"it has more than {_MOST_STARS} stars, and a set that fits '/'")
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            if last:
                blocks[-1] += ".*"
            else:
                blocks.append("")
            continue
        if "**" in part:
            raise ValueError("'**' must stand alone between slashes")
        blocks[-1] += "[^/]+" if part == "*" else _segment(part, kept)
        if not last:
            blocks[-1] += "/"
    if len(blocks) == 1:
        return blocks[0]
    between = "".join(
        f"(?>(?:.+?/)??{block})" if kept else f"(?:.+/)?{block}" for block in blocks[1:-1]
    )
    return f"{blocks[0]}{between}(?:.+/)?{blocks[-1]}"


_MOST_STARS = 4  # of a pattern whose stars have to be tried at every place


def _fits_slash(pattern: str) -> bool:
    """Whether a set of the pattern, such as `[!a]`, stands for a slash as well."""
    place = pattern.find("[")
    while place >= 0:
        end = _closing(pattern, place)
        if end > 0 and re.fullmatch(fnmatch.translate(pattern[place : end + 1]), "/"):
            return True
        place = pattern.find("[", (end if end > 0 else place) + 1)
    return False


def _segment(part: str, kept: bool) -> str:
    pieces, place = [""], 0  # what stands between two stars
    while place < len(part):
        mark = part[place]
        end = _closing(part, place) if mark == "[" else -1
        if mark == "*":
            pieces.append("")
        elif mark == "?":
            pieces[-1] += "[^/]"
        elif end > 0:
            # fsspec's character sets are those of fnmatch, whose translation is "(?s:SET)\\Z"
            translated = fnmatch.translate(part[place : end + 1])
            pieces[-1] += translated[len("(?s:") : translated.rindex(")")]
            place = end
        else:
            pieces[-1] += re.escape(mark)
        place += 1
    if len(pieces) == 1:
        return pieces[0]
    between = "".join(f"(?>[^/]*?{piece})" if kept else f"[^/]*{piece}" for piece in pieces[1:-1])
    return f"{pieces[0]}{between}[^/]*{pieces[-1]}"


def _closing(part: str, place: int) -> int:
    """Where the set that opens at `place` ends, -1 if it does not; `]` right at its beginning is
    one of its characters."""
    begin = place + 2 if part.startswith("!", place + 1) else place + 1
    return part.find("]", begin + 1)


# Names that the patterns of a card are held against, and that they name, all together.
_MOST_NAMES = 5_000_000


class Names:
    """The files of a folder (all of it, hidden ones too, relative), for the patterns of a card: of
    those that begin as a pattern does, so that each file is looked at by few."""

    def __init__(self, names: Iterable[str]) -> None:
        self.all = list(names)
        self.known = frozenset(self.all)
        self._sorted = all(one <= other for one, other in pairwise(self.all))
        self._left = _MOST_NAMES

    def beginning(self, prefix: str) -> Sequence[str]:
        """Those that begin so, in their order; more where they are not sorted."""
        if not prefix or not self._sorted:
            return self.all
        first = bisect_left(self.all, prefix)
        if prefix[-1] == chr(sys.maxunicode):
            return self.all[first:]
        last = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return self.all[first : bisect_left(self.all, last)]

    def spend(self, count: int) -> None:
        """Raises `LoadError` where patterns times files are too many."""
        self._left -= count
        if self._left < 0:
            raise LoadError(
                f"configs: its patterns and the {len(self.all):,} files of the folder are too many"
                " to tell what they name",
                sure=False,
                rule="D214",
            )


def resolve(pattern: str, names: Names | Iterable[str]) -> list[str]:
    """The files of `names` that `pattern` names.

    Hidden files and folders match only where the pattern writes as many hidden parts. Raises
    `LoadError` where the loader raises, and for what cannot be told from names.
    """
    if "://" in pattern or pattern.startswith(("/", "~")) or ".." in pattern.split("/"):
        raise LoadError(f"configs: {pattern!r} leads out of the folder", sure=False, rule="D214")
    if "::" in pattern:
        raise LoadError(f"configs: {pattern!r} looks into an archive", sure=False, rule="D214")
    names = names if isinstance(names, Names) else Names(names)
    plain = PurePosixPath(pattern).as_posix()
    base = plain.rpartition("/")[2]
    wanted = (_hidden(plain), _special(plain))
    if not _MAGIC.search(plain):
        found = [plain] if plain in names.known else []
    else:
        try:
            matcher = re.compile(f"(?s:{translate(plain)})")
        except (ValueError, re.error) as error:
            raise LoadError(f"configs: {pattern!r} is no pattern: {error}", rule="D214") from None
        likely = names.beginning(_MAGIC.split(plain, maxsplit=1)[0])
        names.spend(len(likely))
        found = [name for name in likely if matcher.fullmatch(name)]
        names.spend(len(found))
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
