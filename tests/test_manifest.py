"""`run.json` with what a person has written into it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubtools.manifest import RunManifest
from tests import watched


@pytest.mark.parametrize("mine", ["key", "inner key", "value", "word", "broken"])
def test_what_a_person_has_written_is_kept_and_told(tmp_path: Path, mine: str) -> None:
    manifest, told = watched.manifest(), list[str]()
    for _ in range(2):
        manifest.write(tmp_path, told.append)
    path = tmp_path / "run.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts, indent=1))  # the same in another form
    manifest.write(tmp_path, told.append)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    if mine == "value":
        facts["name"] = "the best of three"
    else:
        inner = {"inner key": facts["dataset"], "word": facts["versions"]}
        inner.get(mine, facts)["mine"] = "the best of three"
    text = json.dumps(facts, indent=1)[: -3 if mine == "broken" else None]
    path.write_text(text)
    for _ in range(2):
        manifest.write(tmp_path, told.append)
    (kept,) = (tmp_path / ".hubtools" / "replaced").rglob("run.json")
    assert (kept.read_text(), len(told)) == (text, 1)
    assert RunManifest.read(tmp_path) == manifest


def test_one_of_an_earlier_version_is_not_taken_for_changed(tmp_path: Path) -> None:
    manifest, told = watched.manifest(), list[str]()
    (tmp_path / "run.json").write_text(manifest.model_dump_json())
    for _ in range(2):
        manifest.write(tmp_path, told.append)
    assert (told, [path.name for path in tmp_path.iterdir()]) == ([], ["run.json"])
