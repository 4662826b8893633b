"""Which items a step sees: pictures, each at one of its sizes.

Everything here is a function of (seed, step, place in the step), never of what happened before.
That makes a resumed run the same run, and one batch of four the same as four of one or as two
processes of two. A step is of one bucket (see buckets.py).
"""

from __future__ import annotations

import math
from collections import Counter

from hubtools.training.buckets import epoch_steps
from hubtools.training.recipe import Recipe

Share = list[tuple[int, int]]
"""One forward pass: (slot, item) pairs. A slot is the place within the whole step and
seeds the picture's random numbers."""


def step_items(recipe: Recipe, step: int) -> list[int]:
    """The items that optimizer step `step` (from 0) sees, over all processes."""
    epoch, place = divmod(step, recipe.steps_an_epoch)
    settings = recipe.settings
    steps = epoch_steps(
        recipe.buckets, settings.repeats, recipe.pictures_a_step, settings.seed, epoch
    )
    return list(steps[place])


def micro_batches(recipe: Recipe, step: int, rank: int) -> list[Share]:
    """This process's forward passes of a step. In a bucket's last step there may be fewer, smaller
    or no forward passes for a process."""
    batch = recipe.settings.train_batch_size
    slots = list(enumerate(step_items(recipe, step)))
    wide = batch * recipe.world_size
    shares = []
    for start in range(0, len(slots), wide):
        share = slots[start : start + wide][rank * batch : (rank + 1) * batch]
        if share:
            shares.append(share)
    return shares


def passes(recipe: Recipe, step: int, rank: int, pictures: int) -> list[tuple[Share, float]]:
    """This process's forward passes of a step, each with what its loss is divided by: the step's
    `pictures`. With `fsdp` all processes make as many, since each gathers the base from all: one
    that has no pictures left makes the first process's, and that counts nothing."""
    mine = micro_batches(recipe, step, rank)
    found = [(share, float(pictures)) for share in mine]
    if recipe.settings.fsdp:
        found += [(share, math.inf) for share in micro_batches(recipe, step, 0)[len(mine) :]]
    return found


def shape_of(recipe: Recipe, share: Share) -> tuple[int, int]:
    """(bucket, pictures): forward passes alike in these have tensors of the same shapes."""
    return recipe.buckets.of[share[0][1]], len(share)


def most_frequent_shape(recipe: Recipe) -> tuple[int, int]:
    """The `shape_of` most forward passes of the first process; of two as frequent the larger."""
    counts: Counter[tuple[int, int]] = Counter()
    for step in range(min(recipe.steps, recipe.steps_an_epoch)):
        counts.update(shape_of(recipe, share) for share in micro_batches(recipe, step, 0))
    return max(counts, key=lambda shape: (counts[shape], shape[1], shape[0]))
