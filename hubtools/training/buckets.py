"""Buckets: pictures that are trained at one size, and the steps of an epoch made of them.

A step is of one bucket, so that it can be cut into forward passes and processes in any way; an
epoch holds every item as often as it repeats. An item is a picture at one of its sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from hubtools.dataset.pictures.buckets import Size, bucket_of, step_of
from hubtools.models.seeds import seed_of
from hubtools.train_settings import TrainSettings


@dataclass(frozen=True, eq=False)
class Buckets:
    """`of[i]` is the bucket of item `i`, `sizes[b]` (width, height) in pixels that of bucket `b`.
    `pictures[i]` is the picture that item `i` shows, of itself each its own; `often[i]` how many
    times an epoch has it, of itself once."""

    of: tuple[int, ...]
    sizes: tuple[Size, ...]
    pictures: tuple[int, ...] = ()
    often: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.pictures:
            object.__setattr__(self, "pictures", tuple(range(len(self.of))))
        if not self.often:
            object.__setattr__(self, "often", (1,) * len(self.of))

    @property
    def images(self) -> int:
        """Pictures, each counted once."""
        return len(set(self.pictures))

    def size(self, item: int) -> Size:
        """(width, height) at which an item is trained."""
        return self.sizes[self.of[item]]

    def counts(self, repeats: int) -> Counter[int]:
        """Items of each bucket in an epoch."""
        found: Counter[int] = Counter()
        for bucket, often in zip(self.of, self.often, strict=True):
            found[bucket] += often * repeats
        return found

    def steps(self, repeats: int, pictures: int) -> int:
        """Steps an epoch of so many `pictures` each; the last one of a bucket takes what is
        left."""
        return sum(-(-count // pictures) for count in self.counts(repeats).values())

    def dealt(self, repeats: int) -> list[int]:
        """Every item as often as an epoch has it, in rounds."""
        rounds = range(max(self.often))
        once = [i for turn in rounds for i, often in enumerate(self.often) if often > turn]
        return once * repeats


def one_bucket(images: int, resolution: int) -> Buckets:
    """All pictures as squares of `resolution` pixels."""
    return Buckets((0,) * images, ((resolution, resolution),))


def make_buckets(
    sizes: Sequence[Size],
    settings: TrainSettings,
    resolution: int,
    divisor: int,
    repeats: Sequence[int] = (),
) -> Buckets:
    """The buckets of pictures of `sizes` (width, height). `resolution` in pixels; `divisor` is what
    sides must be multiples of; `repeats` how often an epoch has each picture, of itself once."""
    wanted = [
        (picture, target)
        for picture, size in enumerate(sizes)
        for target in targets(size, settings, resolution, divisor)
    ]
    kinds = sorted({target for _, target in wanted})
    number = {target: bucket for bucket, target in enumerate(kinds)}
    return Buckets(
        of=tuple(number[target] for _, target in wanted),
        sizes=tuple(kinds),
        pictures=tuple(picture for picture, _ in wanted),
        often=tuple(repeats[picture] for picture, _ in wanted) if repeats else (),
    )


def targets(size: Size, settings: TrainSettings, resolution: int, divisor: int) -> tuple[Size, ...]:
    """The sizes at which a picture of `size` is trained, the smallest first: squares, or buckets of
    its shape; of several resolutions those that do not enlarge it, but at least one."""
    sides = sorted({resolution, *settings.resolutions})
    if not settings.aspect_ratio_buckets:
        fitting = [side for side in sides if side <= min(size)] or sides[:1]
        return tuple((side, side) for side in fitting)
    found = (bucket_of(size, side, bucket_step(settings, side, divisor)) for side in sides)
    return tuple(dict.fromkeys(found))


def bucket_step(settings: TrainSettings, resolution: int, divisor: int) -> int:
    """Pixels by which the sides of buckets differ."""
    asked = settings.bucket_reso_steps
    if asked is None:
        return step_of(resolution, divisor)
    return -(-asked // divisor) * divisor


@lru_cache(maxsize=2)
def permutation(count: int, seed: int, epoch: int) -> tuple[int, ...]:
    """The numbers below `count` in the order of one epoch; the same on every machine."""
    return tuple(sorted(range(count), key=lambda index: seed_of("order", seed, epoch, index)))


@lru_cache(maxsize=2)
def epoch_steps(
    buckets: Buckets, repeats: int, pictures: int, seed: int, epoch: int
) -> Sequence[tuple[int, ...]]:
    """The items of each step of an epoch: a function of (seed, epoch).

    Items are dealt in the order of the epoch; a step leaves once its bucket has enough. What is
    left at the end makes smaller steps.
    """
    return tuple(_steps(buckets, repeats, pictures, seed, epoch))


def _steps(
    buckets: Buckets, repeats: int, pictures: int, seed: int, epoch: int
) -> Iterator[tuple[int, ...]]:
    dealt = buckets.dealt(repeats)
    waiting: dict[int, list[int]] = {}
    for place in permutation(len(dealt), seed, epoch):
        item = dealt[place]
        step = waiting.setdefault(buckets.of[item], [])
        step.append(item)
        if len(step) == pictures:
            yield tuple(waiting.pop(buckets.of[item]))
    yield from map(tuple, waiting.values())
