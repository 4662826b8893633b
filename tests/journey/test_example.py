"""The built-in example: the same everywhere, and without a fault."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from hubtools.dataset.examples import read_examples
from hubtools.dataset.validate import validate
from hubtools.journey.example import write_example
from hubtools.journey.init import init
from hubtools.project import load_project


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("example")
    made = init(root / "project", example=True)
    assert made.pictures == 21
    return root / "project"


def test_it_validates_at_once(example: Path) -> None:
    project = load_project(example)
    report = validate(project.dataset_dir, project.dataset, strict=True)
    assert report.findings == ()


def test_twenty_one_views_of_one_character(example: Path) -> None:
    project = load_project(example)
    examples = read_examples(project.dataset_dir, "prompt")
    assert len(examples) == 21
    for one in examples:
        assert "(lora-misato-token)" in one.caption
        with Image.open(one.image) as picture:
            assert picture.size == (512, 512)
    captions = " ".join(one.caption for one in examples)
    for view in ("portrait", "left", "right", "profile", "full body"):
        assert captions.count(view) >= 3, view


def test_it_is_drawn_the_same_every_time(example: Path, tmp_path: Path) -> None:
    for path in write_example(tmp_path):
        with Image.open(path) as again, Image.open(example / "dataset" / path.name) as first:
            assert again.tobytes() == first.tobytes()


def test_the_example_calls_its_character_as_asked(tmp_path: Path) -> None:
    init(tmp_path / "p", example=True, settings={"dataset": {"trigger": "(tok)"}})
    project = load_project(tmp_path / "p")
    prompts = [*project.samples.prompts, *(tmp_path / "p/dataset/metadata.jsonl").open()]
    assert len(prompts) == 2 + 21
    assert all("(tok)" in one and "misato" not in one for one in prompts)
