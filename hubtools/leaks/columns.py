"""Secrets in tables with columns (CSV, TSV, HTML, dumps of databases): their name stands in the
first line only."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Iterator

from hubtools.leaks.headers import Header, Known, header_of, may_be_head, may_tell
from hubtools.leaks.layouts import Layouts
from hubtools.leaks.shapes import Secret
from hubtools.leaks.stream import Readable
from hubtools.patterns import regex

# Characters of a header, and of a line: beyond that nothing is a table that somebody wrote.
_HEADER, _LINE = 1 << 16, 1 << 20
_BLOCK = 1 << 15  # characters of lines that are looked at together
_WIDE = "  "  # between columns that only blanks keep apart
_BLANKS = regex(r"[ \t]{2,}")
# The head of a csv-table, in reStructuredText; what its cells have between them.
_RST = regex(r"\s*:header:\s*")
_DELIMITER = regex(r"\s*:delim:\s*(\S+)\s*\Z")
_MARKS = {"tab": "\t", "space": " "}


def in_columns(head: bytes, file: Readable) -> Iterator[tuple[int, Secret]]:
    """(line, secret) of the columns with telling names in a text that has a header above them.
    `head`: some bytes of `file`, which is read from where it is, its start."""
    codec = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if codec != "utf-16" and b"\0" in head[:4]:
        codec = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    headers: dict[bool, Header] = {}  # that of the first line, and the last one further down
    known = Known()
    layouts, option, number = Layouts(known), False, 0
    for lines in _blocks(file, codec):
        if not headers and not _may_matter(lines, layouts, first=not number):
            number, layouts.before = number + len(lines), lines[-1]
            continue
        for line in lines:
            number += 1
            if layouts.may(line):
                for secret in layouts.line(line):
                    yield number, secret
            layouts.before = line
            if not line:  # a table ends; its columns stay, for there may be blank lines in a text
                if option:
                    option = False  # what follows is the body
                    continue
                headers = {first: header._replace(pair=None) for first, header in headers.items()}
                continue
            for header in headers.values():
                if not header.chosen and header.pair is None:
                    continue
                for row in _rows(line, header.mark):
                    for secret in known.judged(header, row):
                        yield number, secret
            if len(line) <= _HEADER and (
                may_tell(line) or ((number == 1 or line[:1] == "|") and may_be_head(line))
            ):
                found = _header(line, first=number == 1)
                if found is not None:
                    headers[number == 1] = found
                    option = ":header:" in line
            elif ":delim:" in line and (delimiter := _DELIMITER.match(line)) is not None:
                mark = _MARKS.get(delimiter[1], delimiter[1])[:1]
                headers = {first: header._replace(mark=mark) for first, header in headers.items()}
    for secret in layouts.end():
        yield number, secret


def _may_matter(lines: list[str], layouts: Layouts, *, first: bool) -> bool:
    """Whether one of these lines, which follow no header, is looked at. `first`: of a text."""
    text = "\n".join(lines)
    if may_tell(text) or ":delim:" in text or layouts.may_any(text):
        return True
    return (first and may_be_head(lines[0])) or ("\n|" in text and may_be_head(text))


def _header(line: str, *, first: bool) -> Header | None:
    if ":header:" in line and (option := _RST.match(line)) is not None:
        line, first = line[option.end() :], True
    mark = max(",\t;|", key=line.count)
    if mark not in line and _WIDE in line.strip():
        mark, first = _WIDE, False
    names = [name.strip() for name in next(_rows(line, mark), [])]
    if first and len(names) == 1 and not re.fullmatch(r"[\"']?[A-Za-z][\w -]{2,40}[\"']?", line):
        return None
    return header_of(names, mark, first=first)


def _rows(line: str, mark: str) -> Iterator[list[str]]:
    """A line is read by itself: a quote that nobody closes must not hide what follows."""
    if mark == _WIDE:
        yield _BLANKS.split(line.strip())
        return
    with contextlib.suppress(csv.Error):
        yield next(csv.reader([line], delimiter=mark), [])
    if '"' in line:
        yield [cell.strip("\"' ") for cell in line.split(mark)]


def _blocks(file: Readable, codec: str) -> Iterator[list[str]]:
    """The lines, some thousands of letters at a time."""
    lines: list[str] = []
    size = 0
    for line in _lines(file, codec):
        lines.append(line)
        size += len(line)
        if size >= _BLOCK:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


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
