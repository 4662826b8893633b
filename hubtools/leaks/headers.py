"""What the head of a table says of its columns: which may hold secrets, and how a cell of one is
judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hubtools.leaks import languages
from hubtools.leaks.shapes import Secret
from hubtools.leaks.text import secrets
from hubtools.patterns import regex

_TELLS = ("key", "token", "secret", "auth", "credential", "webhook", "pass", "pwd", "pw")
_TELLING = regex("(?i)" + "|".join(_TELLS))
_OR_VALUES = (*_TELLS, "val")
_LONGEST = 2000  # of a cell


def telling(name: str) -> bool:
    """Whether a column of this name may hold secrets."""
    return len(name) <= 100 and (_TELLING.search(name) is not None or languages.is_name(name))


def may_tell(line: str) -> bool:
    """Whether a name may stand in `line` that tells, or one that says where values are."""
    lower = line.lower()
    for word in _OR_VALUES:
        if word in lower:
            return True
    return "\u017f" in line  # an s, too


def may_be_head(line: str) -> bool:
    """Whether the first line of a text, or one of Markdown's tables, may have a name in another
    language than English."""
    return bool(languages.there(line.lower()))


def in_cell(name: str, value: str) -> Iterator[Secret]:
    """What a value in the column `name` is, judged as if the name stood beside it."""
    value = value.strip()
    if 8 <= len(value) <= _LONGEST and "\n" not in value:
        label = name.replace('"', "").strip().rstrip(" :=")
        yield from secrets(f'{label}: "{value}"')


class Header(NamedTuple):
    """What stands between columns, (number, name) of those with telling names, and the columns in
    which names and their values stand."""

    mark: str
    chosen: list[tuple[int, str]]
    pair: tuple[int, int] | None = None


_NAMES = regex(r"(?i)(?:.{0,40}[_. ])?(?:name|key|variable|var|env|setting|option|parameter)\Z")
_VALUES = (
    regex(r"(?i)(?:.{0,40}[_. ])?(?:value|val)\Z"),
    regex(r"(?i)(?:.{0,40}[_. ])?(?:content|data|text)\Z"),
)


def name_and_value(names: list[str]) -> tuple[int, int] | None:
    """(column of names, column of their values) of columns of these names."""
    called = next((n for n, name in enumerate(names) if _NAMES.match(name)), None)
    held = next(
        (n for form in _VALUES for n, name in enumerate(names) if n != called and form.match(name)),
        None,
    )
    return None if called is None or held is None else (called, held)


# What further down in a text is a name and no caption; the other cells are of words too.
_NAME = regex(
    r"(?i)(?:\w+[ _-]){0,3}(?:\w{0,12}key|\w{0,12}token|\w{0,12}secret|passw(?:or)?d|passphrase|pwd|pw)\Z"
)
_WORD = regex(r"(?:[^\W\d][\w -]{0,40})?\Z")


def is_name(cell: str) -> bool:
    """Whether a cell is a name of secrets and nothing more."""
    return _NAME.match(cell) is not None or languages.is_name(cell)


# Columns beside which one called `key` has keys of services, and not of rows.
_OF = regex(
    r"(?i)(?:service|provider|platform|vendor|site|website|api|app|account|company|dienst|anbieter)(?:[_ ]?name)?\Z"
)


def _whole(name: str, names: list[str]) -> str:
    bare = name.strip().lower() in ("key", "keys")
    return "service key" if bare and any(_OF.match(other.strip()) for other in names) else name


def header_of(names: list[str], mark: str = "", *, first: bool) -> Header | None:
    """The head of a table that a row of these cells is; None if it is none, or one of nothing
    secret. `first`: it is known to be a head, so any telling name counts."""
    words = all(_WORD.match(name) for name in names)
    pair = name_and_value(names) if words else None
    if pair is not None:
        return Header(mark, [(n, name) for n, name in enumerate(names) if is_name(name)], pair)
    if first:
        chosen = [(n, _whole(name, names)) for n, name in enumerate(names) if telling(name)]
    else:
        chosen = [(n, name) for n, name in enumerate(names) if words and is_name(name)]
        chosen = chosen if len(names) > 1 else []
    return Header(mark, chosen) if chosen else None


def of_row(header: Header, row: list[str]) -> Iterator[tuple[str, str]]:
    """(name, value) of each cell of a row that must be judged."""
    if header.pair is not None and max(header.pair) < len(row) and telling(row[header.pair[0]]):
        yield row[header.pair[0]], row[header.pair[1]]
    for place, name in header.chosen:
        value = row[place].strip() if place < len(row) else ""
        if len(value) >= 8:
            yield name, value


class Known:
    """The cells of a file that were judged already."""

    def __init__(self) -> None:
        self._cells: set[tuple[str, str]] = set()

    def judged(self, header: Header, row: list[str]) -> Iterator[Secret]:
        """What is secret in a row below `header`, each value once."""
        for cell in of_row(header, row):
            yield from self.cell(*cell)

    def cell(self, name: str, value: str) -> Iterator[Secret]:
        """What is secret in a cell, if it is seen for the first time."""
        if (name, value) in self._cells:
            return
        if len(self._cells) < 1 << 16:
            self._cells.add((name, value))
        yield from in_cell(name, value)
