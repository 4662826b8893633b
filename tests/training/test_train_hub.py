"""Training with base and pictures from a Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("torch")

from hubtools.errors import HubtoolsError
from hubtools.layout import LORA_WEIGHTS
from hubtools.licensing.resolve import license_of_lora
from hubtools.project import Project, load_project
from hubtools.training.train import train

if TYPE_CHECKING:
    from hubtools.localhub.server import Hub

MakeProject = Callable[..., Project]


def weights_of(repo: str) -> list[Path]:
    folder = Path(os.environ["HF_HOME"]) / "hub" / f"models--{repo.replace('/', '--')}"
    return [path for path in folder.rglob("*.safetensors") if path.is_file()]


def test_base_and_pictures_from_the_hub(
    local_hub: Hub, make_project: MakeProject, tiny_base: Path, pictures: Path, tmp_path: Path
) -> None:
    moved = "sd2-community/stable-diffusion-2-tiny"
    local_hub.store.mount("model", moved, tiny_base)
    local_hub.store.mount("dataset", "someone/pictures", pictures)
    project = make_project(
        data=tmp_path / "not-here",
        dataset={"repo": "someone/pictures"},
        pretrained_model_name_or_path="stabilityai/stable-diffusion-2-tiny",
    )
    notes: list[str] = []
    train(project, note=notes.append, dry_run=True)
    assert any(moved in note for note in notes)
    assert not weights_of(moved), "a plan needs no weights"
    manifest = train(project, note=notes.append)
    assert weights_of(moved)
    assert manifest.base_model.id == moved
    assert manifest.dataset.repo == "someone/pictures"
    for commit in (manifest.base_model.revision, manifest.dataset.revision):
        assert commit is not None
        assert len(commit) == 40
    again = load_project(project.run_dir)
    assert again.train.pretrained_model_name_or_path == moved
    assert again.train.revision == manifest.base_model.revision
    assert (again.dataset.repo, again.dataset.revision) == (
        "someone/pictures",
        manifest.dataset.revision,
    )
    # the settings that were written down are those of the same run
    again.train.output_dir = str(project.run_dir)
    again.train.num_threads = 1
    again.dataset.path = str(tmp_path / "not-here")
    assert train(again, note=notes.append).model_dump() == manifest.model_dump()
    assert "is finished already" in notes[-1]


def test_a_run_starts_from_a_lora_of_the_hub(
    local_hub: Hub, make_project: MakeProject, tmp_path: Path
) -> None:
    first = make_project(name="first", max_train_steps=1)
    train(first, skip_validation=True)
    release = tmp_path / "release"
    release.mkdir()
    (first.run_dir / LORA_WEIGHTS).rename(release / LORA_WEIGHTS)
    (release / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\nmine\n")
    local_hub.store.mount("model", "someone/style", release)
    project = make_project(init_from="someone/style", max_train_steps=1)
    notes: list[str] = []
    manifest = train(project, skip_validation=True, note=notes.append)
    start = manifest.started_from
    assert start is not None
    assert (start.repo, start.license) == ("someone/style", "cc-by-nc-4.0")
    assert any(re.search(r"starts from: +someone/style \(pytorch_lora_", note) for note in notes)
    assert load_project(project.run_dir).train.init_from == "someone/style"
    with pytest.raises(HubtoolsError, match="started from someone/style, whose licence cc-by-nc"):
        license_of_lora(
            manifest.model_copy(
                update={"base_model": manifest.base_model.model_copy(update={"license": "mit"})}
            ),
            project.model,
            None,
        )


def test_a_dataset_named_on_the_command_line_wins_over_a_local_folder(
    local_hub: Hub,
    make_project: MakeProject,
    draw_pictures: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from hubtools.cli.main import run

    local_hub.store.mount("dataset", "someone/seven", draw_pictures(tmp_path / "seven", 7))
    draw_pictures(tmp_path / "dataset", 2)
    monkeypatch.chdir(tmp_path)
    base = make_project().train.pretrained_model_name_or_path
    words = [f"--base-model={base}", "--resolution=64", "--dry-run"]

    def images(*more: str) -> str:
        assert run(["train", *words, *more]) == 0
        return capsys.readouterr().err.split(" images x")[0].split()[-1]

    assert images() == "2"
    assert images("--dataset-name=someone/seven") == "7"
    assert images("--dataset-name=someone/seven", "--train-data-dir=dataset") == "2"


def test_a_missing_dataset_is_a_sentence(
    local_hub: Hub, make_project: MakeProject, tmp_path: Path
) -> None:
    from hubtools.hub.errors import as_sentence

    project = make_project(data=tmp_path / "not-here", dataset={"repo": "someone/nothing"})
    caught: Any
    with pytest.raises(Exception, match=r"someone/nothing|404") as caught:
        train(project)
    sentence = as_sentence(caught.value)
    assert sentence is not None
    assert "knows no dataset someone/nothing" in sentence.message
