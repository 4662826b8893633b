"""What broken records mean."""

from __future__ import annotations

import pytest

from hubtools.dataset.edits.read_jsonl import read_jsonl
from hubtools.dataset.edits.recover import repair
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata import known_or_read, parse_metadata


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
