"""Which pictures a step sees, how they are cut, and the random numbers each is trained with.

Everything here is a function of (seed, step, place in the step), never of what happened before.
That makes a resumed run the same run, and one batch of four the same as four of one or as two
processes of two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from hubtools.models.seeds import seed_of
from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from hubtools.dataset.load import Example


# --- order -------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def permutation(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The numbers below `count` in the order of one epoch; the same on every machine."""
    return tuple(sorted(range(count), key=lambda index: seed_of("order", seed, epoch, index)))


def step_items(recipe: Recipe, step: int) -> list[int]:
    """Indexes of the pictures that optimizer step `step` (from 0) sees, over all processes."""
    epoch, place = divmod(step, recipe.steps_an_epoch)
    size = recipe.pictures_a_step
    order = permutation(recipe.items, recipe.settings.seed, epoch)
    return [item % recipe.images for item in order[place * size : (place + 1) * size]]


def micro_batches(recipe: Recipe, step: int, process: int) -> list[list[tuple[int, int]]]:
    """This process's forward passes of a step: lists of (slot, picture index).

    A slot is the place within the whole step and seeds the picture's random numbers. In an
    epoch's last step there may be fewer, smaller or no forward passes for a process.
    """
    batch = recipe.settings.train_batch_size
    slots = list(enumerate(step_items(recipe, step)))
    wide = batch * recipe.processes
    shares = []
    for start in range(0, len(slots), wide):
        share = slots[start : start + wide][process * batch : (process + 1) * batch]
        if share:
            shares.append(share)
    return shares


# --- geometry ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """Resize to (width, height), then cut the box of `size` at (left, top). Pixels."""

    width: int
    height: int
    left: int
    top: int
    size: tuple[int, int]

    @property
    def name(self) -> str:
        """Fit for a file name; two geometries of one picture have two names."""
        return f"{self.size[0]}x{self.size[1]}_{self.width}x{self.height}+{self.left}+{self.top}"


def geometry(
    size: tuple[int, int], resolution: int, *, center_crop: bool, seed: int, identity: str
) -> Geometry:
    """Shorter side to `resolution`, then a square: the middle, or a place fixed by (seed, picture).

    `size` (width, height) of the picture as the trainer sees it; `identity` tells pictures apart.
    """
    scale = resolution / min(size)
    width, height = (max(resolution, round(side * scale)) for side in size)
    if center_crop:
        left, top = (width - resolution) // 2, (height - resolution) // 2
    else:
        left = seed_of("crop-x", seed, identity) % (width - resolution + 1)
        top = seed_of("crop-y", seed, identity) % (height - resolution + 1)
    return Geometry(width, height, left, top, (resolution, resolution))


def pixels(image: Image.Image, cut: Geometry, *, filter: str, flip: bool) -> Tensor:
    """The cut picture as (3, H, W) float32 in [-1, 1]; `filter` is a Pillow resampling name."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    resized = image.resize((cut.width, cut.height), Image.Resampling[filter.upper()])
    box = (cut.left, cut.top, cut.left + cut.size[0], cut.top + cut.size[1])
    square = resized.crop(box)
    if flip:
        square = ImageOps.mirror(square)
    array = np.asarray(square, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


# --- randomness --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draws:
    """The random numbers of a batch: `flip`, `drop` (N,) bool, `when` (N,) in [0, 1),
    `posterior` and `noise` (N, C, h, w) standard normal. All on the CPU."""

    flip: list[bool]
    drop: list[bool]
    when: Tensor
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
        flip, drop, when = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
        posterior = torch.randn(shape, generator=generator)
        noise = torch.randn(shape, generator=generator)
        if settings.noise_offset:
            offset = torch.randn((shape[0], *[1] * (len(shape) - 1)), generator=generator)
            noise = noise + settings.noise_offset * offset
        rows.append((flip, drop, when, posterior, noise))
    return Draws(
        flip=[settings.random_flip and row[0] < 0.5 for row in rows],
        drop=[row[1] < settings.caption_dropout for row in rows],
        # rounding to float32 may reach 1; the greatest float32 below it does not
        when=torch.tensor([row[2] for row in rows]).clamp(max=1 - 2**-24),
        posterior=torch.stack([row[3] for row in rows]),
        noise=torch.stack([row[4] for row in rows]),
    )


@dataclass(frozen=True)
class Picture:
    """A training picture with the digest of its file and how it is cut."""

    example: Example
    sha256: str
    cut: Geometry
