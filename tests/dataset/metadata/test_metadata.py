"""Hostile metadata: read as far as it goes, told where it breaks, never a crash."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hubtools.dataset.folder.listing import Entry, walk
from hubtools.dataset.metadata import Kind, MetadataFile, parse_metadata, read_metadata
from hubtools.dataset.validate import validate

RELAXED = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(folder: Path, data: bytes, name: str = "metadata.jsonl") -> MetadataFile:
    (folder / name).write_bytes(data)
    (entry,) = (e for e in walk(folder).metadata if e.name == name)
    return read_metadata(folder, entry)


@pytest.mark.parametrize(
    ("text", "kind", "line", "column"),
    [
        ('{"a": 1}\n{"a": 1,}\n', Kind.JSON, 2, 8),
        ("{'a': 1}\n", Kind.JSON, 1, 2),
        ('{"a": 1\n', Kind.JSON, 1, None),
        ('{"a": "x\ty"}\n', Kind.JSON, 1, None),
        ('{"a":\n1}\n', Kind.MULTI_LINE, 1, None),
        ('[{"a": 1}]', Kind.ARRAY, 1, None),
        ('[\n{"a": 1}\n', Kind.ARRAY, 1, None),
        ("5\n", Kind.NOT_OBJECT, 1, None),
        ('{"a": 1, "a": 2}\n', Kind.DUPLICATE_KEY, 1, None),
        ("  \n\n", Kind.EMPTY, 1, None),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, text: str, kind: Kind, line: int, column: int | None
) -> None:
    trouble = read(tmp_path, text.encode()).troubles[0]
    assert (trouble.kind, trouble.line) == (kind, line)
    assert column is None or trouble.column == column


@pytest.mark.parametrize(
    "data",
    [
        '\ufeff{"file_name": "é.png", "text": "naïve ☃"}\r\n'.encode(),
        '{"file_name": "é.png", "text": "naïve ☃"}'.encode(),
        b'{"file_name": "\\u00e9.png", "text": "na\\u00efve \\u2603"}\n\n\n',
    ],
)
def test_marks_line_ends_and_escapes_do_no_harm(tmp_path: Path, data: bytes) -> None:
    found = read(tmp_path, data)
    assert found.troubles == []
    assert [row.values for row in found.rows] == [{"file_name": "é.png", "text": "naïve ☃"}]
    assert found.rows[0].line == 1


def test_what_the_loader_takes_though_json_does_not(tmp_path: Path) -> None:
    found = read(tmp_path, b'{"a": 1} {"a": 2}\n{"a": NaN}\n')
    assert [row.line for row in found.rows] == [1, 1, 2]
    assert found.troubles == []


def test_the_good_rows_around_a_bad_one_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, b'{"a": 1}\n{"a": }\n\n{"a": 3}\n')
    assert [(row.line, row.values) for row in found.rows] == [(1, {"a": 1}), (4, {"a": 3})]


def test_columns_come_in_the_order_they_appear(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"b": 1, "a": 2}\n{"c": 3, "a": 4}\n').columns == ["b", "a", "c"]


@RELAXED
@given(st.binary(max_size=120))
@example(b"\xff\xfe{\0")
@example(b'{"a": ' + b"[" * 2000 + b"\n")
@example(b"1" * 5000)
@example(b'{"a": "\\ud800"}')
def test_any_bytes_are_read_or_told(tmp_path: Path, data: bytes) -> None:
    for name in ("metadata.jsonl", "metadata.csv", "metadata.parquet"):
        found = read(tmp_path, data, name)
        assert found.rows or found.troubles or name == "metadata.csv"
    validate(tmp_path)


values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**60), 2**60), st.text(), st.lists(st.text())
)


@RELAXED
@given(st.lists(st.dictionaries(st.text(max_size=8), values, max_size=4), min_size=1, max_size=5))
def test_what_json_writes_is_read_back(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    found = read(tmp_path, text.encode())
    assert [row.values for row in found.rows] == rows
    assert [row.line for row in found.rows] == list(range(1, len(rows) + 1))
    assert found.troubles == []


@RELAXED
@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=12)), max_size=5))
def test_what_csv_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    import csv
    import io

    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(["file_name", "text"])
    writer.writerows(rows)
    try:
        data = text.getvalue().encode()
    except UnicodeEncodeError:
        return
    found = read(tmp_path, data, "metadata.csv")
    clean = [row for row in rows if not any("\r" in cell or "\0" in cell for cell in row)]
    if clean == rows:
        assert [tuple(row.values.values()) for row in found.rows] == rows


PIECES = st.sampled_from(
    [
        b'{"file_name": "a.png", "text": "x"}', b'{"a": 1, "a": 2}', b'{"a" \t: 1, "a"  :2}',
        b'{"a": {"b": 1}}', b'{"a": "\\": x"}', b"{", b'{"a":', b'"b"}', b"}", b"[", b"]", b"5",
        b"null",
        b"", b" ", b"\x0c", b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a": 1} {"b": 2}',
        b'{"a": 1},', b'[{"a": 1}]', b"\xef\xbb\xbf", "{“a”: 1}".encode(), b"\0",
    ]
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n"])


@RELAXED
@given(st.lists(st.tuples(PIECES, ENDS), max_size=9), st.integers(1, 60), st.booleans())
def test_reading_by_blocks_changes_nothing(
    lines: list[tuple[bytes, bytes]], block: int, ended: bool
) -> None:
    data = b"".join(line + end for line, end in lines)
    data = data if ended else data.rstrip(b"\r\n")
    entry = Entry("metadata.jsonl", len(data), 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hubtools.dataset.metadata.jsonl._BLOCK", block)
        fast = parse_metadata(entry, data)
        patch.setattr("hubtools.dataset.metadata.reading.read_plain_jsonl", lambda *_: 0)
        slow = parse_metadata(entry, data)
    assert fast == slow


@pytest.mark.parametrize(
    "text",
    ['{"file_name": "1.png", "text": "a "b"",}\n', '{"file_name":\n"1.png", "text":\n[\n1,\n'],
)
def test_broken_lines_leave_nothing_that_only_a_search_for_cycles_finds(
    tmp_path: Path, text: str
) -> None:
    """Such a search is made late while much is read: what is left was half of the memory."""
    gc.collect()
    gc.disable()
    try:
        read(tmp_path, (text * 50).encode())
        assert gc.collect() < 50
    finally:
        gc.enable()
