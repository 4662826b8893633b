"""A LoRA trained on a base of flow matching that knows drawn people has learned the example's
subject, by the losses of its pictures; a trainer that is broken on purpose does not pass.

The base does not draw well enough for the subject to be found in pictures (its card says what
it does), as the learning test of the UNet demands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers import ZImagePipeline  # noqa: E402

from hubtools.journey.example import HELD_OUT, SHOTS, TRIGGER, Shot  # noqa: E402
from hubtools.models.families.z_image import ZImageModel  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.tinypeople import load_classifier  # noqa: E402
from hubtools.training.encode import EncodedDataset  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from hubtools.world import ATTRIBUTES, draw  # noqa: E402
from tests import tinyflow  # noqa: E402

pytestmark = pytest.mark.slow

# How much lower its pictures' loss must be, and that of others of the subject where noise hides
# most of them; how many backgrounds may be lost.
LEARNED, HELD, LOST = 0.10, 0.02, 0.10
SEEN = [shot for shot in SHOTS if shot.framing == "portrait"]
UNSEEN = [shot for shot in HELD_OUT if shot.framing == "portrait"]
_BLOCKS = ("to_q", "to_k", "to_v", "to_out.0", "w1", "w2", "w3")


class Known(NamedTuple):
    """Losses: of pictures with their own captions and with those of others, and, where there is
    much noise, of held-out pictures of the subject."""

    own: float
    others: float
    held_out: float

    @property
    def read(self) -> float:
        """What it is worth to be told what is on a picture, as a share of its loss."""
        return self.others / self.own - 1


def picture(shot: Shot) -> Any:
    """At the size that the base draws in."""
    return draw(shot.scene(), 128)


@torch.no_grad()
def losses(pipeline: Any, shots: Sequence[Shot], moments: Sequence[float], turn: int = 0) -> float:
    """How far answers are from noise minus picture, by the pipeline's own parts; `turn`: with the
    captions of others, so many places on."""
    pixels = torch.from_numpy(np.stack([np.asarray(picture(shot)) for shot in shots]))
    latents = pipeline.vae.encode(pixels.permute(0, 3, 1, 2) / 127.5 - 1).latent_dist.mean
    latents = latents * pipeline.vae.config.scaling_factor
    captions = [shot.caption for shot in (*shots[turn:], *shots[:turn])]
    told = pipeline.encode_prompt(captions, "cpu", False)[0]
    generator, found = torch.Generator().manual_seed(0), []
    for s in moments:
        noise = torch.randn(latents.shape, generator=generator)
        noisy = list(((1 - s) * latents + s * noise).unsqueeze(2))
        clock = torch.full((len(latents),), 1 - s)
        answer = torch.stack(pipeline.transformer(noisy, clock, told, return_dict=False)[0])
        found.append((-answer.squeeze(2) - (noise - latents)).pow(2).mean())
    return float(torch.stack(found).mean())


def known(pipeline: Any) -> Known:
    """What a pipeline knows of the subject."""
    moments = (0.5, 0.9)
    return Known(
        losses(pipeline, SEEN, moments),
        losses(pipeline, SEEN, moments, turn=7),
        losses(pipeline, UNSEEN, (0.8, 0.9)),
    )


def failures(base: Known, lora: Known) -> list[str]:
    """What of "it has learned" does not hold."""
    wrong = []
    if lora.own > base.own * (1 - LEARNED):
        wrong.append("pictures not learned")
    if lora.held_out > base.held_out * (1 - HELD):
        wrong.append("subject not learned")
    if lora.read < base.read:
        wrong.append("captions mean less")
    return wrong


def backgrounds(pipeline: Any) -> float:
    """The share of pictures, one a held-out shot, whose background is what was asked for."""
    captions = [shot.caption for shot in UNSEEN]
    pictures = pipeline(
        captions, width=128, height=128, num_inference_steps=12, guidance_scale=3.0,
        generator=[torch.Generator().manual_seed(number) for number in range(len(captions))],
    ).images  # fmt: skip
    read = load_classifier().read(pictures)["background"].argmax(1)
    asked = [ATTRIBUTES["background"].index(shot.background) for shot in UNSEEN]
    return float((read == asked).mean())


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipeline's folder."""
    return tinyflow.build(tmp_path_factory.mktemp("flow") / "base")


def opened(base: Path, project: Project | None = None) -> Any:
    """Stock diffusers' pipeline, with what a project has trained."""
    pipeline = ZImagePipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    if project is not None:
        pipeline.load_lora_weights(str(project.run_dir))
    return pipeline


@pytest.fixture(scope="module")
def before(base: Path) -> Known:
    """What the base knows by itself."""
    return known(opened(base))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's portraits."""
    folder = tmp_path_factory.mktemp("flow-data")
    rows = []
    for shot in SEEN:
        picture(shot).save(folder / shot.file)
        rows.append({"file_name": shot.file, "prompt": shot.caption})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def project_in(folder: Path, base: Path, data: Path, steps: int) -> Project:
    """The training of a run in `folder`."""
    return Project.model_validate(
        {
            "dataset": {"path": str(data), "caption_column": "prompt", "trigger": TRIGGER},
            "train": {
                "pretrained_model_name_or_path": str(base),
                "output_dir": str(folder / "run"),
                "resolution": 128,
                "train_batch_size": 4,
                "max_train_steps": steps,
                "learning_rate": 3e-3,
                "rank": 16,
                "target_modules": list(_BLOCKS),
                "caption_dropout": 0.0,
                "validation_steps": 0,
                "num_threads": 1,
            },
            "model": {"repo": "me/flow"},
        }
    )


def test_a_sound_trainer_teaches_the_subject(
    base: Path, data: Path, before: Known, tmp_path: Path
) -> None:
    project = project_in(tmp_path, base, data, 70)
    train(project)
    pipeline = opened(base, project)
    assert failures(before, known(pipeline)) == []
    assert backgrounds(pipeline) >= backgrounds(opened(base)) - LOST


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


def shuffled_captions(patch: pytest.MonkeyPatch) -> None:
    """Every picture is trained with the caption of another one."""
    right = EncodedDataset.__call__

    def encoded(self: Any, item: int, chosen: Any) -> Any:
        other = (item * 5 + 8) % len(self.pictures)
        return right(self, item, chosen)[0], right(self, other, chosen)[1]

    patch.setattr(EncodedDataset, "__call__", encoded)


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


@pytest.mark.parametrize(
    ("mutate", "steps", "sign"),
    [
        (wrong_sign, 8, "pictures not learned"),
        (wrong_clock, 8, "pictures not learned"),
        (shuffled_captions, 30, "captions mean less"),
        (no_gradient, 2, "pictures not learned"),
    ],
)
def test_a_broken_trainer_fails(
    mutate: Callable[[pytest.MonkeyPatch], None],
    steps: int,
    sign: str,
    base: Path,
    data: Path,
    before: Known,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = project_in(tmp_path, base, data, steps)
    with monkeypatch.context() as within:
        mutate(within)
        train(project)
    after = known(opened(base, project))
    assert sign in failures(before, after), (before, after)
    if mutate is no_gradient:  # however long it trains
        assert after == before
    elif mutate is not shuffled_captions:  # it goes the wrong way, and does so from the beginning
        assert after.own > before.own, (before, after)
