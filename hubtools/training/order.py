"""Which pictures a step sees.

Everything here is a function of (seed, step, place in the step), never of what happened before.
That makes a resumed run the same run, and one batch of four the same as four of one or as two
processes of two.
"""

from __future__ import annotations

from functools import lru_cache

from hubtools.models.seeds import seed_of
from hubtools.training.recipe import Recipe


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


def micro_batches(recipe: Recipe, step: int, rank: int) -> list[list[tuple[int, int]]]:
    """This process's forward passes of a step: lists of (slot, picture index).

    A slot is the place within the whole step and seeds the picture's random numbers. In an
    epoch's last step there may be fewer, smaller or no forward passes for a process.
    """
    batch = recipe.settings.train_batch_size
    slots = list(enumerate(step_items(recipe, step)))
    wide = batch * recipe.world_size
    shares = []
    for start in range(0, len(slots), wide):
        share = slots[start : start + wide][rank * batch : (rank + 1) * batch]
        if share:
            shares.append(share)
    return shares
