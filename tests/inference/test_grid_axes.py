"""Axes as they are typed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.errors import UsageError
from hubtools.inference.grid.axes import MOST_VALUES, NAMES, parse_axis


def values(text: str) -> list[Any]:
    return [value.value for value in parse_axis(text).values]


def labels(text: str) -> list[str]:
    return [value.label for value in parse_axis(text).values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scheduler=euler_a, dpmpp_2m,default", ["euler_a", "dpmpp_2m", "default"]),
        ("seed=0..3", [0, 1, 2, 3]),
        ("seed=5,7..8", [5, 7, 8]),
        ("seed=0:10:5", [0, 5, 10]),
        ("lora_weight=0:1:0.25", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("lora-weight=0:0.3:0.1", [0.0, 0.1, 0.2, 0.3]),
        ("lora_weight=1:-1:-1", [1.0, 0.0, -1.0]),
        ("guidance=1,7.5", [1.0, 7.5]),
        ("guidance_scale=2", [2.0]),
        ("steps=10:30:10", [10, 20, 30]),
        ("step=100,final", [100, None]),
        ("checkpoint=all", ["all"]),
        ("size=64,64x96", [(64, 64), (64, 96)]),
        ("prompt=a dog, red|a cat", ["a dog, red", "a cat"]),
        ("negative_prompt=|blurry, (bad:1.3)", ["", "blurry, (bad:1.3)"]),
        ("prompt.style=Monet, Picasso,plain", ["Monet", "Picasso", "plain"]),
        ("prompt.end=, in oil, old|, in ink|", [", in oil, old", ", in ink", ""]),
    ],
)
def test_values(text: str, expected: list[Any]) -> None:
    assert values(text) == expected


def test_labels_say_what_they_are() -> None:
    assert labels("lora_weight=0,0.50,1") == ["base", "LoRA 0.5", "LoRA 1"]
    assert labels("seed=10,100") == ["seed 10", "seed 100"]
    assert labels("step=500,final") == ["step 500", "final"]
    assert labels("prompt.end=, in oil|") == ["in oil", "(nothing)"]
    assert labels("size=512x768") == ["512x768"]
    assert labels("negative_prompt=|bad") == ["no negative prompt", "negative: bad"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed", "is no axis"),
        ("sead=1", "no axis 'sead'"),
        ("prompt.1=a", "no axis"),
        ("seed=", "no values"),
        ("prompt=", "no values"),
        ("seed=a", "'a' is no value"),
        ("seed=1.5", "is no value"),
        ("seed=-1", "is no value"),
        ("steps=0", "is no value"),
        ("seed=0:1", "is no value"),
        ("seed=0:1:0", "never arrives"),
        ("seed=3..1", "never arrives"),
        ("seed=1,1", "'seed 1' twice"),
        ("lora_weight=nan", "is no value"),
        ("lora_weight=1e999", "is no value"),
        ("guidance=-1", "cannot be negative"),
        ("size=100", "is no size"),
        ("size=0x64", "is no size"),
        ("scheduler=eular", "No scheduler is called 'eular'"),
        ("seed=0..100000", "100,001 values"),
    ],
)
def test_mistakes_get_a_sentence(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_axis(text)
    assert caught.value.hint


@given(
    st.one_of(
        st.text(),
        st.builds("{}={}".format, st.sampled_from([*NAMES, "prompt.x"]), st.text()),
        st.builds(
            "{}={}".format, st.sampled_from(NAMES), st.text(alphabet="0123456789.:,-+eE x|infa")
        ),
    )
)
def test_any_text_is_an_axis_or_a_mistake(text: str) -> None:
    try:
        axis = parse_axis(text)
    except UsageError:
        return
    assert 0 < len(axis.values) <= MOST_VALUES
    assert all(value.label for value in axis.values)


@given(st.integers(-50, 50), st.integers(0, 40), st.integers(1, 30))
def test_ranges_end_where_they_say(begin: int, count: int, by: int) -> None:
    found = values(f"lora_weight={begin / 10}:{(begin + count * by) / 10}:{by / 10}")
    assert found == [(begin + by * index) / 10 for index in range(count + 1)]
