"""Records that say the same of a picture: one stays, whatever lies between them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubtools.dataset.fix import records
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.fix.run import fix
from hubtools.settings import DatasetSettings

A = {"file_name": "0.png", "text": "(tok) 0, from the front"}
B = {"file_name": "0.png", "text": "(tok) 0, in a hat"}
C = {"file_name": "0.png", "text": "(tok) 0, in a hat", "score": 1}
D = {"file_name": "0.png", "text": "(tok) 0, from the front", "mood": "gay"}


def left(root: Path, settings: DatasetSettings, *given: dict[str, object]) -> list[object]:
    """The records of 0.png after a fix, after which there is nothing to fix in the metadata."""
    name = root / "metadata.jsonl"
    others = [one for one in name.read_text().splitlines() if '"0.png"' not in one]
    name.write_text("\n".join([*map(json.dumps, given), *others, ""]))
    fix(root, settings, select=["D203"], resolution=64)
    second = plan_fix(root, settings, select=["D203"], resolution=64).operations
    assert [op.line for op in second] == []
    found = map(json.loads, name.read_text().splitlines())
    return [one for one in found if one["file_name"] == "0.png"]


def test_a_file_that_is_left_is_left_for_the_reason_that_was_given(
    good: Path, settings: DatasetSettings
) -> None:
    """It would get another name too, and is not given one."""
    (good / "0.png").rename(good / "0?.png")
    name = good / "metadata.jsonl"
    name.write_text(name.read_text().replace('"0.png"', '"0?.png"'))
    assert plan_fix(good, settings, resolution=64).operations
    why = {"0?.png": "it cannot be decoded"}
    assert plan_fix(good, settings, resolution=64, leave=why).left == why


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([A, B, B], [A, B]),
        ([A, B, A, B], [A, B]),
        ([A, B, C], [A, C]),
        ([A, C, B], [A, C]),
        ([A, B, C, D], [C, D]),
        ([B, B, B], [B]),
    ],
)
def test_of_records_that_say_the_same_one_stays(
    good: Path, settings: DatasetSettings, given: list[dict[str, object]], kept: list[object]
) -> None:
    assert left(good, settings, *given) == kept


def test_a_picture_with_many_records_takes_no_time(
    good: Path, settings: DatasetSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is compared with a few: a file of some thousand would take hours else."""
    asked = 0
    real = records.contained

    def counted(one: records.Record, other: records.Record) -> bool:
        nonlocal asked
        asked += 1
        return real(one, other)

    monkeypatch.setattr(records, "contained", counted)
    many = [{"file_name": "0.png", "text": f"(tok) {number}"} for number in range(300)]
    assert left(good, settings, *many, many[250]) == many
    assert asked < 300 * 2 * records.COMPARED * 8
