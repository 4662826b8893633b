"""Buckets: pictures that are trained at one size, and the steps of an epoch made of them.

A step is of one bucket, so that it can be cut into forward passes and processes in any way; an
epoch holds every picture as often as it repeats. For now all pictures are in one bucket.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from hubtools.models.seeds import seed_of

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Buckets:
    """`of[i]` is the bucket of picture `i`, `sizes[b]` (width, height) in pixels that of bucket
    `b`."""

    of: tuple[int, ...]
    sizes: tuple[Size, ...]

    def size(self, image: int) -> Size:
        """(width, height) at which a picture is trained."""
        return self.sizes[self.of[image]]

    def steps(self, repeats: int, pictures: int) -> int:
        """Steps an epoch of so many `pictures` each; the last one of a bucket takes what is
        left."""
        return sum(-(-count * repeats // pictures) for count in Counter(self.of).values())


def one_bucket(images: int, resolution: int) -> Buckets:
    """All pictures as squares of `resolution` pixels."""
    return Buckets((0,) * images, ((resolution, resolution),))


@lru_cache(maxsize=2)
def permutation(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The numbers below `count` in the order of one epoch; the same on every machine."""
    return tuple(sorted(range(count), key=lambda index: seed_of("order", seed, epoch, index)))


@lru_cache(maxsize=2)
def epoch_steps(
    buckets: Buckets, repeats: int, pictures: int, seed: int, epoch: int
) -> Sequence[tuple[int, ...]]:
    """The pictures of each step of an epoch: a function of (seed, epoch).

    Pictures are dealt in the order of the epoch; a step leaves once its bucket has enough. What is
    left at the end makes smaller steps.
    """
    images = len(buckets.of)
    steps: list[tuple[int, ...]] = []
    waiting: dict[int, list[int]] = {}
    for item in permutation(images * repeats, seed, epoch):
        image = item % images
        step = waiting.setdefault(buckets.of[image], [])
        step.append(image)
        if len(step) == pictures:
            steps.append(tuple(waiting.pop(buckets.of[image])))
    return (*steps, *map(tuple, waiting.values()))
