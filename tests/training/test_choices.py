"""What settings leave to the base, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hubtools.errors import UsageError
from hubtools.models.families.protocol import BaseInfo
from hubtools.settings import TrainSettings
from hubtools.training.choices import completed, noise_options

EPSILON = BaseInfo("stable-diffusion", "epsilon", 512, 8, 77, 32, 77 * 1024 * 4)
FLOW = replace(EPSILON, family="flux", prediction_type="flow")


def chosen(info: BaseInfo = EPSILON, **settings: Any) -> TrainSettings:
    return completed(TrainSettings.model_validate(settings), info)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"snr_gamma": 5, "debiased_estimation_loss": True}, "snr_gamma 5 and debiased_estimation"),
        ({"noise_offset": 0.1, "multires_noise_iterations": 6}, "two ways to noise"),
        ({"huber_c": 0.2}, "huber_c is of the losses huber and smooth_l1"),
        ({"huber_schedule": "snr"}, "huber_schedule is of the losses huber and smooth_l1"),
        ({"multires_noise_discount": 0.2}, "of which there is none"),
        ({"crops_per_image": 2}, "crops_per_image 2 cuts a picture at several places"),
        ({"gradient_checkpointing_interval": 2}, "but gradient_checkpointing is off"),
        ({"timestep_shift": 2.0}, "timestep_shift is for bases that predict a flow"),
    ],
)
def test_what_contradicts_itself_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        chosen(**settings)


@pytest.mark.parametrize(
    "name", ["snr_gamma", "debiased_estimation_loss", "noise_offset", "multires_noise_iterations"]
)
def test_what_has_no_meaning_for_a_flow_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^{name}\b.* predicts a flow") as caught:
        chosen(FLOW, **{name: 1})
    assert f"leave {name} out" in str(caught.value.hint)


def test_a_flow_takes_the_losses_that_every_prediction_has() -> None:
    found = noise_options(chosen(FLOW, loss_type="huber", huber_c=0.2, input_perturbation=0.1))
    assert (found.loss, found.huber_schedule, found.huber_c) == ("huber", "snr", 0.2)


def test_defaults() -> None:
    assert noise_options(chosen()).snr_gamma == 5.0
    debiased = noise_options(chosen(debiased_estimation_loss=True))
    assert (debiased.debiased, debiased.snr_gamma) == (True, 0.0)
    huber = chosen(loss_type="smooth_l1")
    assert (huber.huber_schedule, huber.huber_c) == ("snr", 0.1)
    assert (chosen().huber_schedule, chosen().huber_c) == (None, None)
    assert chosen(multires_noise_iterations=6).multires_noise_discount == 0.3
