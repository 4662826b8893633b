"""Which split a picture belongs to, by the patterns of a card."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.dataset.loaders.patterns import translate
from hubtools.dataset.packing.splits import Splitter
from hubtools.errors import HubtoolsError

_PARTS = st.sampled_from(
    ["a", "b", "ab", "*", "**", "a*", "*b", "?", "[ab]", "[b", "a.png", "*.png"]
)
_PATTERN = st.lists(_PARTS, min_size=1, max_size=3).map("/".join)
_NAME = st.lists(st.sampled_from(["a", "b", "ab", "aab", "a.png", "b.png"]), min_size=1, max_size=4)


def card(patterns: list[str]) -> dict[str, Any]:
    files = [{"split": str(number), "path": path} for number, path in enumerate(patterns)]
    return {"configs": [{"config_name": "default", "data_files": files}]}


@given(st.lists(_PATTERN, min_size=1, max_size=6), _NAME.map("/".join))
def test_the_first_pattern_that_fits_counts(patterns: list[str], name: str) -> None:
    splitter = Splitter(Path("set"), card(patterns))
    matching = (n for n, p in enumerate(patterns) if re.fullmatch(f"(?s:{translate(p)})", name))
    wanted = next(matching, None)
    if wanted is None:
        with pytest.raises(HubtoolsError, match="in no split"):
            splitter.of(name)
    else:
        assert splitter.of(name) == str(wanted)


@pytest.mark.parametrize(
    "form", ["all/{:04d}.png", "{:04d}/**", "**/{:04d}.png", "all/{:04d}*.png"]
)
def test_a_picture_is_held_against_few_patterns(form: str) -> None:
    patterns = [form.format(number) for number in range(500)]
    splitter = Splitter(Path("set"), card(patterns))
    for number in (0, 499):
        name = form.format(number).replace("**", "all").replace("*", "")
        assert len(list(splitter._near(name))) == 1
        assert splitter.of(name) == str(number)
