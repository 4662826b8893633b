"""A project made in the folder of its pictures: what is drawn is no part of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hubtools.layout import LORA_WEIGHTS
from hubtools.project import Project, load_project
from tests.doomed import RENAME, doomed
from tests.drawing import write_pictures
from tests.typed import typed

pytest.importorskip("torch")

from hubtools.localhub.server import Hub

SETTINGS = """
repo = "me/people"
license = "cc0-1.0"
rights = "own"
rights_note = "Mine."
[train]
pretrained_model_name_or_path = "{base}"
output_dir = "{run}"
base_model_repo = "me/base"
resolution = 64
max_train_steps = 2
validation_steps = 1
checkpointing_steps = 1
num_threads = 1
rank = 4
target_modules = ["to_v"]
[model]
license = "cc0-1.0"
[samples]
prompts = ["a man"]
steps = 1
"""


def project_of(folder: Path, base: Path, run: str) -> Project:
    """Its settings are not those of `init`, but for what those say of places."""
    text = '[dataset]\npath = "."\n' + SETTINGS.format(base=base, run=run).lstrip()
    (folder / "hubtools.toml").write_text(text)
    return load_project(folder)


def test_a_run_that_was_killed_goes_on(tmp_path: Path, tiny_base: Path, local_hub: Hub) -> None:
    folder = write_pictures(tmp_path / "me", 3)
    assert typed("init", ".", cwd=folder).returncode == 0
    run = load_project(folder).train.output_dir
    project = project_of(folder, tiny_base, run)
    doomed(RENAME, "step-000002", "train", cwd=folder)
    assert list((project.run_dir / "samples").glob("*.png"))
    assert not (project.run_dir / LORA_WEIGHTS).exists()
    before = typed("validate", "--format", "json", cwd=folder)
    assert json.loads(before.stdout)["facts"]["pictures"] == 3
    again = typed("train", cwd=folder)
    assert again.returncode == 0, again.stderr
    assert (project.run_dir / LORA_WEIGHTS).exists()
    assert typed("generate", "a man", cwd=folder).returncode == 0
    axis = ("grid", "a man", "--x", "seed=1")
    assert typed(*axis, cwd=folder).returncode == 0
    assert typed("validate", cwd=folder).returncode == 0
    assert not [path for path in folder.rglob("*.png") if ".hubtools" not in path.parts][3:]
    card = typed("card", ".", cwd=folder)
    assert card.returncode == 0, card.stderr
    push = ("push", "--dry-run", "--format", "agent")
    dry = typed(*push, ".", "me/people", cwd=folder)
    assert dry.returncode == 0, dry.stderr
    assert "picture0.png\tadd" in dry.stdout
    assert "samples" not in dry.stdout
    lora = typed(*push, run, "me/lora", cwd=folder)
    assert f"{LORA_WEIGHTS}\tadd" in lora.stdout, lora.stderr


@pytest.mark.parametrize("run", ["runs/me", ".", "a/.b/../c"])
@pytest.mark.parametrize("command", [("train",), ("ship", "--until", "prune")])
def test_a_run_in_the_dataset_is_not_begun(
    tmp_path: Path, tiny_base: Path, run: str, command: tuple[str, ...]
) -> None:
    folder = write_pictures(tmp_path / "me", 3)
    project_of(folder, tiny_base, run)
    before = sorted(folder.rglob("*"))
    done = typed(*command, cwd=folder)
    assert done.returncode == 2
    assert "lies in the dataset" in done.stderr
    assert "it to .hubtools/runs/" in " ".join(done.stderr.split())
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("dataset", "place"),
    [(".", ".hubtools/samples"), ("samples", ".hubtools/samples"), ("dataset", "samples")],
)
def test_where_drawn_pictures_go(tmp_path: Path, dataset: str, place: str) -> None:
    (tmp_path / "hubtools.toml").write_text(f'[dataset]\npath = "{dataset}"\n')
    assert load_project(tmp_path).place_for("samples") == tmp_path / place


def test_a_link_to_the_dataset_is_the_dataset(tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(tmp_path)
    (tmp_path / "hubtools.toml").write_text('[dataset]\npath = "here"\n')
    assert load_project(tmp_path).place_for("samples") == tmp_path / ".hubtools/samples"
