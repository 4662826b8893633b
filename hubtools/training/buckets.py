"""Buckets: pictures that are trained at one size, and the steps of an epoch made of them.

A step is of one bucket, so that it can be cut into forward passes and processes in any way; an
epoch holds every item as often as it repeats. An item is a picture at one of its sizes. One that
repeats 2.5 times is in an epoch two or three times, in turn with the others of its bucket, so that
all epochs are as long.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat

from hubtools.dataset.pictures.buckets import Size, bucket_of, step_of
from hubtools.models.seeds import seed_of
from hubtools.train_settings import TrainSettings

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False)
class Buckets:
    """`of[i]` is the bucket of item `i`, `sizes[b]` (width, height) in pixels that of bucket `b`.
    `pictures[i]` is the picture that item `i` shows, of itself each its own; `often[i]` how many
    times an epoch has it, of itself once."""

    of: tuple[int, ...]
    sizes: tuple[Size, ...]
    pictures: tuple[int, ...] = ()
    often: tuple[float, ...] = ()

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
            found[bucket] += int(often) * repeats
        for bucket, (count, _) in self._parts(repeats).items():
            found[bucket] += count
        return found

    def steps(self, repeats: int, pictures: int) -> int:
        """Steps an epoch of so many `pictures` each; the last one of a bucket takes what is
        left."""
        return sum(-(-count // pictures) for count in self.counts(repeats).values())

    def dealt(self, repeats: int, epoch: int = 0) -> list[int]:
        """Every item as often as an epoch has it, in rounds."""
        rounds = range(int(max(self.often)))
        once = [i for turn in rounds for i, often in enumerate(self.often) if int(often) > turn]
        parts = self._parts(repeats).values()
        return once * repeats + [
            i for count, shares in parts for i in _in_turn(shares, count, epoch)
        ]

    def _parts(self, repeats: int) -> dict[int, tuple[int, dict[int, float]]]:
        """Of buckets that have items with a part of a repeat: how many of them an epoch has, and
        the part of each. A bucket of nothing else has at least one."""
        shares: dict[int, dict[int, float]] = {}
        for item, (bucket, often) in enumerate(zip(self.of, self.often, strict=True)):
            if often != int(often):
                shares.setdefault(bucket, {})[item] = (often - int(often)) * repeats
        if not shares:
            return {}
        whole = {bucket for bucket, often in zip(self.of, self.often, strict=True) if often >= 1}
        return {
            bucket: (max(round(sum(of.values())), bucket not in whole), of)
            for bucket, of in shares.items()
        }


def _in_turn(shares: Mapping[int, float], count: int, epoch: int) -> Iterator[int]:
    """`count` of the items, each about as often as its share, others in every epoch: systematic
    sampling, whose start goes round the unit interval by the golden ratio."""
    start, total, passed, dealt = epoch * _GOLDEN % 1, sum(shares.values()), 0.0, 0
    last = len(shares)
    for place, (item, share) in enumerate(shares.items(), 1):
        passed += share
        upto = count if place == last else math.floor(passed / total * count + start)
        yield from repeat(item, min(upto, count) - dealt)
        dealt = min(upto, count)


def one_bucket(images: int, resolution: int) -> Buckets:
    """All pictures as squares of `resolution` pixels."""
    return Buckets((0,) * images, ((resolution, resolution),))


def make_buckets(
    sizes: Sequence[Size],
    settings: TrainSettings,
    resolution: int,
    divisor: int,
    repeats: Sequence[float] = (),
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
    dealt = buckets.dealt(repeats, epoch)
    waiting: dict[int, list[int]] = {}
    for place in permutation(len(dealt), seed, epoch):
        item = dealt[place]
        step = waiting.setdefault(buckets.of[item], [])
        step.append(item)
        if len(step) == pictures:
            yield tuple(waiting.pop(buckets.of[item]))
    yield from map(tuple, waiting.values())
