"""metadata.jsonl as records, with what is broken repaired where that is certain."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import orjson

from hubtools.dataset.edits.recover import pairs_of, repair
from hubtools.dataset.edits.tables import Record
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS
from hubtools.dataset.metadata import FILE_NAME, Kind, MetadataFile, known_or_read
from hubtools.limits import REPAIR
from hubtools.patterns import regex


def read_jsonl(
    text: str, name: str, resolve_doubt: bool, known: MetadataFile | None = None
) -> list[Record]:
    """All records in their order; those that cannot be understood are `raw` (or left out with
    `resolve_doubt`). `known`: what the reader has made of these or of other bytes."""
    data = text.encode("utf-8", "surrogatepass")
    found = known_or_read(name, data, known)
    if found.rows and found.rows[0].line is None:
        return _of_array(json.loads(text.strip()), resolve_doubt)
    lines = re.split(r"\r\n|\n|\r", text) if "\r" in text else text.split("\n")
    per_line: dict[int, int] = {}
    for row in found.rows:
        assert row.line is not None
        per_line[row.line] = per_line.get(row.line, 0) + 1
    twice = {t.line for t in found.troubles if t.kind is Kind.DUPLICATE_KEY}
    placed: list[tuple[int, Record]] = []
    for row in found.rows:
        assert row.line is not None
        line = lines[row.line - 1]
        if row.line in twice:
            placed.append((row.line, _of_two(line, resolve_doubt)))
            continue
        whole = per_line[row.line] == 1 and line.strip().startswith("{") and _is(line, row.values)
        placed += [(row.line, record) for record in _expanded(row.values)]
        if whole and placed[-1][1].values is row.values:
            placed[-1][1].text = line
    for trouble in found.troubles:
        if trouble.line is None or trouble.line in per_line:
            continue
        if trouble.kind is Kind.NOT_OBJECT and not resolve_doubt:
            line = lines[trouble.line - 1]
            placed.append((trouble.line, Record({}, line, raw=True)))
        elif trouble.kind is Kind.JSON:
            chunk = _chunk(lines, trouble.line)
            records = repair(chunk, trouble.sure) if len(chunk) <= REPAIR else None
            if records is not None:
                placed += [(trouble.line, r) for value in records for r in _expanded(value)]
            elif not resolve_doubt:
                placed.append((trouble.line, Record({}, chunk, raw=True)))
    placed.sort(key=lambda item: item[0])
    return [record for _, record in placed]


def stays(data: bytes, found: MetadataFile) -> bool:
    """Whether `read_jsonl` is known to make of `data`, of which the reader has made `found`,
    records that are written as they stand: each line is one, and plain."""
    if found.troubles or not data.endswith(b"}\n") or _LONG in data.translate(_DIGITS):
        return False
    lines = data[:-1].split(b"\n")
    return len(lines) == len(found.rows) and all(
        row.line == number and line[:1] == b"{" and line[-1:] == b"}" and FILE_NAME in row.values
        for number, (row, line) in enumerate(zip(found.rows, lines, strict=True), 1)
    )


def _chunk(lines: list[str], number: int) -> str:
    """The broken record that begins on line `number`: up to the next line that opens a brace."""
    end = number
    while end < len(lines) and not lines[end].lstrip().startswith("{"):
        end += 1
    while end > number and not lines[end - 1].strip():
        end -= 1
    return "\n".join(lines[number - 1 : end])


# Beyond so many digits the readers round each in its way.
_LONG_NUMBER = regex(r"\d{16}")
_LONG = b"9" * 16
_DIGITS = bytes(57 if 48 <= c < 58 else 0 for c in range(256))


def _is(line: str, values: dict[str, Any]) -> bool:
    if _LONG_NUMBER.search(line) is None:
        with contextlib.suppress(orjson.JSONDecodeError):
            return bool(orjson.loads(line) == values) or "NaN" in line
    try:
        return bool(json.loads(line) == values) or "NaN" in line
    except ValueError:
        return False


def _of_two(line: str, resolve_doubt: bool) -> Record:
    values, differ = pairs_of(line)
    if differ and not resolve_doubt:
        return Record(values, line, raw=True)
    return Record(values)


def _of_array(items: list[Any], resolve_doubt: bool) -> list[Record]:
    records = []
    for item in items:
        if isinstance(item, dict):
            records += _expanded(item)
        elif not resolve_doubt:
            records.append(Record({}, json.dumps(item, ensure_ascii=False), raw=True))
    return records


def _expanded(values: dict[str, Any]) -> list[Record]:
    """{"a.png": "a cat"} and {"a.png": {"caption": "a cat"}}, as other trainers write them, are
    one record a picture."""
    if not values or FILE_NAME in values or not all(_is_name(key) for key in values):
        return [Record(values)]
    if all(isinstance(value, str) for value in values.values()):
        return [Record({FILE_NAME: key, "text": value}) for key, value in values.items()]
    if all(isinstance(value, dict) for value in values.values()):
        return [Record({FILE_NAME: key, **value}) for key, value in values.items()]
    return [Record(values)]


def _is_name(key: str) -> bool:
    ending = "." + key.rpartition(".")[2].lower()
    return "." in key and (ending in PICTURE_ENDINGS or ending in FOREIGN_ENDINGS)
