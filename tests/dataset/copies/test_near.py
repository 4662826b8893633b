"""The search finds exactly the pairs that comparing all with all finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubtools.dataset.copies.hamming import near_pairs


def brute(hashes: np.ndarray, radius: int) -> list[tuple[int, int]]:
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    return [tuple(pair) for pair in np.argwhere(np.triu(apart <= radius, 1)).tolist()]


@st.composite
def families(draw: st.DrawFn) -> np.ndarray:
    """Hashes of which many are a few bits from each other."""
    parents = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=5))
    found = []
    for _ in range(draw(st.integers(0, 40))):
        value = draw(st.sampled_from(parents))
        for bit in draw(st.lists(st.integers(0, 63), max_size=9)):
            value ^= 1 << bit
        found.append(value)
    return np.array(found, dtype=np.uint64)


@settings(max_examples=100, deadline=None)
@given(families(), st.integers(0, 12))
def test_it_equals_brute_force(hashes: np.ndarray, radius: int) -> None:
    left, right, apart = near_pairs(hashes, radius)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == brute(hashes, radius)
    assert (apart == np.bitwise_count(hashes[left] ^ hashes[right])).all()


def test_many_hashes_at_once() -> None:
    random = np.random.default_rng(5)
    hashes = random.integers(0, 2**64, 3000, dtype=np.uint64)
    hashes[:300] = hashes[300:600] ^ (np.uint64(1) << random.integers(0, 64, 300, dtype=np.uint64))
    left, right, _ = near_pairs(hashes, 6)
    assert list(zip(left.tolist(), right.tolist(), strict=True)) == brute(hashes, 6)
    assert len(left) >= 300


@pytest.mark.parametrize("radius", [-1, 13])
def test_other_radii_are_refused(radius: int) -> None:
    with pytest.raises(ValueError, match="radius"):
        near_pairs(np.zeros(2, dtype=np.uint64), radius)
