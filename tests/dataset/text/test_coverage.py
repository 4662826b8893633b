"""Which shots captions and columns tell of, and how a plan of them is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from hubtools.dataset.text.coverage import Shot, cover, read_shot
from hubtools.dataset.validate import validate
from hubtools.findings import Severity
from hubtools.journey.example import SHOTS
from hubtools.project import load_project, schema
from hubtools.project_file import to_toml
from hubtools.settings import DatasetSettings
from hubtools.shotplan import SUBJECT
from hubtools.world.captions import WORDINGS

ROUND = "three_quarter"


@pytest.mark.parametrize(
    ("text", "shot"),
    [
        ("photo of (tok), right side profile, high quality", Shot("profile", "right", "")),
        ("3/4 view facing left", Shot(ROUND, "left", "")),
        ("three-quarter view from the left, right hand raised", Shot(ROUND, "left", "")),
        ("a three quarter portrait, from the right", Shot(ROUND, "", "portrait")),
        ("half-profile from the left", Shot(ROUND, "left", "")),
        ("turned slightly to the right, smiling", Shot(ROUND, "right", "")),
        ("a portrait of tok looking out of the left window", Shot("", "", "portrait")),
        ("profile picture of tok", Shot()),
        ("tok seen from behind, left hand up", Shot("back", "", "")),
        ("front-facing full-length shot", Shot("front", "", "full_body")),
        ("full body portrait, front view", Shot("front", "", "full_body")),
        ("waist-up, facing the camera", Shot("front", "", "upper_body")),
        ("three-quarter length portrait", Shot("", "", "upper_body")),
        ("passport style head shot", Shot("front", "", "portrait")),
        ("left_profile", Shot("profile", "left", "")),
        ("the front door, a cat in front of it", Shot()),
        ("a high-profile lawyer's backpack", Shot()),
    ],
)
def test_words_of_captions(text: str, shot: Shot) -> None:
    assert read_shot(text) == shot


def test_words_of_the_drawn_world() -> None:
    for view, wordings in WORDINGS["view"].items():
        for words in wordings:
            kind, _, side = view.partition(" ")
            wanted = {"three-quarter": (ROUND, side), "front": ("front", "")}
            found = read_shot(f"a person, {words}, holding a ball in the right hand")
            assert found[:2] == wanted.get(kind, ("profile", kind)), words


def test_the_example_meets_the_plan_for_subjects() -> None:
    entries, unplanned = cover(SUBJECT, [(shot.file, shot.caption, ()) for shot in SHOTS])
    assert [len(entry.pictures) for entry in entries] == [4, 4, 4, 4, 5]
    assert not any(entry.missing or entry.surplus for entry in entries)
    assert not unplanned


def test_columns_come_before_captions() -> None:
    plan = {
        "left_profile": "1",
        "portrait": "1",
        "full_body": "1",
        "night_shot": "1",
        "from_above": "1",
    }
    pictures = [
        ("a", "front view", ["left profile"]),
        ("b", "left profile", ["Front", "head shot"]),
        ("c", "front view, full body", ["front"]),
        ("d", "in the dark", ["Night shot"]),
        ("e", "tok, from above", []),
        ("f", "tok", ["", "3"]),
        ("a", "once more", ["left profile"]),
    ]
    entries, unplanned = cover(plan, pictures)
    assert {entry.name: entry.pictures for entry in entries} == {
        "left_profile": ("a",),
        "portrait": ("b",),
        "full_body": ("c",),
        "night_shot": ("d",),
        "from_above": ("e",),
    }
    assert unplanned == ("f",)


def test_names_by_which_a_shot_goes() -> None:
    pictures = [("a", "right profile", ()), ("b", "full length", ()), ("c", "rear view", ())]
    for name, picture in (("side", "a"), ("profile_right", "a"), ("fullbody", "b"), ("rear", "c")):
        (entry,), _ = cover({name: "1"}, pictures)
        assert entry.pictures == (picture,), name


@pytest.mark.parametrize(
    ("written", "plan"),
    [
        ("subject", SUBJECT),
        ("portrait=3..4, Full-body = 2..", {"portrait": "3..4", "full_body": "2.."}),
        (
            {"portrait": 3, "back view": "..2", "profile": "3-4"},
            {"portrait": "3", "back_view": "0..2", "profile": "3..4"},
        ),
        ("portrait=3..3", {"portrait": "3"}),
        ("", {}),
    ],
)
def test_ways_to_write_a_plan(tmp_path: Path, written: object, plan: dict[str, str]) -> None:
    settings = DatasetSettings.model_validate({"plan": written})
    assert settings.plan == plan
    (tmp_path / "hubtools.toml").write_text(to_toml({"dataset": {"plan": settings.plan}}))
    assert load_project(tmp_path).dataset.plan == plan


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("tutorial", "must be subject, or name = range"),
        ("portrait=many", "for portrait"),
        ({"portrait": "4..3"}, "for portrait, not '4..3'"),
        ({"portrait": True}, "not True"),
        ({"--": 3}, "without letters"),
        (3, "dictionary"),
    ],
)
def test_mistakes_in_a_plan(written: object, words: str) -> None:
    with pytest.raises(ValidationError, match="plan") as caught:
        DatasetSettings.model_validate({"plan": written})
    assert words in str(caught.value)


def test_the_schema_knows_both_ways() -> None:
    assert "anyOf" in json.dumps(schema()["$defs"]["DatasetSettings"]["properties"]["plan"])


def test_what_the_report_says(good: Path, settings: DatasetSettings) -> None:
    rows = [
        {"file_name": "0.png", "text": "(tok), front view", "view": "left profile"},
        {"file_name": "1.png", "text": "(tok), left side view", "view": ""},
        {"file_name": "2.png", "text": "(tok), a hat", "view": ""},
    ]
    (good / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = settings.model_copy(update={"plan": {"profile": "..1", "back": "2.."}})
    report = validate(good, plan, resolution=64)
    assert report.facts["coverage"] == [
        {"name": "profile", "low": 0, "high": 1, "found": 2, "pictures": ["0.png", "1.png"]},
        {"name": "back", "low": 2, "high": None, "found": 0, "pictures": []},
    ]
    assert report.facts["unplanned"] == ["2.png"]
    told = [(f.severity, f.message) for f in report.findings if f.rule == "D511"]
    assert [severity for severity, _ in told] == [Severity.INFO, Severity.WARNING, Severity.INFO]
    assert told[1][1] == "no picture of back, and the plan wants 2 or more"
    other = validate(good, plan.model_copy(update={"view_column": "text"}), resolution=64)
    assert other.facts["coverage"][0]["pictures"] == ["1.png"]
    assert "coverage" not in validate(good, settings, resolution=64).facts
