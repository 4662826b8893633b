"""Sizes of buckets: within the picture, within the area, of its shape."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.dataset.pictures.buckets import LONGEST, bucket_of, step_of

SIDE = st.integers(1, 6000)


@given(SIDE, SIDE, st.integers(32, 2048), st.sampled_from([8, 16, 32, 64]))
def test_no_side_is_enlarged_and_no_picture_left_out(
    width: int, height: int, resolution: int, step: int
) -> None:
    wide, high = bucket_of((width, height), resolution, step)
    assert wide >= step <= high
    assert wide % step == high % step == 0
    if min(width, height) >= step:
        assert wide <= width
        assert high <= height
    if min(width, height) >= step and resolution >= LONGEST * step:
        assert wide * high <= resolution**2
    # turned, it is the same bucket turned
    assert bucket_of((height, width), resolution, step) == (high, wide) or wide * high == high**2


@given(st.integers(512, 6000), st.integers(512, 6000))
def test_little_is_cut_off(width: int, height: int) -> None:
    """Of no more than four to one, and not smaller than the resolution, less than a fifth; with
    finer steps less than a twentieth."""
    if max(width, height) > LONGEST * min(width, height):
        return
    for step, most in ((64, 0.2), (8, 0.04)):
        wide, high = bucket_of((width, height), 512, step)
        scale = max(wide / width, high / height)
        assert 1 - wide * high / (scale * width * scale * height) < most


@pytest.mark.parametrize(
    ("size", "resolution", "bucket"),
    [
        ((1000, 1000), 512, (512, 512)),
        ((4000, 3000), 512, (576, 448)),
        ((3000, 4000), 512, (448, 576)),
        ((10_000, 100), 512, (384, 64)),  # four to one of what is 100 high
        ((20_000, 2000), 512, (1024, 256)),
        ((1024, 1024), 1024, (1024, 1024)),
        ((511, 600), 512, (448, 512)),  # a square of 512 would enlarge it
        ((300, 400), 512, (256, 384)),
        ((5, 5), 512, (64, 64)),
    ],
)
def test_buckets_of_known_pictures(
    size: tuple[int, int], resolution: int, bucket: tuple[int, int]
) -> None:
    assert bucket_of(size, resolution, 64) == bucket


def test_steps_fit_the_resolution_and_the_model() -> None:
    assert [step_of(resolution) for resolution in (1024, 256, 128, 64, 32)] == [64, 64, 16, 8, 8]
    assert step_of(64, 16) == 16
    assert step_of(100, 16) == 16
    assert math.gcd(step_of(1024, 32), 32) == 32
