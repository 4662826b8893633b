"""The cells of spreadsheets (XLSX, ODS) as lines with tabs between them: a value and its name stand
in one row, or the name in the first one."""

from __future__ import annotations

import html
import io
import re
import zipfile
from collections.abc import Iterator

from hubtools.publish.contents.member import Budget, Member

_MOST = 16 << 20  # bytes of a sheet that are looked at
_TAG = re.compile(r"<[^<>]{0,2000}>")
_SHARED = re.compile(r"<(?:\w{1,9}:)?si\b[^<>]{0,200}>(.*?)</(?:\w{1,9}:)?si>", re.DOTALL)
_CELL = re.compile(
    r"<(?:\w{1,9}:)?c\b(?P<of>[^<>]{0,400}?)(?:/>|>(?P<in>.*?)</(?:\w{1,9}:)?c>)|(?P<end></(?:\w{1,9}:)?row>)",
    re.DOTALL,
)
_ODS = re.compile(
    r"<table:(?:covered-)?table-cell\b[^<>]{0,600}?(?:/>|>(?P<in>.*?)</table:(?:covered-)?table-cell>)"
    r"|(?P<end></table:table-row>)",
    re.DOTALL,
)
_REFERENCE = re.compile(r"\br=\"([A-Z]{1,3})\d")
_INDEX = re.compile(r"<(?:\w{1,9}:)?v>(\d{1,9})</")
_COLUMNS = 1024


def sheets(archive: zipfile.ZipFile, budget: Budget) -> Iterator[Member]:
    """Every sheet of a workbook as a file of lines. Raises what `zipfile` does."""
    names = [info.filename for info in archive.infolist() if not info.flag_bits & 1]
    pages = [name for name in names if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)]
    shared: list[str] | None = None
    for name in pages:
        if shared is None:
            shared = []
            if "xl/sharedStrings.xml" in names:
                text = _read(archive, "xl/sharedStrings.xml", budget)
                shared = [_plain(match[1]) for match in _SHARED.finditer(text)]
        yield _lines(name, _rows(_read(archive, name, budget), shared))
    if "content.xml" in names and "mimetype" in names:
        text = _read(archive, "content.xml", budget)
        if "table:table-cell" in text:
            yield _lines("content.xml", _rows_of_ods(text))


def _read(archive: zipfile.ZipFile, name: str, budget: Budget) -> str:
    with archive.open(name) as member:
        data = member.read(_MOST)
    budget.take(len(data))
    return data.decode("utf-8", "replace")


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", text)).split())


def _lines(name: str, rows: Iterator[list[str]]) -> Member:
    out, size = io.BytesIO(), 0
    for row in rows:
        line = ("\t".join(row) + "\n").encode("utf-8", "replace")
        size += len(line)
        if size > _MOST:  # one shared text may stand in many cells
            break
        out.write(line)
    out.seek(0)
    return Member(f"{name} (cells)", out)


def _rows(text: str, shared: list[str]) -> Iterator[list[str]]:
    row: list[str] = []
    for match in _CELL.finditer(text):
        if match["end"]:
            yield row
            row = []
            continue
        where = _REFERENCE.search(match["of"])
        column = _number(where[1]) if where else len(row)
        row += [""] * min(column - len(row), _COLUMNS - len(row))
        inner = match["in"] or ""
        index = _INDEX.search(inner) if 't="s"' in match["of"] else None
        if index is not None:
            number = int(index[1])
            row.append(shared[number] if number < len(shared) else "")
        else:
            row.append(_plain(inner))
    yield row


def _rows_of_ods(text: str) -> Iterator[list[str]]:
    row: list[str] = []
    for match in _ODS.finditer(text):
        if match["end"]:
            yield row
            row = []
        else:
            row.append(_plain(match["in"] or ""))
    yield row


def _number(letters: str) -> int:
    """A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
