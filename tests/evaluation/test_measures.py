"""Figures and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hubtools.evaluation.measures import (
    difference,
    diversity,
    fidelity,
    figure,
    nearest,
    nearest_neighbours,
    unit,
)
from hubtools.evaluation.run import shown_by

VALUES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30)


@given(VALUES)
def test_an_interval_holds_the_mean_and_lies_among_the_values(values: list[float]) -> None:
    found = figure(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-6)
    slack = 1e-6
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def test_the_interval_of_many_draws_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 400)
    found = figure(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)
    assert figure(values) == found, "the same numbers give the same interval"


def test_no_values_are_no_figure() -> None:
    found = figure([])
    assert found.n == 0
    assert np.isnan(found.mean)


def test_differences_are_taken_pair_by_pair() -> None:
    base = np.random.default_rng(2).normal(0, 5, 50)
    found = difference(base + 0.1, base)
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)
    with pytest.raises(ValueError, match="49 values against 50"):
        difference(base[:-1], base)


def test_similarities_of_known_vectors() -> None:
    real = unit(np.array([[2.0, 0.0], [0.0, 3.0]]))
    drawn = unit(np.array([[5.0, 0.0], [1.0, 1.0]]))
    half = np.sqrt(0.5)
    assert fidelity(drawn, real) == pytest.approx([0.5, half])
    assert nearest(drawn, real) == pytest.approx([1.0, half])
    assert nearest_neighbours(unit(np.array([[1.0, 0], [1, 1], [0, 1]]))) == pytest.approx(
        [half] * 3
    )
    assert unit(np.zeros((1, 4))).tolist() == [[0.0] * 4]


def test_diversity_compares_pictures_of_one_prompt_only() -> None:
    rows = unit(np.array([[1.0, 0], [1, 0], [0, 1], [1, 1]]))
    assert diversity(rows, ["a", "a", "b", "b"]) == pytest.approx([0.0, 1 - np.sqrt(0.5)])
    assert diversity(rows, ["a", "b", "c", "d"]).size == 0


def test_the_pictures_of_the_base_are_encoded_once() -> None:
    from hubtools.evaluation.run import _Comparison
    from hubtools.vision.encoders import PictureEncoder

    seen: list[int] = []

    def encode(pictures: Sequence[Image.Image]) -> Any:
        seen.append(len(pictures))
        return np.array([[picture.width, picture.height, 7.0] for picture in pictures])

    real, base = ([Image.new("RGB", (w, 9 - w)) for w in sizes] for sizes in ((3, 4), (5, 1, 2)))
    encoder = PictureEncoder("sizes", encode, True, lambda: "sizes")
    compare = _Comparison.of(encoder, real, base)
    assert seen == [2, 3]
    ours = compare.encode([base[0], base[2]], [0, 2])
    assert seen == [2, 3]
    assert np.array_equal(ours, compare.encode([base[0], base[2]]))


def test_marks_that_the_training_pictures_lack_are_not_read() -> None:
    pictures = [Image.new("RGB", (8, 8), (shade, 0, 0)) for shade in (200, 200, 0)]
    readers: dict[str, Any] = {
        "red": lambda some: np.array([one.getpixel((0, 0))[0] > 100 for one in some], float),
        "green": lambda some: np.array([one.getpixel((0, 0))[1] > 100 for one in some], float),
    }
    assert list(shown_by(pictures, readers)) == ["red"]
