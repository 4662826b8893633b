"""Weights, thresholds and noise against formulas written here, from the papers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.batches import Conditions  # noqa: E402
from hubtools.models.families.noise import (  # noqa: E402
    DDPM,
    UNSHIFTED,
    Flow,
    Noised,
    NoiseOptions,
)
from hubtools.settings import TrainSettings  # noqa: E402
from hubtools.training.draws import draw, pyramid  # noqa: E402
from hubtools.training.loop import TrainState, loss_sum  # noqa: E402
from hubtools.training.losses import errors  # noqa: E402
from hubtools.training.recipe import Recipe, make_recipe  # noqa: E402

# the betas of Stable Diffusion: linear in their roots
BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
ALPHAS = (1 - BETAS).cumprod(0)
EVERY = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000


def noised(process: Any, t: Any) -> Noised:
    blank = torch.zeros(len(t), 1, 1, 1)
    found: Noised = process.noised(blank, blank, t)
    return found


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_debiased_weights_count_the_pictures_error_by_the_root_of_snr(prediction: str) -> None:
    """Whatever is predicted, an error of the picture weighs the same."""
    found = noised(DDPM(ALPHAS, prediction, NoiseOptions(debiased=True)), EVERY).weight.double()
    signal, sigma = ALPHAS.sqrt(), (1 - ALPHAS).sqrt()
    # the error of the answer if that of the picture is 1: x = (z - sigma e) / signal, and
    # x = signal z - sigma v
    answer = signal / sigma if prediction == "epsilon" else 1 / sigma
    wanted = signal / sigma
    # the very first timestep of epsilon has a bound
    assert torch.allclose((found * answer**2)[1:], wanted[1:], rtol=2e-3)


def test_a_debiased_weight_has_bounds() -> None:
    ends = torch.tensor([0.999999, 0.0])  # no noise, nothing but noise
    weights = noised(DDPM(ends, "epsilon", NoiseOptions(debiased=True)), torch.tensor([0.0, 0.9]))
    assert weights.weight.tolist() == pytest.approx([1000**-0.5, 1000**0.5])
    weights = noised(
        DDPM(ends, "v_prediction", NoiseOptions(debiased=True)), torch.tensor([0.0, 0.9])
    )
    assert weights.weight.tolist() == pytest.approx([0.001, 0.0], abs=2e-5)


@pytest.mark.parametrize("c", [0.1, 0.4])
def test_thresholds_of_ddpm(c: float) -> None:
    """As kohya's `get_huber_threshold_if_needed` reckons them."""
    sigmas = ((1.0 - ALPHAS) / ALPHAS) ** 0.5
    steps = torch.arange(1000, dtype=torch.float64)
    wanted = {
        "snr": (1 - c) / (1 + sigmas) ** 2 + c,
        "exponential": torch.exp(math.log(c) / 1000 * steps),
        "constant": torch.full((1000,), c, dtype=torch.float64),
    }
    for schedule, thresholds in wanted.items():
        options = NoiseOptions(loss="huber", huber_schedule=schedule, huber_c=c)  # type: ignore[arg-type]
        found = noised(DDPM(ALPHAS, "epsilon", options), EVERY).threshold
        assert found is not None
        assert torch.allclose(found.double(), thresholds, rtol=1e-4)
    assert noised(DDPM(ALPHAS, "epsilon", NoiseOptions()), EVERY).threshold is None


def test_thresholds_of_a_flow_go_from_one_to_c() -> None:
    options = NoiseOptions(density="uniform", loss="huber", huber_c=0.2)
    t = torch.tensor([0.001, 0.25, 0.5, 0.75, 0.999])
    found = noised(Flow(UNSHIFTED, options, 1), t).threshold
    sigma = t / (1 - t)  # noise over signal
    assert found is not None
    assert torch.allclose(found, 0.8 / (1 + sigma) ** 2 + 0.2, atol=1e-6)


@pytest.mark.parametrize("kind", ["l2", "huber", "smooth_l1"])
def test_errors(kind: Any) -> None:
    generator = np.random.default_rng(0)
    found, wanted = generator.normal(size=(2, 3, 2, 4, 5)).astype(np.float32)
    c = np.array([0.1, 0.5, 1.0], np.float32)
    per_picture = []
    for number in range(3):
        total = 0.0
        for a, b in zip(found[number].ravel(), wanted[number].ravel(), strict=True):
            d, k = abs(float(a - b)), float(c[number])
            root = math.sqrt(d * d + k * k) - k
            total += {"l2": d * d, "huber": 2 * k * root, "smooth_l1": 2 * root}[kind]
        per_picture.append(total / 40)
    threshold = None if kind == "l2" else torch.from_numpy(c)
    answer = errors(torch.from_numpy(found), torch.from_numpy(wanted), kind, threshold)
    assert answer.tolist() == pytest.approx(per_picture, rel=1e-4)


def recipe(**settings: Any) -> Recipe:
    train = TrainSettings.model_validate({"max_train_steps": 9} | settings)
    return make_recipe(
        train, resolution=64, images=5, world_size=1, precision="no", prediction_type="epsilon"
    )


def enlarged(coarse: Any, height: int, width: int) -> Any:
    """(C, h, w) bilinearly, cell centres kept, edges repeated."""

    def places(size: int, grown: int) -> tuple[Any, Any, Any]:
        at = np.clip((np.arange(grown) + 0.5) * size / grown - 0.5, 0, None)
        low = np.minimum(at.astype(int), size - 1)
        return low, np.minimum(low + 1, size - 1), at - low

    top, bottom, down = places(coarse.shape[1], height)
    left, right, across = places(coarse.shape[2], width)
    rows = coarse[:, top] * (1 - down)[None, :, None] + coarse[:, bottom] * down[None, :, None]
    return rows[..., left] * (1 - across) + rows[..., right] * across


def test_noise_of_several_sizes() -> None:
    white = torch.randn(4, 12, 20, generator=torch.Generator().manual_seed(7))
    found = pyramid(white, 6, 0.3, torch.Generator().manual_seed(3))
    drawn, wanted = torch.Generator().manual_seed(3), white.numpy().astype(np.float64)
    for size in range(6):
        ratio = 2 + 2 * torch.rand((), generator=drawn, dtype=torch.float64).item()
        shape = (max(1, int(12 / ratio**size)), max(1, int(20 / ratio**size)))
        coarse = torch.randn((1, 4, *shape), generator=drawn)[0].numpy().astype(np.float64)
        wanted = wanted + 0.3**size * enlarged(coarse, 12, 20)
        if min(shape) == 1:
            break
    wanted = wanted / wanted.std(ddof=1)
    assert np.allclose(found.numpy(), wanted, atol=1e-5)
    assert float(found.std()) == pytest.approx(1)
    # neighbours are alike, as in no white noise
    white = torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(7))
    wide = pyramid(white, 8, 0.9, torch.Generator().manual_seed(3))
    assert float((wide[:, :, 1:] * wide[:, :, :-1]).mean()) > 0.1


def test_further_noise_shifts_no_other_numbers() -> None:
    usual = draw(recipe(), 3, [0, 1], (4, 8, 8))
    assert usual.seen is None
    more = draw(recipe(input_perturbation=0.1), 3, [0, 1], (4, 8, 8))
    sizes = draw(recipe(multires_noise_iterations=6), 3, [1], (4, 8, 8))
    assert torch.equal(more.noise, usual.noise)
    assert torch.equal(more.posterior, sizes.posterior) is False
    assert torch.equal(more.posterior[1], sizes.posterior[0])
    assert more.seen is not None
    apart = (more.seen - more.noise) / 0.1
    assert float(apart.std()) == pytest.approx(1, abs=0.1)
    assert not torch.equal(apart[0], apart[1])
    assert torch.equal(
        draw(recipe(multires_noise_iterations=6), 3, [0, 1], (4, 8, 8)).noise[1], sizes.noise[0]
    )


class Blind:
    """Sees what it is shown, and answers nothing."""

    def __init__(self, options: NoiseOptions) -> None:
        self.noise = DDPM(ALPHAS, "epsilon", options)
        self.shown: Noised | None = None

    def latents(self, pictures: Any, posterior: Any) -> Any:
        return pictures["mean"]

    def noised(self, latents: Any, noise: Any, t: Any) -> Noised:
        return self.noise.noised(latents, noise, t)

    def predict(self, noised: Noised, conditions: Conditions) -> Any:
        self.shown = noised
        return torch.zeros_like(noised.target)


def test_perturbed_noise_is_seen_but_not_answered_and_errors_are_weighed() -> None:
    """One picture, reckoned by hand."""
    generator = torch.Generator().manual_seed(1)
    mean, noise, seen = torch.randn(3, 1, 4, 3, 5, generator=generator)
    options = NoiseOptions(snr_gamma=5.0, loss="huber", huber_schedule="constant", huber_c=0.3)
    model = Blind(options)
    settings = {"loss_type": "huber", "huber_schedule": "constant", "huber_c": 0.3}
    state: Any = TrainState(model, {}, None, None, None)  # type: ignore[arg-type]
    t = torch.tensor([0.3005])
    batch = {"pictures": {"mean": mean}, "captions": {}, "posterior": noise, "noise": noise, "t": t}
    found = float(loss_sum(state, recipe(**settings), batch | {"seen": seen}))
    alpha = float(ALPHAS[300])
    assert model.shown is not None
    wanted = alpha**0.5 * mean + (1 - alpha) ** 0.5 * seen
    assert torch.allclose(model.shown.latents, wanted, atol=1e-5)
    weight = min(alpha / (1 - alpha), 5.0) / (alpha / (1 - alpha))
    by_hand = 2 * 0.3 * ((noise.double() ** 2 + 0.3**2) ** 0.5 - 0.3)
    assert found == pytest.approx(weight * float(by_hand.mean()), rel=1e-4)
