"""The notation of prompt weights: what is notation weighs, everything else is text."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.inference.prompts import LIMIT, Fragment, read_prompt

TRIGGER = "(lora-misato-token)"
# Mostly notation, so that brackets meet.
noisy = st.text(alphabet="()[]\\:.+-0123456789 ab,é漢")


def weights(prompt: str, *literals: str) -> list[tuple[str, float]]:
    fragments = read_prompt(prompt, literals).fragments
    return [(fragment.text, round(fragment.weight, 6)) for fragment in fragments]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", []),
        ("a red hat", [("a red hat", 1)]),
        ("a (red) hat", [("a ", 1), ("red", 1.1), (" hat", 1)]),
        ("((red))", [("red", 1.21)]),
        ("[red]", [("red", 0.909091)]),
        ("a (red:1.3) hat", [("a ", 1), ("red", 1.3), (" hat", 1)]),
        ("(red: .5 )", [("red", 0.5)]),
        ("(red:-1)", [("red", -1)]),
        ("(a (b:2) c:0.5)", [("a ", 0.5), ("b", 1), (" c", 0.5)]),
        ("(a:1.0)b", [("ab", 1)]),
        (r"\(a\) \[b\]", [("(a) [b]", 1)]),
        (r"(a \(b\):1.2)", [("a (b)", 1.2)]),
        (r"C:\a", [(r"C:\a", 1)]),
        ("(", [("(", 1)]),
        (":) a (b", [(":) a (b", 1)]),
        ("(a [b)", [("a [b", 1.1)]),
        ("(a]", [("(a]", 1)]),
        ("[a:1.3]", [("a:1.3", 0.909091)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(in 1984:2024)", [("in 1984:2024", 1.1)]),
        ("a:1.3)", [("a:1.3)", 1)]),
        (
            "(deformed, distorted, disfigured:1.3), poorly drawn",
            [("deformed, distorted, disfigured", 1.3), (", poorly drawn", 1)],
        ),
    ],
)
def test_notation(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert weights(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (f"photo of {TRIGGER}, smiling", [(f"photo of {TRIGGER}, smiling", 1)]),
        (f"({TRIGGER}:1.3)", [(TRIGGER, 1.3)]),
        (f"({TRIGGER})", [(TRIGGER, 1.1)]),
        (f"{TRIGGER}{TRIGGER}", [(TRIGGER * 2, 1)]),
        (f"({TRIGGER} (smiling:1.5))", [(TRIGGER + " ", 1.1), ("smiling", 1.65)]),
        ("(lora-misato)", [("lora-misato", 1.1)]),
    ],
)
def test_the_trigger_keeps_its_brackets(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert weights(prompt, TRIGGER) == expected


def test_what_was_literal_and_what_was_loose_is_told() -> None:
    assert read_prompt(f"a {TRIGGER}", [TRIGGER, "(other)"]).literals == (TRIGGER,)
    assert not read_prompt("(a) [b]").loose
    for prompt in ("(a", "a)", "(a [b)", "[a) b]"):
        assert read_prompt(prompt).loose, prompt


@given(st.one_of(noisy, st.text()))
def test_any_string_can_be_read(prompt: str) -> None:
    reading = read_prompt(prompt)
    assert all(math.isfinite(f.weight) and abs(f.weight) <= LIMIT for f in reading.fragments)
    assert all(f.text for f in reading.fragments)
    # neighbours differ, or they would be one
    pairs = zip(reading.fragments, reading.fragments[1:], strict=False)
    assert all(one.weight != other.weight for one, other in pairs)


@given(st.text().filter(lambda text: not set(text) & set("()[]")))
def test_without_brackets_it_is_all_text(prompt: str) -> None:
    expected = (Fragment(prompt, 1.0),) if prompt else ()
    assert read_prompt(prompt).fragments == expected


@given(noisy)
def test_words_are_kept_in_order(prompt: str) -> None:
    def words(text: str) -> str:
        return re.sub(r"[()\[\]\\:.+\-0-9 ]", "", text)

    assert words(read_prompt(prompt).text) == words(prompt)


@given(st.text(alphabet="ab (", max_size=20), st.text(alphabet="ab ]", max_size=20))
def test_brackets_without_partner_are_text(before: str, after: str) -> None:
    prompt = before + after
    assert read_prompt(prompt).text == prompt
    assert not read_prompt(prompt).weighted


factors = st.floats(0.1, 9.9).map(lambda value: round(value, 2))


@given(st.lists(factors, min_size=1, max_size=4))
def test_nested_weights_multiply(values: list[float]) -> None:
    prompt = "x"
    for value in values:
        prompt = f"({prompt}:{value})"
    (fragment,) = read_prompt(prompt).fragments
    expected = max(-LIMIT, min(LIMIT, math.prod(values)))
    assert fragment.text == "x"
    assert fragment.weight == pytest.approx(expected)


@given(st.lists(st.sampled_from([TRIGGER, "(a:1.2)", "[b]", "c", ")", "("]), max_size=8))
def test_a_literal_is_never_taken_apart(parts: list[str]) -> None:
    prompt = " ".join(parts)
    assert read_prompt(prompt, [TRIGGER]).text.count(TRIGGER) == parts.count(TRIGGER)


def test_a_hundred_thousand_brackets_are_read_at_once() -> None:
    for prompt in ("(" * 100_000, "[" * 50_000 + ")" * 50_000, "(" * 50_000 + "a" + ")" * 50_000):
        read_prompt(prompt)
