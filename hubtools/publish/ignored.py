"""What a folder's own `.gitignore` files name: it is not sent unless somebody asks for it.

Read as git reads them (gitignore(5)): those of sub-folders too, the last pattern that fits decides,
`!` takes back, and nothing below a folder that is named can be taken back. Files above the folder
do not count: they say what git is to leave alone, datasets and runs as a whole more often than
not. The matching is our own, because such a file may have come with the data: the usual libraries
make one regular expression of a pattern, which `*a*a*a*a*` keeps busy for ever; here the time is
bounded by the length of the name times that of the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from hubtools.causes import cannot_be
from hubtools.errors import HubtoolsError
from hubtools.files import open_regular

GITIGNORE = ".gitignore"
_LARGEST = 1_000_000  # bytes of one file
_MOST = 10_000  # patterns of one file
_TOGETHER = 20_000_000  # patterns times names
_ANY = None  # `**`: any number of folders


class _Pattern(NamedTuple):
    """One line. `parts`: a regular expression for each part of a name, or `_ANY`; `ending`: what
    every name that it fits ends with."""

    said: str  # "file:line (pattern)"
    ending: str
    parts: tuple[re.Pattern[str] | None, ...]
    anchored: bool
    folders_only: bool
    takes_back: bool

    def fits(self, parts: Sequence[str], is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        if not self.anchored:
            only = self.parts[0]
            return only is not None and only.fullmatch(parts[-1]) is not None
        return _fits(self.parts, parts)


class _Book:
    """The patterns of one file, found by how a name ends: most need not be tried on most names."""

    def __init__(self, patterns: Sequence[_Pattern]) -> None:
        self._patterns = patterns
        self._by_ending: dict[str, list[int]] = {}
        for number, pattern in enumerate(patterns):
            self._by_ending.setdefault(pattern.ending, []).append(number)
        self._lengths = sorted({len(ending) for ending in self._by_ending})

    @property
    def tried_always(self) -> int:
        """Patterns of which the end of a name tells nothing."""
        return len(self._by_ending.get("", ()))

    def last_that_fits(self, parts: Sequence[str], is_folder: bool) -> _Pattern | None:
        """The line that decides on a name."""
        base = parts[-1]
        numbers = [
            number
            for length in self._lengths
            if length <= len(base)
            for number in self._by_ending.get(base[len(base) - length :], ())
        ]
        for number in sorted(numbers, reverse=True):
            if self._patterns[number].fits(parts, is_folder):
                return self._patterns[number]
        return None


def ignored(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Those of `names` (of files below `root`, with `/`) that a `.gitignore` among them names, and
    by which line: `.gitignore:3 (*.json)`.

    Linked `.gitignore` files do not count, as for git. Raises `HubtoolsError` for one that is too
    large to be one, or cannot be read.
    """
    names = list(names)
    books = {
        name.rpartition("/")[0]: _Book(patterns)
        for name in names
        if name.rpartition("/")[2] == GITIGNORE
        and not (root / name).is_symlink()
        and (patterns := _read(root, name))
    }
    if not books:
        return {}
    tried = sum(book.tried_always for book in books.values()) * len(names)
    if tried > _TOGETHER:
        raise HubtoolsError(
            f"The {GITIGNORE} files of {root} have too many patterns with a wildcard at the end for"
            f" {len(names):,} files: {tried:,} comparisons, at most {_TOGETHER:,} are made.",
            hint="remove patterns that name nothing",
            code="too-large",
        )
    folders: dict[str, str | None] = {"": None}

    def folder_said(folder: str) -> str | None:
        if folder not in folders:
            above = folder_said(folder.rpartition("/")[0])
            folders[folder] = above or _said(books, folder, is_folder=True)
        return folders[folder]

    found: dict[str, str] = {}
    for name in names:
        said = folder_said(name.rpartition("/")[0]) or _said(books, name, is_folder=False)
        if said is not None:
            found[name] = said
    return found


def _said(books: dict[str, _Book], name: str, *, is_folder: bool) -> str | None:
    """The line that decides on this name, if it says that it is ignored."""
    parts = name.split("/")
    for depth in range(len(parts) - 1, -1, -1):
        book = books.get("/".join(parts[:depth]))
        pattern = book.last_that_fits(parts[depth:], is_folder) if book is not None else None
        if pattern is not None:
            return None if pattern.takes_back else pattern.said
    return None


def _read(root: Path, name: str) -> tuple[_Pattern, ...]:
    try:
        with open_regular(root / name) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise cannot_be("read", root / name, error, "make it readable") from None
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(data) > _LARGEST or len(lines) > _MOST:
        raise HubtoolsError(
            f"{root / name} is too large: at most {_MOST:,} lines and {_LARGEST:,} bytes are read.",
            hint="shorten it, or remove it",
            code="too-large",
        )
    # names that are no UTF-8 are kept in the same way
    texts = (line.decode("utf-8", "surrogateescape").removesuffix("\r") for line in lines)
    patterns = (_parsed(text, f"{name}:{number}") for number, text in enumerate(texts, start=1))
    return tuple(pattern for pattern in patterns if pattern is not None)


def _parsed(line: str, where: str) -> _Pattern | None:
    if line.startswith("#"):
        return None
    text = line.rstrip(" ")
    if text != line and (len(text) - len(text.rstrip("\\"))) % 2:
        text += " "  # one that was escaped
    takes_back = text.startswith("!")
    text = text.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    anchored = "/" in text
    text = text.removeprefix("/")
    if not text:
        return None
    parts = text.split("/") if anchored else [text]
    made: list[re.Pattern[str] | None] = []
    for number, part in enumerate(parts):
        if part == "**" and len(parts) > 1:
            if number == len(parts) - 1:
                made += [_ANY, _part("*")]  # what is inside, not the folder itself
            elif not made or made[-1] is not _ANY:
                made.append(_ANY)
            continue
        expression = _part(part)
        if expression is None:
            return None  # git passes it over too
        made.append(expression)
    said = f"{where} ({line.strip()})"
    ending = re.split(r"[*?\[\]\\]", parts[-1])[-1]
    return _Pattern(said, ending, tuple(made), anchored, folders_only, takes_back)


def _fits(wanted: Sequence[re.Pattern[str] | None], parts: Sequence[str]) -> bool:
    """Part by part. Only the last `**` is ever tried again: what an earlier one took is enough."""
    at = place = 0
    again, taken = -1, 0
    while place < len(parts):
        if at < len(wanted) and wanted[at] is _ANY:
            again, taken = at, place
            at += 1
        elif at < len(wanted) and _one(wanted[at], parts[place]):
            at, place = at + 1, place + 1
        elif again >= 0:
            taken += 1
            at, place = again + 1, taken
        else:
            return False
    return at == len(wanted)


def _one(wanted: re.Pattern[str] | None, part: str) -> bool:
    return wanted is not None and wanted.fullmatch(part) is not None


@lru_cache(maxsize=4096)
def _part(text: str) -> re.Pattern[str] | None:
    """The expression for one part of a name; None if it is no pattern (an open bracket)."""
    pieces = [""]  # what stands between stars
    place = 0
    while place < len(text):
        mark = text[place]
        place += 1
        if mark == "*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append("")
        elif mark == "?":
            pieces[-1] += "."
        elif mark == "[":
            group, place = _group(text, place)
            if group is None:
                return None
            pieces[-1] += group
        else:
            if mark == "\\":
                if place == len(text):
                    return None
                mark = text[place]
                place += 1
            pieces[-1] += re.escape(mark)
    if len(pieces) == 1:
        expression = pieces[0]
    else:
        # what a star takes is never tried again, once what follows it has been found: the first
        # place is as good as any, and the time stays linear
        middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
        expression = f"{pieces[0]}{middle}.*{pieces[-1]}"
    try:
        return re.compile(expression, re.DOTALL)
    except re.error:
        return None


_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
    "space": r"\s", "blank": r" \t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


def _group(text: str, place: int) -> tuple[str | None, int]:
    """The brackets that were opened before `place`, and where they end."""
    out = "["
    if text[place : place + 1] in ("!", "^"):
        out, place = "[^", place + 1
    first = True
    while place < len(text):
        mark = text[place]
        if mark == "]" and not first:
            return out + "]", place + 1
        first = False
        if text.startswith("[:", place) and (end := text.find(":]", place)) > 0:
            if (known := _CLASSES.get(text[place + 2 : end])) is None:
                return None, place
            out, place = out + known, end + 2
            continue
        if mark == "\\" and place + 1 < len(text):
            place += 1
            mark = text[place]
            out += re.escape(mark)
        elif mark == "-":
            # between two marks a range, else itself
            ranged = out[-1:] not in ("[", "^") and text[place + 1 : place + 2] not in ("", "]")
            out += "-" if ranged else r"\-"
        else:
            out += re.escape(mark)
        place += 1
    return None, place
