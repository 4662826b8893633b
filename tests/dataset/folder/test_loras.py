"""The folder of a LoRA is no dataset, whatever pictures its card has."""

from __future__ import annotations

from pathlib import Path

import pytest

from hubtools.dataset.folder.loras import holds_lora
from hubtools.journey.init import init
from hubtools.project import load_project
from tests.typed import typed


@pytest.mark.parametrize(
    ("names", "is_lora"),
    [
        ("my.safetensors README.md images/0.png", True),
        ("my.safetensors my.png my.preview.png", True),  # as Civitai and web UIs name them
        ("run.json hubtools.toml samples/0.png", True),
        ("my.safetensors", True),
        ("my.safetensors images/0.png images/0.txt", False),
        ("my.safetensors images/0.png images/metadata.jsonl", False),
        ("my.safetensors cat.png", False),
        ("my.safetensors hubtools.toml dataset/0.png", False),
        ("README.md images/0.png", False),
        ("0.png", False),
    ],
)
def test_a_folder_of_a_lora(tmp_path: Path, names: str, is_lora: bool) -> None:
    for name in names.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert holds_lora(tmp_path) is is_lora


@pytest.mark.parametrize(
    "words",
    [
        ("validate",),
        ("caption", "--template", "x"),
        ("fix",),
        ("init", "new", "--from"),
        ("train", "--base-model", "tiny-people", "--dry-run", "--path"),
    ],
)
def test_what_is_for_pictures_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / "run"
    (folder / "samples").mkdir(parents=True)
    for name in ("run.json", "hubtools.toml", "samples/0.png"):
        (folder / name).touch()
    done = typed(*words, "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "run is the folder of a LoRA, and no dataset" in done.stderr
    assert "`hubtools inspect run`" in done.stderr
    assert "in samples, name that folder" in done.stderr


def test_a_project_that_is_made_around_a_lora_has_no_pictures_yet(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("my.safetensors", "my.png", "images/0.png"):
        (tmp_path / name).touch()
    assert init(tmp_path).pictures == 0
    assert load_project(tmp_path).dataset.path == "dataset"
