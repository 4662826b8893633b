"""The random numbers each picture is trained with: functions of (seed, step, place in the step)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubtools.models.seeds import seed_of
from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Chosen:
    """What a step takes of an item: the mirrored picture (`flip`), the empty caption (`drop`), and
    by number which of its crops."""

    flip: bool = False
    drop: bool = False
    crop: int = 0


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch: `chosen` of each picture, `t` (N,) in [0, 1), `posterior` and
    `noise` (N, C, h, w) standard normal. All on the CPU."""

    chosen: list[Chosen]
    t: Tensor
    posterior: Tensor
    noise: Tensor


def draw(recipe: Recipe, step: int, slots: Sequence[int], shape: tuple[int, ...]) -> Draws:
    """Random numbers for pictures at `slots` of a step; `shape` is that of their latents.

    One generator a picture, drawn from in a fixed order, so that no setting shifts another's
    numbers and no picture depends on its neighbours.
    """
    import torch

    settings = recipe.settings
    rows = []
    for slot in slots:
        generator = torch.Generator("cpu").manual_seed(seed_of("draw", settings.seed, step, slot))
        flip, drop, t = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        posterior = torch.randn(shape, generator=generator)
        noise = torch.randn(shape, generator=generator)
        if settings.noise_offset:
            offset = torch.randn((shape[0], *[1] * (len(shape) - 1)), generator=generator)
            noise = noise + settings.noise_offset * offset
        chosen = Chosen(
            flip=settings.random_flip and flip < 0.5,
            drop=drop < (settings.caption_dropout or 0.0),
            crop=_which(settings.crops_per_image, "crop", settings.seed, step, slot),
        )
        rows.append((chosen, t, posterior, noise))
    return Draws(
        chosen=[row[0] for row in rows],
        # rounding to float32 may reach 1; the greatest float32 below it does not
        t=torch.tensor([row[1] for row in rows]).clamp(max=1 - 2**-24),
        posterior=torch.stack([row[2] for row in rows]),
        noise=torch.stack([row[3] for row in rows]),
    )


def _which(count: int, *of: object) -> int:
    """One of `count`, all alike likely."""
    return seed_of("which", *of) % count if count > 1 else 0
