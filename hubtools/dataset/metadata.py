"""Read metadata.jsonl, .csv and .parquet without ever stopping at the first mistake.

The `datasets` loader names neither file nor line when a record is broken. Here every record that
can be read is read, and what cannot is a `Trouble` with its place.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from hubtools.dataset.files import read_file
from hubtools.dataset.folder import PICTURE_ENDINGS, Entry, Listing

FILE_NAME = "file_name"


class Kind(StrEnum):
    """What is wrong with a piece of a metadata file."""

    JSON = "json"  # not JSON
    MULTI_LINE = "multi-line"  # a record over several lines
    ARRAY = "array"  # one JSON array instead of a record a line
    NOT_OBJECT = "not-object"  # a line that is JSON but no object
    DUPLICATE_KEY = "duplicate-key"
    ENCODING = "encoding"
    EMPTY = "empty"
    CSV_COLUMNS = "csv-columns"  # a row with more or fewer fields than the header
    CSV_QUOTE = "csv-quote"  # a quote that is never closed
    CSV_HEADER = "csv-header"  # spaces around a column's name
    CSV_DELIMITER = "csv-delimiter"  # semicolons or tabs instead of commas
    PARQUET = "parquet"  # not a parquet file


@dataclass(frozen=True)
class Trouble:
    """A mistake; `line` and `column` count from 1."""

    kind: Kind
    message: str
    line: int | None = None
    column: int | None = None
    fix: str | None = None


class Row(NamedTuple):
    """A record: its values as the file has them, and where it begins. (A tuple, for there may be a
    million.)"""

    source: str  # name of the metadata file
    line: int | None  # None in parquet
    values: dict[str, Any]

    @property
    def file_name(self) -> Any:
        """The value of `file_name`, whatever it is; None if there is none."""
        return self.values.get(FILE_NAME)


@dataclass
class MetadataFile:
    """One metadata file, read as far as it can be."""

    entry: Entry
    rows: list[Row] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)  # in the order of first appearance
    data: bytes = field(default=b"", repr=False)  # as on disk
    types: dict[str, str] = field(default_factory=dict)  # Arrow's, of a parquet file's columns
    nameless: list[str] = field(default_factory=list)  # columns of a CSV file with made-up names

    @property
    def name(self) -> str:
        """Name relative to the dataset folder."""
        return self.entry.name


def read_metadata(where: Path | Listing, entry: Entry) -> MetadataFile:
    """Read the file `entry` of a folder or a listing. Never raises for its contents; unreadable
    files are a trouble."""
    try:
        if isinstance(where, Path):
            data = read_file(where / entry.name)
        else:
            data = where.read(entry.name)
    except OSError as error:
        found = MetadataFile(entry)
        reason = error.strerror or str(error)
        found.troubles.append(Trouble(Kind.ENCODING, f"cannot be read: {reason}"))
        return found
    return parse_metadata(entry, data)


def parse_metadata(entry: Entry, data: bytes) -> MetadataFile:
    """Read a metadata file from its bytes; the ending of `entry` says how. Never raises."""
    found = MetadataFile(entry, data=data)
    if entry.ending == ".parquet":
        _read_parquet(data, found)
    else:
        text = _decode(data, found)
        if text is not None:
            if not text.strip():
                found.troubles.append(
                    Trouble(Kind.EMPTY, "holds no record", 1, fix="write one record a picture")
                )
            elif entry.ending == ".csv":
                _read_csv(text, found)
            else:
                _read_jsonl(text, found)
    columns: dict[str, None] = dict.fromkeys(found.columns)
    for row in found.rows:
        if not row.values.keys() <= columns.keys():
            columns.update(dict.fromkeys(row.values))
    found.columns = list(columns)
    return found


def _decode(data: bytes, found: MetadataFile) -> str | None:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data[:200].count(b"\0") > 20:
        found.troubles.append(
            Trouble(Kind.ENCODING, "is UTF-16, which no loader reads", fix="save it as UTF-8")
        )
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        found.troubles.append(
            Trouble(
                Kind.ENCODING,
                f"byte 0x{data[error.start]:02x} is not UTF-8",
                line,
                column,
                "save it as UTF-8",
            )
        )
        return data.decode("utf-8", errors="replace")


# --- JSON Lines --------------------------------------------------------------------------------


def _read_jsonl(text: str, found: MetadataFile) -> None:
    if text.lstrip().startswith("[") and _read_array(text, found):
        return
    lines = re.split(r"\r\n|\n|\r", text) if "\r" in text else text.split("\n")
    decoder = json.JSONDecoder()
    number = keys = 0
    multi_line: list[int] = []
    whole: list[Row] = []
    name, rows = found.name, found.rows
    while number < len(lines):
        line = lines[number]
        number += 1
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            if not line.strip():
                continue
            value = _loads(line)
        if isinstance(value, dict):
            whole.append(Row(name, number, value))
            rows.append(whole[-1])
            keys += len(value)
        elif value is not _BROKEN:
            found.troubles.append(
                Trouble(
                    Kind.NOT_OBJECT,
                    f"the line is {_kind_of(value)}, not an object",
                    number,
                    1,
                    'write {"file_name": "...", ...}',
                )
            )
        else:
            number = _read_broken(lines, number, decoder, multi_line, found)
    # A look at the whole text spares one at each line, unless values hold objects or such quotes.
    if text.count('":') + text.count('" :') > keys:
        _look_for_duplicate_keys(lines, whole, found)
    if multi_line:
        found.troubles.append(
            Trouble(
                Kind.MULTI_LINE,
                f"{len(multi_line)} of {len(found.rows)} records are spread over several lines;"
                " that is not JSON Lines",
                multi_line[0],
                1,
                "write each record on one line",
            )
        )


_BROKEN = object()


def _loads(line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    try:
        value = json.loads(line)  # NaN and Infinity, which the loaders read as well
        json.dumps(value, ensure_ascii=False).encode()  # but half a character they do not
    except (ValueError, RecursionError):
        return _BROKEN
    return value


def _read_broken(
    lines: list[str],
    number: int,
    decoder: json.JSONDecoder,
    multi_line: list[int],
    found: MetadataFile,
) -> int:
    """Line `number` (from 1) is no whole record: the beginning of one, several, or a mistake.
    Gives the number of lines now read."""
    line = lines[number - 1]
    # several objects on one line are read by the loaders as several rows
    several = list(objects(line, decoder))
    if several:
        found.rows.extend(Row(found.name, number, value) for value in several)
        return number
    if line.strip().rstrip(",") in ("[", "]"):
        found.troubles.append(
            Trouble(
                Kind.ARRAY,
                f"a bracket {line.strip()[0]} stands alone; records have no brackets around them",
                number,
                1,
                "remove it, and the commas between records",
            )
        )
        return number
    if line.strip().endswith(","):
        value = _loads(line.strip().rstrip(","))
        if isinstance(value, dict):
            found.rows.append(Row(found.name, number, value))
            found.troubles.append(
                Trouble(
                    Kind.JSON,
                    "a comma stands behind the record",
                    number,
                    len(line.rstrip()),
                    "remove the comma; records are separated by line ends only",
                )
            )
            return number
    if line.lstrip().startswith("{"):
        joined = line
        for end in range(number, min(number + 200, len(lines))):
            if lines[end].lstrip().startswith("{"):
                break
            joined += "\n" + lines[end]
            value = _loads(joined.strip().rstrip(","))
            if isinstance(value, dict):
                found.rows.append(Row(found.name, number, value))
                multi_line.append(number)
                return end + 1
    found.troubles.append(_diagnose(line, number))
    # do not complain once more about each further line of the same broken record
    while number < len(lines) and not lines[number].lstrip().startswith("{"):
        number += 1
    return number


def objects(line: str, decoder: json.JSONDecoder) -> Iterator[dict[str, Any]]:
    """All objects of a line that holds nothing but objects, else nothing."""
    values = []
    place = 0
    text = line.strip()
    try:
        while place < len(text):
            value, place = decoder.raw_decode(text, place)
            if not isinstance(value, dict):
                return
            values.append(value)
            while place < len(text) and text[place].isspace():
                place += 1
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return
    yield from values


def _read_array(text: str, found: MetadataFile) -> bool:
    value = _loads(text)
    if not isinstance(value, list):
        return False
    found.troubles.append(
        Trouble(
            Kind.ARRAY,
            "is one JSON array; JSON Lines has one object a line",
            1,
            1,
            "write each record on a line of its own, without [ ] and commas between",
        )
    )
    found.rows.extend(Row(found.name, None, item) for item in value if isinstance(item, dict))
    return True


_SMART = "“”„‘’"


def _diagnose(line: str, number: int) -> Trouble:
    """Say what is wrong with a line that is not JSON, as precisely as can be."""
    try:
        json.loads(line)
    except ValueError as error:
        message = getattr(error, "msg", str(error)).removesuffix(" starting at")
        column = int(getattr(error, "colno", 1))
    except RecursionError:
        message, column = "nested too deeply", 1
    else:
        message, column = "half of a character pair", line.lower().find("\\ud") + 1
    near = line[max(0, column - 1) : column + 19].strip() or "the end of the line"
    fix = None
    if any(mark in line for mark in _SMART) and '"' not in line:
        column = min(line.index(mark) for mark in _SMART if mark in line) + 1
        message, fix = "typographic quotes", 'use plain double quotes "'
    elif re.search(r",\s*[}\]]", line):
        column = (re.search(r",\s*[}\]]", line) or re.match("", line)).start() + 1  # type: ignore[union-attr]
        message, fix = "a comma before the closing bracket", "remove the comma"
    elif re.match(r"\s*\{\s*'", line):
        message, fix = "single quotes", 'use double quotes "'
    elif line.lstrip().startswith(("//", "#")):
        message, fix = "a comment", "JSON has no comments; remove the line"
    elif "Invalid control character" in message:
        fix = r"write line ends inside a text as \n and tabs as \t"
    elif "Unterminated string" in message:
        fix = 'close the text with "; a quote inside it is written \\"'
    elif "Expecting ',' delimiter" in message:
        fix = 'put a comma between fields; a quote inside a text is written \\"'
    fix = fix or 'write {"file_name": "...", ...} on one line'
    return Trouble(Kind.JSON, f"{message.lower()} at {near!r}", number, column, fix)


def _look_for_duplicate_keys(lines: list[str], rows: list[Row], found: MetadataFile) -> None:
    count = len(found.troubles)
    for row in rows:
        assert row.line is not None
        line = lines[row.line - 1]
        # Otherwise it cannot be: there are no more colons behind quotes than keys.
        if line.count('":') + line.count('" :') > len(row.values):
            _keys_of(line, row.line, found)
    if len(found.troubles) > count:
        found.troubles.sort(key=lambda trouble: trouble.line or 0)


def _keys_of(line: str, number: int, found: MetadataFile) -> None:
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in items]
        twice.extend(key for key in dict.fromkeys(keys) if keys.count(key) > 1)
        return dict(items)

    try:
        json.loads(line, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return
    for key in twice:
        found.troubles.append(
            Trouble(
                Kind.DUPLICATE_KEY,
                f"the key {key!r} appears twice in one record",
                number,
                line.rfind(f'"{key}"') + 1,
                "keep one of them",
            )
        )


def _kind_of(value: Any) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


# --- CSV ---------------------------------------------------------------------------------------


def _read_csv(text: str, found: MetadataFile) -> None:
    header_line = text.split("\n", 1)[0].rstrip("\r")
    if "," not in header_line and (";" in header_line or "\t" in header_line):
        mark = ";" if ";" in header_line else "\t"
        found.troubles.append(
            Trouble(
                Kind.CSV_DELIMITER,
                f"columns are separated by {'semicolons' if mark == ';' else 'tabs'}, not commas",
                1,
                header_line.index(mark) + 1,
                "save it as comma-separated values",
            )
        )
    else:
        mark = ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=False)
    header: list[str] | None = None
    try:
        begin = 1
        for fields in reader:
            line, begin = begin, reader.line_num + 1
            if header is None:
                header = column_names(fields)
                found.columns = header
                found.nameless = [
                    made for made, name in zip(header, fields, strict=True) if made != name.strip()
                ]
                for name in fields:
                    if name != name.strip():
                        found.troubles.append(
                            Trouble(
                                Kind.CSV_HEADER,
                                f"the column {name!r} has spaces around its name",
                                1,
                                fix="remove the spaces",
                            )
                        )
                continue
            if not fields:
                continue
            if len(fields) != len(header):
                long = len(fields) > len(header)
                found.troubles.append(
                    Trouble(
                        Kind.CSV_COLUMNS,
                        f"{len(fields)} fields for {len(header)} columns",
                        line,
                        fix='put texts that hold a comma into "double quotes"' if long else None,
                    )
                )
                if long:
                    continue
            if any(swallows_rows(value) for value in fields):
                found.troubles.append(
                    Trouble(
                        Kind.CSV_QUOTE,
                        "a quote is opened here and closed lines later; the rows between are lost",
                        line,
                        fix='close the quote; a quote inside a text is written ""',
                    )
                )
            values: dict[str, Any] = dict(zip(header, fields, strict=False))
            found.rows.append(Row(found.name, line, values))
    except csv.Error as error:
        found.troubles.append(Trouble(Kind.CSV_QUOTE, str(error), reader.line_num))


def column_names(header: list[str]) -> list[str]:
    """Names of the columns of a CSV file, without spaces around them. One without a name, or with
    that of another, gets the name that pandas (and so the loader) gives it."""
    names: list[str] = []
    for place, name in enumerate(header):
        base = name.strip() or f"Unnamed: {place}"
        made, number = base, 0
        while made in names:
            number += 1
            made = f"{base}.{number}"
        names.append(made)
    return names


def swallows_rows(value: str) -> bool:
    """True for a field of several lines that read as rows: an open quote has swallowed them."""
    lines = value.split("\n")[1:]
    names = (line.partition(",")[0].strip().lower() for line in lines)
    return len(lines) > 3 or any(name.endswith(tuple(PICTURE_ENDINGS)) for name in names)


# --- parquet -----------------------------------------------------------------------------------


def _read_parquet(data: bytes, found: MetadataFile) -> None:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError:
        found.troubles.append(
            Trouble(
                Kind.PARQUET,
                "reading parquet needs pyarrow, which is not installed",
                fix="pip install 'hf-hubtools[train]'",
            )
        )
        return
    try:
        table = parquet.read_table(io.BytesIO(data))
    except (arrow.ArrowException, OSError, ValueError) as error:
        found.troubles.append(
            Trouble(
                Kind.PARQUET,
                f"is not a readable parquet file: {str(error).splitlines()[0].rstrip('.')}",
                fix="write it again",
            )
        )
        return
    found.columns = list(table.column_names)
    found.types = {column.name: str(column.type) for column in table.schema}
    found.rows.extend(Row(found.name, None, values) for values in table.to_pylist())
