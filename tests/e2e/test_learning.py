"""A LoRA trained on the built-in example has learned what it was taught, and forgot little; a
trainer that is broken on purpose does not pass."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch

from hubtools.evaluation.result import Evaluation
from hubtools.evaluation.run import evaluate
from hubtools.journey.demo import SETTINGS
from hubtools.journey.example import CHARACTER, HELD_OUT, SHOTS, write_example
from hubtools.models.families.stable_diffusion import StableDiffusionModel
from hubtools.project import Project
from hubtools.tinypeople import MEASURED_MARKS, MODEL, SURE, is_tiny_people, load_classifier
from hubtools.training.encode import EncodedDataset
from hubtools.training.train import train
from hubtools.world import draw, sample

pytestmark = pytest.mark.slow

# Shares of pictures: with the trigger, on the base, without the trigger; and what may be lost.
SEEN, ON_BASE, UNASKED, LOST = 0.80, 0.05, 0.10, 0.10


def failures(found: Evaluation) -> list[str]:
    """What of "it has learned" does not hold of the last candidate."""
    base, lora = found.candidates[0], found.candidates[-1]

    def mean(candidate: Any, name: str) -> float:
        value = {**candidate.figures, **candidate.attributes}[name].mean
        assert value is not None
        return float(value)

    wrong = []
    for mark in MEASURED_MARKS:
        if mean(lora, mark) < SEEN:
            wrong.append(f"{mark} not learned")
        if max(mean(base, mark), mean(base, f"{mark}_unasked")) > ON_BASE:
            wrong.append(f"{mark} seen on the base")
        if mean(lora, f"{mark}_unasked") > UNASKED:
            wrong.append(f"{mark} shows unasked")
    for name in ("background", "view", "background (plain)", "view (plain)"):
        if mean(base, name) - mean(lora, name) > LOST:
            wrong.append(f"forgot {name}")
    return wrong


def test_the_detector_sees_the_marks_of_the_subject_and_on_nobody_else() -> None:
    marks = load_classifier("marks")
    subject = [draw(shot.scene(), 128) for shot in (*SHOTS, *HELD_OUT)]
    rng = random.Random(9)
    for _ in range(171):
        scene = sample(rng).scene()
        character = replace(CHARACTER, skin=scene.character.skin)
        subject.append(draw(replace(scene, character=character), 128))
    seen = marks.read(subject)
    others = marks.read([draw(sample(rng).scene(), 128) for _ in range(200)])
    for mark in MEASURED_MARKS:
        assert (seen[mark][:, 1] > SURE).mean() >= 0.95, mark
        assert (others[mark][:, 1] > SURE).mean() <= 0.05, mark


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's pictures, and beside them `few` of them to take the loss of."""
    folder = tmp_path_factory.mktemp("example") / "dataset"
    few = folder.parent / "few"
    few.mkdir()
    for path in write_example(folder)[:2]:
        shutil.copy2(path, few)
    rows = (folder / "metadata.jsonl").read_text().splitlines(keepends=True)
    (few / "metadata.jsonl").write_text("".join(rows[:2]))
    return folder


def project_in(folder: Path, data: Path, steps: int) -> Project:
    """The demo's project without publishing, made short: batches of half its size, one picture a
    prompt, in fewer steps, the loss of few, and no pictures of others beside the subject's."""
    assert is_tiny_people(MODEL)
    settings = {name: dict(content) for name, content in SETTINGS.items()}
    settings["dataset"] = {
        "path": str(data), "caption_column": "prompt",
        "trigger": "(lora-misato-token)",
    }  # fmt: skip
    settings["train"] |= {
        "pretrained_model_name_or_path": str(MODEL), "output_dir": str(folder / "run"),
        "validation_steps": 0, "max_train_steps": steps, "with_prior_preservation": False,
        "train_batch_size": 2, "num_threads": 1,
    }  # fmt: skip
    settings["samples"] |= {"steps": 8}
    settings["evaluate"] |= {
        "num_images": 1, "held_out": str(data.parent / "few"),
        "picture_encoder": "efficientnet-lite0",
    }  # fmt: skip
    return Project.model_validate(settings)


def wrong_target(patch: pytest.MonkeyPatch) -> None:
    """The loss asks for the clean latents where the model predicts the noise."""
    right = StableDiffusionModel.noised

    def noised(self: Any, latents: Any, noise: Any, when: Any) -> Any:
        return replace(right(self, latents, noise, when), target=latents)

    patch.setattr(StableDiffusionModel, "noised", noised)


def no_gradient(patch: pytest.MonkeyPatch) -> None:
    """The LoRA takes no part in the forward pass that is differentiated."""
    right = StableDiffusionModel.predict

    def predict(self: Any, noised: Any, texts: Any) -> Any:
        if not torch.is_grad_enabled():
            return right(self, noised, texts)
        self.denoiser.disable_adapters()
        answer = right(self, noised, texts)
        self.denoiser.enable_adapters()
        # a graph to go back through, with nothing in it
        nothing = sum(p.sum() * 0 for n, p in self.denoiser.named_parameters() if "lora_" in n)
        return answer + nothing

    patch.setattr(StableDiffusionModel, "predict", predict)


def shuffled_captions(patch: pytest.MonkeyPatch) -> None:
    """Every picture is trained with the caption of another one."""
    right = EncodedDataset.__call__

    def encoded(self: Any, item: int, chosen: Any) -> Any:
        other = (item * 5 + 8) % len(self.pictures)
        return right(self, item, chosen)[0], right(self, other, chosen)[1]

    patch.setattr(EncodedDataset, "__call__", encoded)


def trained_by(
    mutate: Callable[[pytest.MonkeyPatch], None], project: Project, patch: pytest.MonkeyPatch
) -> None:
    with patch.context() as within:
        mutate(within)
        train(project)


# The demo is what a sound trainer reaches with all its steps (test_demo). These are far off long
# before: noise is drawn, which any two prompts show, or prompts mean something else.
@pytest.mark.parametrize(
    ("mutate", "steps", "prompts", "sign"),
    [(wrong_target, 15, 2, "forgot"), (shuffled_captions, 80, 4, "forgot background")],
)
def test_a_broken_trainer_fails(
    mutate: Callable[[pytest.MonkeyPatch], None],
    steps: int,
    prompts: int,
    sign: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = project_in(tmp_path, data, steps)
    project.evaluate.prompts = project.evaluate.prompts[:prompts]
    trained_by(mutate, project, monkeypatch)
    wrong = failures(evaluate(project))
    assert any(sign in reason for reason in wrong), wrong


def test_a_trainer_without_gradient_changes_nothing_at_all(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it trains: its LoRA adds zero, and draws the base's pictures bit for bit."""
    project = project_in(tmp_path, data, 2)
    project.evaluate.prompts = project.evaluate.prompts[:2]  # what is equal is so in each
    trained_by(no_gradient, project, monkeypatch)
    found = evaluate(project)  # base and LoRA in batches of one size: no rounding differs
    assert failures(found) == [f"{mark} not learned" for mark in MEASURED_MARKS]
    base, lora = found.candidates[0], found.candidates[-1]
    means = [{name: f.mean for name, f in one.figures.items()} for one in (base, lora)]
    assert means[0] == means[1]
