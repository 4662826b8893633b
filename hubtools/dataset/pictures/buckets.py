"""Sizes at which pictures of unequal shape are trained: as many pixels as a square has, no picture
enlarged, and as little cut off as the steps between sizes allow."""

from __future__ import annotations

import math
from functools import lru_cache

Size = tuple[int, int]

# The ends of what is longer, as times its shorter side, are cut off.
LONGEST = 4


def step_of(resolution: int, divisor: int = 8) -> int:
    """Pixels by which the sides of buckets differ: 64, less where that would be too coarse; a
    multiple of `divisor`."""
    step = 64 if resolution >= 256 else max(8, resolution // 8)
    return -(-step // divisor) * divisor


@lru_cache(maxsize=1 << 16)
def bucket_of(size: Size, resolution: int, step: int) -> Size:
    """(width, height) of the bucket of a picture of `size`: multiples of `step` that have at most
    the area of a square of `resolution` and lie within the picture, of the nearest shape (compared
    by the logarithm, as it is symmetric). A side is never less than `step`, so that no picture is
    left out; only one that is smaller than that is enlarged."""
    width, height = min(size[0], LONGEST * size[1]), min(size[1], LONGEST * size[0])
    scale = min(1.0, resolution / math.sqrt(width * height))
    found = [
        (wide, high)
        for wide in _around(width * scale, step)
        for high in _around(height * scale, step)
        if wide <= width and high <= height and wide * high <= resolution * resolution
    ]
    if not found:
        return _around(width * scale, step)[0], _around(height * scale, step)[0]

    def unlike(bucket: Size) -> float:
        return round(abs(math.log(bucket[0] * height / (bucket[1] * width))), 6)

    return min(found, key=lambda bucket: (unlike(bucket), -bucket[0] * bucket[1], bucket))


def _around(side: float, step: int) -> tuple[int, int]:
    """The multiples of `step` below and above, neither of them none."""
    below = max(1, int(side) // step) * step
    return below, below + step
