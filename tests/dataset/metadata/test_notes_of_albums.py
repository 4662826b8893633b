"""Notes of photo services beside the pictures are no metadata of a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hubtools.dataset.validate import validate
from tests.drawing import write_pictures


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("metadata.json", {"title": "Holiday", "date": {"timestamp": "1"}}, False),
        ("picture0.png.supplemental-metadata.json", {"title": "picture0.png"}, False),
        ("picture0.png.suppl.json", [{"title": "picture0.png"}], False),
        ("metadata.json", [{"file_name": "picture0.png", "text": "a"}], True),
        ("metadata.json", {"image": "picture0.png"}, True),
        ("metadata.json", [{"text": "a"}, {"text": "b"}], True),
        ("metadata.json", {"picture0.png": {"caption": "a"}}, True),
        ("captions.json", {"title": "Holiday"}, True),
        ("notes.json", [{"title": "picture0.png"}], True),
    ],
)
def test_what_is_a_table_of_pictures(tmp_path: Path, name: str, content: Any, told: bool) -> None:
    write_pictures(tmp_path, 2, size=(16, 16))
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / name).write_text(json.dumps(content))
    rules = {finding.rule for finding in validate(tmp_path, select=("D113", "D120")).findings}
    assert ("D113" in rules) == told
    assert "D120" in rules


def test_captions_beside_pictures_are_counted_without_notes_of_an_album(tmp_path: Path) -> None:
    write_pictures(tmp_path, 3, size=(16, 16))
    (tmp_path / "metadata.jsonl").unlink()
    for name in ("picture0.txt", "picture1.png.txt", "other.txt"):
        (tmp_path / name).write_text("a cat")
    notes = {"photoTakenTime": {"timestamp": "1"}, "geoData": {"latitude": 48.1}}
    (tmp_path / "picture2.png.json").write_text(json.dumps(notes))
    (finding,) = validate(tmp_path, select=("D120",)).findings
    assert finding.message.startswith(
        "the captions of 2 of 3 pictures are in 2 files beside them (picture0.txt, "
    )
