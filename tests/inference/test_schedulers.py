"""Samplers: the base's configuration survives, families are kept apart, the way is exact."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.inference.schedulers import (  # noqa: E402
    _NEEDS,
    FROM_PURE_NOISE,
    SCHEDULERS,
    _missing,
    options_of,
    use_scheduler,
)


class Stand:
    """A pipeline as far as schedulers go."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler


def of(folder: Path, **changes: Any) -> Stand:
    from diffusers import DDIMScheduler

    return Stand(DDIMScheduler.from_pretrained(folder, subfolder="scheduler", **changes))


def flow(**changes: Any) -> Stand:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return Stand(FlowMatchEulerDiscreteScheduler(shift=3.0, **changes))


DIFFUSION = [name for name in SCHEDULERS if not name.startswith("flow")]
FLOW = [name for name in SCHEDULERS if name.startswith("flow")]


def usable(name: str) -> bool:
    return not _missing(SCHEDULERS[name][0])


@pytest.mark.parametrize("name", DIFFUSION)
def test_every_scheduler_keeps_the_bases_configuration(tiny_v_base: Path, name: str) -> None:
    stand = of(tiny_v_base, timestep_spacing="trailing")
    own = stand.scheduler.config
    if not usable(name):
        needed = _NEEDS[SCHEDULERS[name][0]][0]
        with pytest.raises(HubtoolsError, match=f"needs .*{needed}") as caught:
            use_scheduler(stand, name)
        assert f"pip install {needed}" in (caught.value.hint or "")
        return
    assert use_scheduler(stand, name) == SCHEDULERS[name][0] == type(stand.scheduler).__name__
    config = stand.scheduler.config
    for key in ("prediction_type", "beta_start", "beta_end", "beta_schedule", "timestep_spacing"):
        assert config[key] == own[key]
    for key, value in options_of(name).items():
        assert config[key] == value


def test_schedulers_by_class_and_by_mistake(tiny_base: Path) -> None:
    stand = of(tiny_base)
    assert use_scheduler(stand, "default") == "DDIMScheduler"
    assert use_scheduler(stand, "EulerDiscreteScheduler") == "EulerDiscreteScheduler"
    with pytest.raises(UsageError, match="'eular'") as caught:
        use_scheduler(stand, "eular")
    assert caught.value.hint == "did you mean euler?"


@pytest.mark.parametrize("name", FLOW)
def test_flow_schedulers_do_not_fit_a_base_of_noise_or_velocity(
    tiny_base: Path, tiny_v_base: Path, name: str
) -> None:
    for folder, kind in ((tiny_base, "epsilon"), (tiny_v_base, "v_prediction")):
        with pytest.raises(UsageError, match=f"{name} does not fit Stand.*{kind}") as caught:
            use_scheduler(of(folder), name)
        assert (caught.value.hint or "").removeprefix("these do: ").split(", ") == DIFFUSION


@pytest.mark.parametrize("name", DIFFUSION)
def test_other_schedulers_do_not_fit_a_flow(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} does not fit Stand.*a flow") as caught:
        use_scheduler(flow(), name)
    assert (caught.value.hint or "").removeprefix("these do: ").split(", ") == FLOW


def test_a_flow_that_is_shifted_by_size_cannot_take_heun() -> None:
    with pytest.raises(UsageError, match="flow_heun does not fit") as caught:
        use_scheduler(flow(use_dynamic_shifting=True), "flow_heun")
    assert "flow_heun" not in (caught.value.hint or "")


@pytest.mark.parametrize("name", [name for name in FLOW if name != "flow_lcm"])
def test_a_straight_flow_is_followed_to_its_end(name: str) -> None:
    stand = flow()
    use_scheduler(stand, name)
    scheduler = stand.scheduler
    scheduler.set_timesteps(8)
    assert (scheduler.config.get("shift") or scheduler.config.get("flow_shift")) == 3.0
    generator = torch.Generator().manual_seed(1)
    end, noise = (torch.randn(1, 4, 8, 8, generator=generator) for _ in range(2))
    sample = noise
    for timestep in scheduler.timesteps:
        sample = scheduler.step(noise - end, timestep, sample, return_dict=False)[0]
    assert torch.allclose(sample, end, atol=1e-3)


def test_which_can_start_from_pure_noise_is_what_their_classes_take() -> None:
    import diffusers

    takes = {
        name
        for name, _ in SCHEDULERS.values()
        if "rescale_betas_zero_snr" in signature(getattr(diffusers, name)).parameters
    }
    assert takes == FROM_PURE_NOISE


def test_what_fits_noise_is_what_diffusers_calls_compatible(tiny_base: Path) -> None:
    compatible = {one.__name__ for one in of(tiny_base).scheduler.compatibles}
    # its own list leaves LCM out, though it takes their settings
    assert {SCHEDULERS[name][0] for name in DIFFUSION} <= compatible | {"LCMScheduler"}


def test_zero_terminal_snr_is_kept_or_the_scheduler_refused(tiny_v_base: Path) -> None:
    zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    can = []
    for name in filter(usable, DIFFUSION):
        stand = of(tiny_v_base, **zero)
        try:
            use_scheduler(stand, name)
        except UsageError as error:
            assert "zero terminal SNR" in error.message  # noqa: PT017
            hint = error.hint or ""
            continue
        can.append(name)
        assert float(stand.scheduler.alphas_cumprod[-1]) < 1e-6
        assert stand.scheduler.config["timestep_spacing"] == "trailing"
    assert hint.removeprefix("these can: ").split(", ") == can
    assert {"ddim", "euler", "euler_a", "unipc", "dpmpp_2m", "lcm"} <= set(can)
    assert not {"pndm", "heun", "deis"} & set(can)
