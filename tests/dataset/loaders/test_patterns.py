"""Patterns of `configs:` against many files."""

from __future__ import annotations

import random
import re

import pytest

from hubtools.dataset.loaders import patterns
from hubtools.dataset.loaders.model import LoadError
from hubtools.dataset.loaders.patterns import Names, resolve, translate


def test_only_files_that_begin_as_a_pattern_does_are_tried() -> None:
    dice = random.Random(3)
    parts = ["a", "ab", "b", "data", "x-1", "[c]", "é", "\U0010ffff"]
    names = sorted({"/".join(dice.choices(parts, k=dice.randint(1, 3))) for _ in range(200)})
    globs = [
        "a*",
        "a/**",
        "data/*",
        "data/**/b",
        "é*",
        "\U0010ffff*",
        "x-?",
        "[ab]/*",
        "**",
        "*",
        "a",
    ]
    for given in (names, names[::-1]):
        known = Names(given)
        for glob in globs:
            matcher = re.compile(f"(?s:{translate(glob)})")
            assert resolve(glob, known) == [name for name in given if matcher.fullmatch(name)]


def test_a_product_of_patterns_and_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "_MOST_NAMES", 1_000)
    names = Names(f"f{number // 10}/{number}.png" for number in range(100))
    for number in range(10):  # a folder each: linear
        assert len(resolve(f"f{number}/*.png", names)) == 10
    with pytest.raises(LoadError, match="too many") as caught:
        list(map(resolve, ["**/*.png"] * 20, [names] * 20))
    assert not caught.value.sure
