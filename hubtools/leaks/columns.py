"""Secrets in tables with columns (CSV, TSV): their name stands in the first line only."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterator

from hubtools.leaks.shapes import Secret
from hubtools.leaks.stream import Readable
from hubtools.leaks.text import secrets

_TELLING = re.compile(r"(?i)key|token|secret|auth|credential|webhook|pass|pwd")
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
    lines = _lines(file, codec)
    first = next(lines, "")
    if len(first) > _HEADER or not _TELLING.search(first):
        return
    mark = max(",\t;|", key=first.count)
    names = next(csv.reader([first], delimiter=mark), [])
    chosen = [(n, name) for n, name in enumerate(names) if telling(name)]
    if not chosen or (
        len(names) == 1 and not re.fullmatch(r"[\"']?[A-Za-z][\w -]{2,40}[\"']?", first)
    ):
        return
    known: set[tuple[int, str]] = set()
    for number, line in enumerate(lines, 2):
        for row in _rows(line, mark):
            for place, name in chosen:
                value = row[place] if place < len(row) else ""
                if len(value) < 8 or (place, value) in known:
                    continue
                if len(known) < 1 << 16:
                    known.add((place, value))
                for secret in in_cell(name, value):
                    yield number, secret


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
