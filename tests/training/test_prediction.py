"""What a base predicts is measured on the base itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError  # noqa: E402
from hubtools.journey.example import write_example  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.models.families.noise import (  # noqa: E402
    DDPM,
    EPSILON,
    FLOW,
    V_PREDICTION,
    NoiseOptions,
)
from hubtools.models.families.protocol import family_of  # noqa: E402
from hubtools.models.families.stable_diffusion import StableDiffusionModel  # noqa: E402
from hubtools.models.families.stable_diffusion_xl import StableDiffusionXLModel  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.tinypeople import MODEL  # noqa: E402
from hubtools.training.prediction import Explained, check_prediction, explained  # noqa: E402
from hubtools.training.train import train  # noqa: E402

SCHEDULER = "scheduler/scheduler_config.json"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "example"
    write_example(folder)
    return folder


def base_of(folder: Path, prediction: str) -> Path:
    """The trained base of tiny people, whose scheduler's file says `prediction`."""
    shutil.copytree(MODEL, folder)
    path = folder / SCHEDULER
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": prediction}))
    return folder


def flowing(model: Any, noised: Any, conditions: Any) -> Any:
    """The velocity n - x, by a base that predicts noise: it is shown what lies on the straight line
    at the scale and timestep that it knows so much noise from."""
    s = (noised.timesteps.float() / 1000).view(-1, 1, 1, 1)
    length = ((1 - s) ** 2 + s**2).sqrt()
    alphas = model.noise.alphas
    same = (alphas[None] - ((1 - s) / length).square().view(-1, 1)).abs().argmin(1)
    alpha, seen = alphas[same].view(-1, 1, 1, 1), noised.latents.float() / length
    noise = PREDICT(model, replace(noised, latents=seen, timesteps=same), conditions).float()
    return noise - (seen - (1 - alpha).sqrt() * noise) / alpha.sqrt()


PREDICT = StableDiffusionModel.predict
FLOWS = r"The base predicts a flow, but its scheduler's configuration says "


@pytest.mark.parametrize(
    ("truth", "said", "asked", "words"),
    [
        (EPSILON, EPSILON, None, None),
        (EPSILON, V_PREDICTION, None, "predicts epsilon, but its scheduler's configuration says v"),
        (EPSILON, V_PREDICTION, EPSILON, None),
        (EPSILON, EPSILON, V_PREDICTION, "predicts epsilon, but prediction_type says v_predict"),
        (FLOW, EPSILON, None, FLOWS + EPSILON),
        (FLOW, V_PREDICTION, None, FLOWS + V_PREDICTION),
    ],
)
def test_a_wrong_scheduler_file_stops_before_the_first_step(
    make_project: Callable[..., Project],
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    truth: str,
    said: str,
    asked: str | None,
    words: str | None,
) -> None:
    if truth == FLOW:
        # another base, which its files do not tell: what was measured of the true one is kept
        monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(StableDiffusionModel, "predict", flowing)
    project = make_project(
        data=people,
        pretrained_model_name_or_path=str(base_of(tmp_path / "base", said)),
        dataset={"caption_column": "prompt"},
        resolution=128,
        max_train_steps=1,
        max_train_samples=4,
        prediction_type=asked,
    )
    if words is None:
        assert train(project, skip_validation=True).steps_done == 1
        return
    with pytest.raises(HubtoolsError, match=words) as caught:
        train(project, skip_validation=True)
    hint = "leave prediction_type out" if asked else "--prediction-type epsilon"
    assert str(caught.value.hint).startswith("train on the base" if truth == FLOW else hint)


def test_a_flow_of_sdxls_layout_is_told_by_its_answers(
    make_project: Callable[..., Project],
    tiny_sdxl: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def knowing(model: Any, noised: Any, conditions: Any) -> Any:
        """n - x, by one that knows the picture."""
        seen = noised.latents.float()
        clean = model.latents(conditions.pictures, torch.zeros_like(seen))
        s = (noised.timesteps.float() / 1000).view(-1, 1, 1, 1)
        return (seen - (1 - s) * clean) / s - clean

    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(StableDiffusionXLModel, "predict", knowing)
    project = make_project(pretrained_model_name_or_path=str(tiny_sdxl), max_train_steps=1)
    with pytest.raises(HubtoolsError, match=FLOWS + EPSILON):
        train(project, skip_validation=True)
    assert not (project.run_dir / LORA_WEIGHTS).exists()


def test_a_scheduler_of_flow_matching_beside_a_unet_is_refused(tmp_path: Path) -> None:
    base = base_of(tmp_path / "base", EPSILON)
    said = json.loads((base / SCHEDULER).read_text())
    said["_class_name"] = "FlowMatchEulerDiscreteScheduler"
    (base / SCHEDULER).write_text(json.dumps(said))
    with pytest.raises(HubtoolsError, match=r"a FlowMatchEulerDiscreteScheduler, but its UNet"):
        family_of(base, "mine").info(base, EPSILON)


class Told:
    """A model that has learned what `prediction` is, as well as one can who sees the pictures."""

    def __init__(self, prediction: str, blur: float) -> None:
        self.prediction, self.blur = prediction, blur
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
        self.noise = DDPM(torch.cumprod(1 - betas, 0), EPSILON, NoiseOptions())
        self.denoiser: Any = self
        self.pipeline = None
        self.training = False
        self.clean = torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(1))

    def eval(self) -> None: ...
    def train(self, mode: bool) -> None: ...
    def modules(self) -> list[Any]:
        return []

    def latent_shape(self, picture: Any) -> tuple[int, ...]:
        return tuple(picture["mean"].shape)

    def collate(self, captions: Any) -> dict[str, Any]:
        return {}

    def latents(self, pictures: Any, posterior: Any) -> Any:
        return pictures["mean"]

    def noised(self, latents: Any, noise: Any, t: Any) -> Any:
        self.asked = latents, noise, t
        return self.noise.noised(latents, noise, t)

    def predict(self, noised: Any, conditions: Any) -> Any:
        """The answer of one that knows the picture but for `blur` of it."""
        latents, _, t = self.asked
        guess = (1 - self.blur) * latents
        if self.prediction == FLOW:
            s = t.view(-1, 1, 1, 1)
            return (noised.latents - (1 - s) * guess) / s - guess
        alpha = self.noise.alphas[self.noise.timesteps(t)].view(-1, 1, 1, 1)
        left = (noised.latents - alpha.sqrt() * guess) / (1 - alpha).sqrt()
        return self.noise.targets(guess, left, t)[self.prediction]

    def encoded(self, index: int, chosen: Any) -> tuple[Any, Any]:
        return {"mean": self.clean[index]}, {}


@pytest.mark.parametrize("truth", [EPSILON, V_PREDICTION, FLOW])
@pytest.mark.parametrize("blur", [0.0, 0.5, 0.9])
def test_noise_and_velocity_are_told_apart_by_models_that_know_half_of_a_picture(
    truth: str, blur: float
) -> None:
    model: Any = Told(truth, blur)
    found = explained(model, model.encoded, 3, precision="no", device=torch.device("cpu"))
    assert found is not None
    # who sees nothing in noise predicts no velocity
    if blur <= {EPSILON: 1.0, V_PREDICTION: 0.5, FLOW: 0.0}[truth]:
        assert found.contradicts(V_PREDICTION if truth == EPSILON else EPSILON) == truth
    if truth != FLOW:  # no configuration says that of these
        check_prediction(found, truth, set_by_user=False)


@pytest.mark.parametrize(
    ("truth", "blur", "said", "asked"),
    [
        (EPSILON, 0.5, EPSILON, 1),  # plainly what is said of it
        (EPSILON, 1.0, EPSILON, 1),  # a beginner, but no contradiction is near
        (EPSILON, 0.5, V_PREDICTION, 2),
        (V_PREDICTION, 0.5, EPSILON, 2),
        (FLOW, 0.0, EPSILON, 2),
        (EPSILON, 0.5, None, 2),
    ],
)
def test_a_second_picture_is_asked_where_the_first_leaves_doubt(
    truth: str, blur: float, said: str | None, asked: int
) -> None:
    model: Any = Told(truth, blur)
    seen = []

    def encoded(index: int, chosen: Any) -> tuple[Any, Any]:
        seen.append(index)
        return model.encoded(index, chosen)

    explained(model, encoded, 3, precision="no", device=torch.device("cpu"), prediction=said)
    assert seen == list(range(asked))


def test_what_knows_nothing_contradicts_nothing() -> None:
    for shares in ({EPSILON: -0.5, V_PREDICTION: 0.05}, {EPSILON: 0.4, V_PREDICTION: 0.6}):
        for prediction in shares:
            assert Explained(shares, shares).contradicts(prediction) is None
    check_prediction(None, EPSILON, set_by_user=True)


def test_a_base_of_random_weights_is_trained_all_the_same(
    make_project: Callable[..., Project], tiny_v_base: Path
) -> None:
    project = make_project(pretrained_model_name_or_path=str(tiny_v_base), max_train_steps=1)
    manifest = train(project, skip_validation=True)
    assert manifest.train["snr_gamma"] == 0.0  # min-SNR would starve a velocity of much noise
