"""What broken records mean."""

from __future__ import annotations

import json
import time

import pytest

from hubtools.dataset.edits.read_jsonl import read_jsonl, stays
from hubtools.dataset.edits.recover import repair, without_trailing_commas
from hubtools.dataset.edits.tables import Record, Table
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata import known_or_read, parse_metadata
from hubtools.dataset.metadata.jsonl import enough_of


@pytest.mark.parametrize(
    ("line", "record"),
    [
        ('{"a": "he said "hi" to me"}', {"a": 'he said "hi" to me'}),
        ('{"a": "he said "hi"",}', {"a": 'he said "hi"'}),
        ('{"a": "say \\"so\\" "now"", "b": 1}', {"a": 'say "so" "now"', "b": 1}),
        ('{"a": "x, ] }", "b": [1, 2, ], }', {"a": "x, ] }", "b": [1, 2]}),
        ('{"a": "x" "b": 2}', {"a": "x", "b": 2}),
        ('{"a": "x", "b": 2', {"a": "x", "b": 2}),
        ("{'a': 'it', 'b': None}", {"a": "it", "b": None}),
        ("{“a”: “x”}", {"a": "x"}),
        ('{"a": "half \\ud83d", }', {"a": "half "}),
        ('{"a": "caf\\u00e9",}', {"a": "café"}),
    ],
)
def test_a_record_that_is_nearly_json(line: str, record: dict[str, object]) -> None:
    assert repair(line) == [record]


@pytest.mark.parametrize(
    "line",
    [
        ' {"a": "he said "hi"",}',
        '{"a": "so "now"", "b": [1,]},',
        '{"a": "x" "b": 2}  # why',
        '{"a": 1, "b" 2}',
        '[{"a": 1} {"b": 2}]',
        "{'a': 1 'b': 2,}",
        '{"a": [1, ] "b": 2, }',
        '{"a": 1 ,} {"b": 2,}',
        '{"a", } 1',
        '{"a": "x \\"y" z", }',
    ],
)
def test_what_the_reader_is_sure_of_changes_no_repair(line: str) -> None:
    found = parse_metadata(Entry("metadata.jsonl", len(line), 0), line.encode())
    (trouble,) = found.troubles
    assert trouble.sure == 0 or '"' in line[: trouble.sure]
    assert repair(line, trouble.sure) == repair(line)


@pytest.mark.parametrize("rest", ["", "}", '"}', ", 1]}", "\n", ' "b": 2}'])
@pytest.mark.parametrize(
    "text", ['{"a": 1 2', '{"a" 1', '["a" b', '[{"a": [1]} {', '{"a": "x "y', "{'a' 'b'"]
)
def test_what_is_certain_of_a_beginning_is_true_of_all_that_begins_so(text: str, rest: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    enough = enough_of(text, caught.value)
    assert (enough == 0) == text.startswith("{'")
    for ends in range(enough, len(text) + 1) if enough else ():
        with pytest.raises(json.JSONDecodeError):
            json.loads(text[:ends] + rest)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ('{"a": [1, 2 , ,], }', '{"a": [1, 2]}'),
        ('{"a": ", ]", "b": 1,\n}', '{"a": ", ]", "b": 1}'),
        ('{"a": "b\\", ]",}', '{"a": "b\\", ]"}'),
        ('{"a": "x", "b": ", }", "c": [1, ], }', '{"a": "x", "b": ", }", "c": [1]}'),
        ('{"a": "open, ]', '{"a": "open, ]'),
        ('{"a": "open, ]\\', '{"a": "open, ]\\'),
        (",]", "]"),
    ],
)
def test_commas_before_a_bracket_go_and_those_in_texts_stay(text: str, mended: str) -> None:
    assert without_trailing_commas(text) == mended


@pytest.mark.parametrize(
    ("text", "stays_as_it_is"),
    [
        ('{"file_name": "a.png", "text": "1234567890123456", "n": [1.5, null]}\n', False),
        ('{"file_name": "a.png", "text": "a cat"}\n{"file_name": "b.png"}\n', True),
        ('{"file_name": "a.png", "n": NaN}\n', True),
        ('{"file_name": "a.png"}', False),
        ('{"file_name": "a.png"}\n\n{"file_name": "b.png"}\n', False),
        ('{"file_name": "a.png"} {"file_name": "b.png"}\n', False),
        ('{"file_name": "a.png"}\xa0\n', False),
        ('{"file_name": "a.png", "n": 1, "n": 2}\n', False),
        ('{"a.png": "a cat"}\n', False),
        ('{"file_name": "a.png",\r"n": 1}\n', False),
    ],
)
def test_plain_lines_are_known_to_be_written_as_they_stand(text: str, stays_as_it_is: bool) -> None:
    data = text.encode()
    found = parse_metadata(Entry("metadata.jsonl", len(data), 0), data)
    assert stays(data, found) is stays_as_it_is
    if stays_as_it_is:
        records = read_jsonl(text, "metadata.jsonl", False, found)
        assert Table("metadata.jsonl", None, "jsonl", records).render() == data


@pytest.mark.parametrize(
    "values",
    [
        {"file_name": "a.png", "text": 'so "now"\\ \n\t\x00\x7f'},
        {"é“": "\u2028 \ud83d \U0001f600", "": ""},
        {},
        {"a": "x", "n": 1.5, "b": [None, {"c": "é"}]},
    ],
)
def test_a_record_is_written_as_json_has_it(values: dict[str, object]) -> None:
    table = Table("metadata.jsonl", None, "jsonl", [Record(values)])
    wanted = json.dumps(values, ensure_ascii=False) + "\n"
    assert table.render() == wanted.encode("utf-8", "backslashreplace")


def test_commas_without_end_take_no_time() -> None:
    text = '{"a": [' + ", " * 100_000 + 'x ]" ' + '"' * 10_001 + "]"
    begun = time.process_time()
    assert repair(text) is None
    assert time.process_time() - begun < 2


def test_what_was_read_is_not_read_again() -> None:
    data = b'{"file_name": "1.png", "text": "a "b" c"}\n{"file_name": "2.png"}\n'
    known = parse_metadata(Entry("metadata.jsonl", len(data), 0), data)
    assert known_or_read("metadata.jsonl", data, known) is known
    assert known_or_read("metadata.jsonl", data + b"\n", known) is not known
    assert known_or_read("other/metadata.jsonl", data, known) is not known
    again = read_jsonl(data.decode(), "metadata.jsonl", False, known)
    assert [r.values for r in again] == [
        record.values for record in read_jsonl(data.decode(), "metadata.jsonl", False)
    ]
    assert again[0].values == {"file_name": "1.png", "text": 'a "b" c'}
