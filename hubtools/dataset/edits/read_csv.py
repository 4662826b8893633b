"""metadata.csv as records, with what is broken repaired where that is certain."""

from __future__ import annotations

import csv
import io

from hubtools.dataset.edits.tables import Record, Table
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS
from hubtools.dataset.metadata import FILE_NAME, column_names, swallows_rows


def read_csv(text: str, table: Table, caption: str, resolve_doubt: bool) -> None:
    """Fill `table` from CSV text; lock it if nothing certain can be made of it."""
    first = text.split("\n", 1)[0]
    mark = ","
    if "," not in first and (";" in first or "\t" in first):
        mark = ";" if ";" in first else "\t"
    lines = list(io.StringIO(text, newline=""))
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    begin = 0
    try:
        for fields in reader:
            several = [fields]
            if any(swallows_rows(value) for value in fields) and rows:
                several = _split(lines[begin : reader.line_num], rows[0], mark) or several
            rows += several
            begin = reader.line_num
    except csv.Error as error:
        table.locked = f"it is no CSV: {error}"
        return
    rows = [fields for fields in rows if fields]
    if not rows:
        return
    names = [name.strip() for name in rows[0]]
    if "" in names or len(set(names)) != len(names):
        rows = _named(rows)
        table.touch("D122", "give each column a name of its own, or remove it")
    table.header = [name.strip() for name in rows[0]]
    for fields in rows[1:]:
        record = _record(fields, table.header, mark, caption)
        if not (record.raw and resolve_doubt):
            table.records.append(record)


def read_again(table: Table, caption: str) -> bool:
    """Read the rows that could not be understood once more, under a header that has changed since;
    says whether one now can be."""
    found = False
    for record in table.records:
        if record.fields is not None:
            again = _record(record.fields, table.header, ",", caption)
            if not again.raw:
                record.values, record.fields, record.raw = again.values, None, False
                found = True
    return found


def _named(rows: list[list[str]]) -> list[list[str]]:
    """Rows whose columns each have a name: those that are empty, number the rows, or repeat a
    column to the letter are left out."""
    width = len(rows[0])
    columns = [[row[n] if n < len(row) else "" for row in rows[1:]] for n in range(width)]
    kept: dict[str, int] = {}
    for place, name in enumerate(column_names(rows[0])):
        given = rows[0][place].strip()
        first = kept.get(given, place)
        numbers = [[str(n + start) for n in range(len(rows) - 1)] for start in (0, 1)]
        useless = (
            columns[place] in ([""] * len(columns[place]), *numbers)
            if not given
            else first != place and columns[first] == columns[place]
        )
        if not useless:
            kept[name if given else f"column_{place + 1}"] = place
    # of rows that are too long, what is too much stays for others to judge
    return [
        list(kept),
        *([row[n] for n in kept.values() if n < len(row)] + row[width:] for row in rows[1:]),
    ]


def _split(lines: list[str], header: list[str], mark: str) -> list[list[str]] | None:
    """The rows that an open quote has made one, if each line is then a row that names a picture."""
    rows = [_one_line(line, mark) for line in lines if line.strip()]
    names = [name.strip() for name in header]
    if FILE_NAME not in names:
        return None
    place = names.index(FILE_NAME)
    good = all(len(row) >= len(names) and _is_picture(row[place]) for row in rows)
    return rows if good else None


def _is_picture(name: str) -> bool:
    ending = "." + name.strip().lower().rpartition(".")[2]
    return ending in PICTURE_ENDINGS or ending in FOREIGN_ENDINGS


def _one_line(line: str, mark: str) -> list[str]:
    line = line.rstrip("\r\n")
    if line.count('"') % 2:
        # the first quote of the line that opens a field, or else the last one, is the odd one
        place = line.find(f'{mark}"') + 1 or line.rfind('"')
        if line.startswith('"'):
            place = 0
        line = line[:place] + line[place + 1 :]
    return next(csv.reader([line], delimiter=mark), [])


def _record(fields: list[str], header: list[str], mark: str, caption: str) -> Record:
    if len(fields) == 1 and len(header) > 1 and mark in fields[0]:
        inner = _within(fields[0], mark)  # the whole row was quoted
        fields = inner if len(inner) == len(header) else fields
    extra = len(fields) - len(header)
    if extra > 0:
        joined = _joined(fields, header, extra, mark, caption)
        if joined is None:
            return Record(dict(zip(header, fields, strict=False)), fields=fields, raw=True)
        fields = joined
    values = dict(zip(header, fields, strict=False))
    return Record(values | dict.fromkeys(header[len(fields) :], ""))


def _within(text: str, mark: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=mark), [])
    except csv.Error:  # there is a line break in it
        return []


def _joined(
    fields: list[str], header: list[str], extra: int, mark: str, caption: str
) -> list[str] | None:
    """The fields with the caption put together again, if the name of a picture is then where it
    belongs."""
    column = header.index(caption) if caption in header else len(header) - 1
    if FILE_NAME not in header or header[column] == FILE_NAME:
        return None
    joined = [
        *fields[:column],
        mark.join(fields[column : column + extra + 1]),
        *fields[column + extra + 1 :],
    ]
    return joined if _is_picture(joined[header.index(FILE_NAME)]) else None
