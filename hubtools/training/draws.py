"""The random numbers each picture is trained with: functions of (seed, step, place in the step)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hubtools.models.seeds import seed_of
from hubtools.training.choices import MULTIRES_DISCOUNT
from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Chosen:
    """What a step takes of an item: the mirrored picture (`flip`), the empty caption (`drop`), and
    which of its crops and of its captions, each by a number that is taken modulo how many there
    are."""

    flip: bool = False
    drop: bool = False
    crop: int = 0
    caption: int = 0


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch: `chosen` of each picture, `t` (N,) in [0, 1), `posterior` and
    `noise` (N, C, h, w) standard normal; `seen` the noise that goes into what the base sees, where
    it is another. All on the CPU."""

    chosen: list[Chosen]
    t: Tensor
    posterior: Tensor
    noise: Tensor
    seen: Tensor | None = None


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
        own = partial(_generator, settings.seed, step, slot)
        if settings.multires_noise_iterations:
            noise = pyramid(
                noise,
                settings.multires_noise_iterations,
                settings.multires_noise_discount or MULTIRES_DISCOUNT,
                own("multires"),
            )
        seen = noise
        if settings.input_perturbation:
            more = torch.randn(shape, generator=own("perturbation"))
            seen = noise + settings.input_perturbation * more
        chosen = Chosen(
            flip=settings.random_flip and flip < 0.5,
            drop=drop < (settings.caption_dropout or 0.0),
            crop=seed_of("which crop", settings.seed, step, slot),
            caption=seed_of("which caption", settings.seed, step, slot),
        )
        rows.append((chosen, t, posterior, noise, seen))
    return Draws(
        chosen=[row[0] for row in rows],
        # rounding to float32 may reach 1; the greatest float32 below it does not
        t=torch.tensor([row[1] for row in rows]).clamp(max=1 - 2**-24),
        posterior=torch.stack([row[2] for row in rows]),
        noise=torch.stack([row[3] for row in rows]),
        seen=torch.stack([row[4] for row in rows]) if settings.input_perturbation else None,
    )


def _generator(seed: int, step: int, slot: int, kind: str) -> torch.Generator:
    """One for a kind of numbers that not every run draws."""
    import torch

    return torch.Generator("cpu").manual_seed(seed_of(kind, seed, step, slot))


def pyramid(noise: Tensor, iterations: int, discount: float, generator: torch.Generator) -> Tensor:
    """Noise (C, h, w) of several sizes, of unit deviation, as kohya's scripts draw it: noise of the
    i-th size, smaller by the i-th power of a number between 2 and 4, is enlarged and added with
    the strength `discount` to the power of i, until a side is one cell."""
    import torch

    found, (channels, height, width) = noise, noise.shape
    for size in range(iterations):
        ratio = 2 + 2 * float(torch.rand((), generator=generator, dtype=torch.float64))
        high, wide = max(1, int(height / ratio**size)), max(1, int(width / ratio**size))
        coarse = torch.randn((1, channels, high, wide), generator=generator)
        grown = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
        found = found + discount**size * grown[0]
        if 1 in (high, wide):
            break
    return found / found.std()
