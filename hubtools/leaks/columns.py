"""Secrets in tables with columns (CSV, TSV): their name stands in the first line only."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from hubtools.leaks.shapes import Secret
from hubtools.leaks.stream import Readable
from hubtools.leaks.text import secrets
from hubtools.patterns import regex

_TELLS = ("key", "token", "secret", "auth", "credential", "webhook", "pass", "pwd")
_TELLING = regex("(?i)" + "|".join(_TELLS))
# Characters of a header, and of a line: beyond that nothing is a table that somebody wrote.
_HEADER, _LINE = 1 << 16, 1 << 20
_LONGEST = 2000  # of a cell


def telling(name: str) -> bool:
    """Whether a column of this name may hold secrets."""
    return len(name) <= 100 and _TELLING.search(name) is not None


def in_cell(name: str, value: str) -> Iterator[Secret]:
    """What a value in the column `name` is, judged as if the name stood beside it."""
    value = value.strip()
    if 8 <= len(value) <= _LONGEST and "\n" not in value:
        label = name.strip().replace('"', "")
        yield from secrets(f'{label}="{value}"')


def in_columns(head: bytes, file: Readable) -> Iterator[tuple[int, Secret]]:
    """(line, secret) of the columns with telling names in a text that begins with their header.
    `head`: some bytes of `file`, which is read from where it is, its start."""
    codec = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if codec != "utf-16" and b"\0" in head[:4]:
        codec = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    headers: dict[bool, Header] = {}  # that of the first line, and the last one further down
    known: set[tuple[str, str]] = set()
    for number, line in enumerate(_lines(file, codec), 1):
        if not line:  # a table ends; its columns are kept, for a text may have blank lines in it
            headers = {first: header._replace(pair=None) for first, header in headers.items()}
            continue
        for mark, chosen, pair in headers.values():
            if not chosen and pair is None:
                continue
            for row in _rows(line, mark):
                for secret in _of_pair(row, pair):
                    yield number, secret
                for place, name in chosen:
                    value = row[place].strip() if place < len(row) else ""
                    if len(value) < 8 or (name, value) in known:
                        continue
                    if len(known) < 1 << 16:
                        known.add((name, value))
                    for secret in in_cell(name, value):
                        yield number, secret
        if len(line) <= _HEADER and _may_tell(line):
            header = _header(line, first=number == 1)
            if header is not None:
                headers[number == 1] = header


def _may_tell(line: str) -> bool:
    lower = line.lower()
    return any(word in lower for word in (*_TELLS, "val")) or "\u017f" in line  # an s, too


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


def _of_pair(row: list[str], pair: tuple[int, int] | None) -> Iterator[Secret]:
    """The value of a row whose name tells."""
    if pair is not None and max(pair) < len(row) and telling(row[pair[0]]):
        yield from in_cell(row[pair[0]], row[pair[1]])


# What further down in a text is a name and no caption; the other cells are of words too.
_NAME = regex(
    r"(?i)(?:\w+[ _-]){0,3}(?:\w{0,12}key|\w{0,12}token|\w{0,12}secret|passw(?:or)?d|passphrase|pwd)\Z"
)
_WORD = regex(r"(?:[A-Za-z_][\w -]{0,40})?\Z")


def _header(line: str, *, first: bool) -> Header | None:
    mark = max(",\t;|", key=line.count)
    names = [name.strip() for name in next(_rows(line, mark), [])]
    pair = name_and_value(names) if all(_WORD.match(name) for name in names) else None
    if pair is not None:
        return Header(mark, [(n, name) for n, name in enumerate(names) if _NAME.match(name)], pair)
    if first:
        chosen = [(n, name) for n, name in enumerate(names) if telling(name)]
        alone = len(names) == 1 and not re.fullmatch(r"[\"']?[A-Za-z][\w -]{2,40}[\"']?", line)
        return Header(mark, chosen) if chosen and not alone else None
    if len(names) < 2 or not all(_WORD.match(name) for name in names):
        return None
    chosen = [(n, name) for n, name in enumerate(names) if _NAME.match(name)]
    return Header(mark, chosen) if chosen else None


def _rows(line: str, mark: str) -> Iterator[list[str]]:
    """A line is read by itself: a quote that nobody closes must not hide what follows."""
    with contextlib.suppress(csv.Error):
        yield next(csv.reader([line], delimiter=mark), [])
    if '"' in line:
        yield [cell.strip("\"' ") for cell in line.split(mark)]


def _lines(file: Readable, codec: str) -> Iterator[str]:
    text = io.TextIOWrapper(io.BufferedReader(_Kept(file), 1 << 18), codec, "replace", newline=None)
    while line := text.readline(_LINE):
        yield line.rstrip("\r\n")


class _Kept(io.RawIOBase):
    """Reads from a file and does not close it."""

    def __init__(self, file: Readable) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
