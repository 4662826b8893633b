"""A project of sd-scripts becomes one of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hubtools.dataset.validate import validate_project
from hubtools.journey.init import init
from hubtools.journey.kohya import read_kohya
from hubtools.project import load_project
from tests.typed import typed

Draw = Callable[..., Path]


@pytest.fixture
def kohya(tmp_path: Path, draw_pictures: Draw) -> Path:
    """Pictures to learn and of the class, samples, logs, weights."""
    root = tmp_path / "kohya"
    draw_pictures(root / "img" / "10_zwx dog", 3)
    draw_pictures(root / "img" / "2_zwx dog", 1)
    draw_pictures(root / "reg" / "1_dog", 2)
    draw_pictures(root / "model" / "sample", 2)
    for folder in (root / "img").iterdir():
        for path in folder.glob("metadata*"):
            path.unlink()
    for path in root.rglob("metadata*"):
        path.unlink()
    (root / "model" / "last.safetensors").write_bytes(b"x")
    first = sorted((root / "img" / "10_zwx dog").glob("*.png"))[0]
    first.with_suffix(".txt").write_text("zwx dog, sitting")
    sorted((root / "img" / "10_zwx dog").glob("*.png"))[1].with_suffix(".caption").write_text(
        "zwx dog, running"
    )
    return root


def test_it_is_taken_over(kohya: Path, tmp_path: Path) -> None:
    made = init(tmp_path / "ours", source=kohya)
    assert (made.source, made.pictures, made.without_caption) == ("kohya", 4, ())
    (left,) = made.left
    assert "model" in left
    project = load_project(tmp_path / "ours")
    assert project.dataset.trigger == "zwx"
    assert project.dataset.class_noun == "dog"
    assert project.dataset.picture_repeats == {"img/10_zwx dog/*": 10, "img/2_zwx dog/*": 2}
    assert project.train.with_prior_preservation
    lines = (tmp_path / "ours" / "dataset" / "metadata.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    captions = [row["text"] for row in rows]
    assert captions == ["zwx dog, sitting", "zwx dog, running", "zwx dog", "zwx dog"]
    assert len(list((tmp_path / "ours" / "dataset").rglob("*.png"))) == 4
    assert project.train.class_data_dir == "class"
    lines = (tmp_path / "ours" / "class" / "metadata.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["dog", "dog"]
    assert len(list((tmp_path / "ours" / "class").rglob("*.png"))) == 2
    assert "D120" not in {finding.rule for finding in validate_project(project).findings}


def test_the_command_says_what_was_left(kohya: Path, tmp_path: Path) -> None:
    done = typed("init", "ours", "--from", kohya, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 pictures of the class" in done.stdout


@pytest.mark.parametrize(
    "names",
    [
        ["a.png", "b.png"],
        ["photos/2024/a.png"],
        ["2024_summer/deep/er/a.png", "x.png"],
        ["reg/1_dog/a.png"],
        ["10_italy/a.png", "11_france/a.png"],
        ["01_italy/a.png"],
        ["2024_summer/a.png"],
    ],
)
def test_other_folders_are_none(names: list[str]) -> None:
    assert read_kohya(names) is None


def test_captions_beside_tell_sets_from_journeys() -> None:
    names = ["10_zwx dog/a.png", "5_zwx dog/b.png"]
    assert read_kohya(names, [*names, "10_zwx dog/a.txt"]) is not None


def test_the_folder_of_sets_itself_is_one() -> None:
    found = read_kohya(["1_sks person/a.png", "1_sks person/b.png"])
    assert found is not None
    assert found.settings == {"trigger": "sks", "class_noun": "person"}


def test_a_folder_that_only_begins_as_one_of_classes_does() -> None:
    found = read_kohya(["img/10_zwx dog/a.png", "regina/5_regina woman/b.png", "reg_2/1_dog/c.png"])
    assert found is not None
    assert set(found.sets) == {"img/10_zwx dog", "regina/5_regina woman"}
    assert found.classes == {"reg_2/1_dog": (1, "dog")}
