"""Moments of flow matching, against the schedulers of diffusers and the formulas."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.noise import Flow, NoiseOptions, Shift  # noqa: E402


def scheduler(**config: object) -> object:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**config)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"shift": 3.0}, 1024),
        ({"shift": 6.0}, 4096),
        ({"use_dynamic_shifting": True, "max_shift": 1.15}, 1024),
        ({"use_dynamic_shifting": True, "max_shift": 0.9, "max_image_seq_len": 8192}, 4096),
        ({"use_dynamic_shifting": True, "time_shift_type": "linear"}, 2000),
    ],
)
def test_moments_are_shifted_as_the_scheduler_shifts_its_steps(
    config: dict[str, object], tokens: int
) -> None:
    found = scheduler(**config)
    shift = Shift.of(found.config)  # type: ignore[attr-defined]
    sigmas = [0.9, 0.5, 0.2]
    mu = None
    if shift.line:
        low, high, few, many = shift.line
        mu = low + (high - low) * (tokens - few) / (many - few)
    found.set_timesteps(sigmas=sigmas, mu=mu)  # type: ignore[attr-defined]
    flow = Flow(shift, NoiseOptions(density="uniform"), 1)
    ours = flow.moments(torch.tensor(sigmas), tokens)
    assert torch.allclose(ours, found.sigmas[:3], atol=1e-6)  # type: ignore[attr-defined]


def test_numbers_of_the_published_bases() -> None:
    line = Shift(line=(0.5, 1.15, 256, 4096))
    assert line.factor(4096) == pytest.approx(3.16, abs=0.01)
    assert line.factor(1024) == pytest.approx(1.88, abs=0.01)
    assert Shift.of({"prediction_type": "flow_prediction", "flow_shift": 3.0}).fixed == 3.0
    with pytest.raises(ValueError, match="max_image_seq_len"):
        Shift.of({"use_dynamic_shifting": True, "max_image_seq_len": 256})


def test_densities() -> None:
    t = (torch.arange(20000) + 0.5) / 20000
    normal = Flow(Shift(), NoiseOptions(mean=0.5, deviation=0.8), 1).moments(t, 1)
    logits = torch.log(normal / (1 - normal))
    assert float(logits.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(logits.std()) == pytest.approx(0.8, abs=0.01)
    assert torch.equal(Flow(Shift(), NoiseOptions(density="uniform"), 1).moments(t, 1), t)
    # a shift that is set takes the place of the base's, and the order of moments stays
    other = Flow(Shift(6.0), NoiseOptions(shift=2.0), 1).moments(t, 1)
    assert float(other[10000]) == pytest.approx(2 / 3, abs=1e-3)
    assert bool((other.diff() > 0).all())


def test_a_moment_is_never_no_number_and_never_leaves_the_line() -> None:
    edges = torch.tensor([0.0, 2**-30, 0.5, 1 - 2**-24])
    for density in ("logit_normal", "uniform"):
        flow = Flow(Shift(3.0), NoiseOptions(density=density), 1)  # type: ignore[arg-type]
        found = flow.moments(edges, 1)
        assert bool(found.isfinite().all())
        assert float(found.min()) > 0
        assert float(found.max()) <= 1


def test_noise_target_and_weight() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(2, 4, 4, 6, generator=generator) for _ in range(2))
    # four cells a token: six tokens a picture
    flow = Flow(Shift(line=(0.0, 1.0, 0, 6)), NoiseOptions(density="uniform"), 4)
    noised = flow.noised(latents, noise, torch.tensor([0.5, 0.25]))
    k = math.e
    s = torch.tensor([k * 0.5 / (1 + (k - 1) * 0.5), k * 0.25 / (1 + (k - 1) * 0.25)])
    assert torch.allclose(noised.timesteps, s)
    along = s.view(2, 1, 1, 1)
    assert torch.allclose(noised.latents, (1 - along) * latents + along * noise)
    assert torch.equal(noised.target, noise - latents)
    assert noised.weight.tolist() == [1.0, 1.0]
