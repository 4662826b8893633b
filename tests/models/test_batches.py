"""Captions of unequal length, and two captions for one picture."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.families.batches import (  # noqa: E402
    MASK,
    doubled,
    padded,
    second_half,
    stacked,
)
from hubtools.models.families.noise import DDPM, NoiseOptions  # noqa: E402


def caption(tokens: int) -> dict[str, torch.Tensor]:
    return {"embeds": torch.full((tokens, 3), float(tokens)), "pooled": torch.ones(5) * tokens}


def test_captions_of_unequal_length_are_padded_and_masked() -> None:
    batch = padded([caption(2), caption(4)], ["embeds"])
    assert batch["embeds"].shape == (2, 4, 3)
    assert batch["pooled"].tolist() == [[2.0] * 5, [4.0] * 5]
    assert batch[MASK].tolist() == [[True, True, False, False], [True] * 4]
    assert batch["embeds"][~batch[MASK]].abs().max() == 0
    assert torch.equal(batch["embeds"][0, :2], caption(2)["embeds"])


def test_captions_of_one_length_are_what_stacking_makes_of_them() -> None:
    rows = [caption(3), caption(3)]
    batch = padded(rows, ["embeds"])
    assert bool(batch.pop(MASK).all())
    assert all(torch.equal(batch[key], value) for key, value in stacked(rows).items())


def test_everything_of_a_picture_is_doubled() -> None:
    noise = DDPM(torch.linspace(0.99, 0.01, 10), "epsilon", NoiseOptions())
    latents = torch.randn(2, 4, 3, 3)
    noised = noise.noised(latents, torch.randn_like(latents), torch.tensor([0.1, 0.7]))
    pictures = {"mean": latents, "time_ids": torch.arange(12.0).view(2, 6)}
    twice, both = doubled(noised, pictures)
    assert torch.equal(twice.latents, torch.cat([noised.latents] * 2))
    assert torch.equal(twice.timesteps, torch.cat([noised.timesteps] * 2))
    assert torch.equal(both["time_ids"], torch.cat([pictures["time_ids"]] * 2))
    assert torch.equal(second_half(both)["time_ids"], pictures["time_ids"])
