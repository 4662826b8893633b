"""A LoRA trained on a base of flow matching that knows drawn people has learned the example's
subject and forgot little, by the pictures that it draws; a trainer that is broken on purpose does
not pass. It is the learning test of the UNet (`test_learning`) for another family."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from test_learning import failures, shuffled_captions

from hubtools.evaluation import run as evaluating
from hubtools.evaluation.result import Evaluation
from hubtools.evaluation.run import evaluate
from hubtools.journey.demo import SETTINGS
from hubtools.journey.example import HELD_OUT, SHOTS, TRIGGER, Shot
from hubtools.models.families.z_image import ZImageModel
from hubtools.project import Project
from hubtools.tinypeople import MEASURED_MARKS
from hubtools.training.train import train
from hubtools.world import draw
from tests import tinyflow

pytestmark = pytest.mark.slow

_BLOCKS = ("to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline's folder."""
    return tinyflow.build(tmp_path_factory.mktemp("flow") / "base")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's portraits, at the size that the base draws in; beside them `few` that are not
    trained on."""
    folder = tmp_path_factory.mktemp("flow") / "data"
    write(folder, [shot for shot in SHOTS if shot.framing == "portrait"])
    write(folder.with_name("few"), HELD_OUT[:2])
    return folder


def write(folder: Path, shots: Sequence[Shot]) -> None:
    """A dataset of these pictures."""
    folder.mkdir()
    for shot in shots:
        draw(shot.scene(), 128).save(folder / shot.file)
    rows = [json.dumps({"file_name": shot.file, "prompt": shot.caption}) for shot in shots]
    (folder / "metadata.jsonl").write_text("\n".join([*rows, ""]))


def project_in(folder: Path, base: Path, data: Path, steps: int, prompts: int = 8) -> Project:
    """The training of a run in `folder`, and what is drawn of it."""
    return Project.model_validate(
        {
            "dataset": {
                "path": str(data), "caption_column": "prompt", "trigger": TRIGGER,
                "class_noun": "a woman",
            },
            "train": {
                "pretrained_model_name_or_path": str(base),
                "output_dir": str(folder / "run"),
                "resolution": 128,
                "train_batch_size": 2,
                "max_train_steps": steps,
                "learning_rate": 3e-3,
                "lr_scheduler": "constant",
                "lr_warmup_steps": 0,
                "rank": 16,
                "target_modules": list(_BLOCKS),
                "caption_dropout": 0.0,
                "validation_steps": 0,
                "num_threads": 1,
            },
            "samples": {"seed": 1234567, "steps": 8, "guidance": 3.0, "size": 128},
            "evaluate": {
                "prompts": SETTINGS["evaluate"]["prompts"][:prompts], "num_images": 1,
                "held_out": str(data.with_name("few")),
                "picture_encoder": "efficientnet-lite0",
            },
            "model": {"repo": "me/flow"},
        }
    )  # fmt: skip


def measured(project: Project, patch: pytest.MonkeyPatch) -> Evaluation:
    """What is seen in pictures of the base and of the LoRA, by the classifiers of tiny people: it
    draws as they do."""
    with patch.context() as within:
        within.setattr(evaluating, "is_tiny_people", lambda folder: True)
        return evaluate(project)


def missed(found: Evaluation) -> list[str]:
    """What of "it has learned" does not hold: `failures`, and that pictures of the subject that it
    has not seen are denoised better than by the base."""
    base, lora = (each.figures["denoising_loss"].mean for each in found.candidates)
    assert base is not None
    assert lora is not None
    return [*failures(found), *(["denoises worse"] if lora > base else [])]


def test_a_sound_trainer_teaches_the_subject(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_in(tmp_path, base, data, 200)
    project.train.learning_rate = 4e-3
    project.train.lr_scheduler = "constant_with_warmup"
    project.train.lr_warmup_steps = 20
    project.train.with_prior_preservation = True
    project.train.prior_loss_weight = 2.0
    project.evaluate.num_images = 2
    train(project)
    assert missed(measured(project, monkeypatch)) == []


def wrong_sign(patch: pytest.MonkeyPatch) -> None:
    """The way from noise to picture is learnt for that from picture to noise."""
    right = ZImageModel.velocity

    def velocity(self: Any, *given: Any) -> Any:
        return -right(self, *given)

    patch.setattr(ZImageModel, "velocity", velocity)


def wrong_clock(patch: pytest.MonkeyPatch) -> None:
    """The denoiser is told that noise is the picture."""
    right = ZImageModel.velocity

    def velocity(self: Any, latents: Any, s: Any, captions: Any) -> Any:
        return right(self, latents, 1 - s, captions)

    patch.setattr(ZImageModel, "velocity", velocity)


def no_gradient(patch: pytest.MonkeyPatch) -> None:
    """The LoRA takes no part in the forward pass that is differentiated."""
    right = ZImageModel.velocity

    def velocity(self: Any, *given: Any) -> Any:
        if not torch.is_grad_enabled():
            return right(self, *given)
        self.denoiser.disable_adapters()
        answer = right(self, *given)
        self.denoiser.enable_adapters()
        # a graph to go back through, with nothing in it
        nothing = sum(p.sum() * 0 for n, p in self.denoiser.named_parameters() if "lora_" in n)
        return answer + nothing

    patch.setattr(ZImageModel, "velocity", velocity)


# These are far off long before they have all the steps of the sound one.
@pytest.mark.parametrize(
    ("mutate", "steps", "prompts", "sign"),
    [
        (wrong_sign, 15, 1, "forgot background"),
        (wrong_clock, 12, 1, "denoises worse"),
        (shuffled_captions, 60, 4, "forgot background"),
        (no_gradient, 2, 1, "not learned"),
    ],
)
def test_a_broken_trainer_fails(
    mutate: Callable[[pytest.MonkeyPatch], None],
    steps: int,
    prompts: int,
    sign: str,
    base: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = project_in(tmp_path, base, data, steps, prompts)
    with monkeypatch.context() as within:
        mutate(within)
        train(project)
    found = measured(project, monkeypatch)
    wrong = missed(found)
    assert any(sign in reason for reason in wrong), wrong
    if mutate is no_gradient:  # however long it trains
        assert wrong == [f"{mark} not learned" for mark in MEASURED_MARKS]
        one, other = ([f.mean for f in c.figures.values()] for c in found.candidates)
        assert one == other
