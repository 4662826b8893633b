"""The sentence that says which candidate to take."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from hubtools.evaluation.measures import Figure, difference, figure
from hubtools.evaluation.verdict import Contender, recommend

NOISE = np.random.default_rng(0).normal(0, 0.02, 32)


def of(
    subject: float, prompt: float = 0.9, *, step: int = 100, weight: float = 1.0, leak: float = 0.3,
    diversity: float = 0.3, memorised: float = 0.0, base: Contender | None = None,
) -> Contender:  # fmt: skip
    values: dict[str, Any] = {
        "subject_fidelity": subject + NOISE + np.random.default_rng(step).normal(0, 0.01, 32),
        "prompt_fidelity": prompt + NOISE,
        "leakage": leak + NOISE,
        "diversity": diversity + NOISE,
        "memorised": np.full(32, memorised),
    }
    against: dict[str, Figure] = {}
    if base is not None:
        against = {
            name: difference(found, _VALUES[id(base)][name]) for name, found in values.items()
        }
    made = Contender(
        f"step {step} at weight {weight:g}", step, weight,
        {name: figure(found) for name, found in values.items()}, against,
        values["subject_fidelity"],
    )  # fmt: skip
    _VALUES[id(made)] = values
    return made


_VALUES: dict[int, dict[str, Any]] = {}
BASE = of(0.4, 0.95, weight=0.0)


def test_the_one_most_like_the_pictures_is_taken() -> None:
    place, sentence = recommend(BASE, [of(0.5, step=100, base=BASE), of(0.8, step=200, base=BASE)])
    assert place == 1
    assert sentence == (
        "Take step 200 at weight 1: it is most like the pictures (0.80; base 0.40) and follows"
        " prompts at 0.90 (base 0.95)."
    )


def test_nothing_learned_is_said() -> None:
    place, sentence = recommend(BASE, [of(0.4, base=BASE)])
    assert place is None
    assert sentence.startswith("Nothing shows that the subject was learned: the best, ")
    assert (
        "is not surely more like the pictures than the base (the similarities differ by +0.000, "
        in sentence
    )
    assert "-0.000" not in recommend(BASE, [of(0.4 - 1e-5, base=BASE)])[1]


def test_what_is_surely_next_to_nothing_is_not_taken() -> None:
    place, sentence = recommend(BASE, [of(0.42, base=BASE)], real=0.9)
    assert place is None
    assert sentence.startswith("Hardly anything of the subject was learned: the best, step 100 at")
    assert re.search(r"has come [34]\.\d % of the way from the base", sentence)
    assert recommend(BASE, [of(0.44, base=BASE)], real=0.9)[0] == 0


def test_one_that_forgets_loses_to_one_that_does_not() -> None:
    forgetful = of(0.9, 0.5, step=300, base=BASE)
    place, sentence = recommend(BASE, [of(0.7, step=100, base=BASE), forgetful])
    assert place == 0
    assert "but" not in sentence
    place, sentence = recommend(BASE, [forgetful])
    assert place == 0
    assert "worse than the base; a lower weight or an earlier step may do better." in sentence


@pytest.mark.parametrize(
    "fault, word", [({"diversity": 0.05}, "again and again"), ({"memorised": 0.5}, "copies")]
)
def test_collapse_and_copies_are_faults(fault: dict[str, float], word: str) -> None:
    faulty = of(0.9, step=300, base=BASE, **fault)
    assert recommend(BASE, [of(0.6, base=BASE), faulty])[0] == 0
    assert word in recommend(BASE, [faulty])[1]


def test_of_equals_the_one_that_follows_prompts_best_is_taken() -> None:
    place, sentence = recommend(
        BASE, [of(0.798, 0.93, step=200, base=BASE), of(0.8, 0.88, step=400, base=BASE)]
    )
    assert place == 0
    assert "as much like the pictures (0.80; base 0.40) as step 400 at weight 1" in sentence


def test_leaking_is_told() -> None:
    _, sentence = recommend(BASE, [of(0.8, leak=0.6, base=BASE)])
    assert sentence.endswith("but it shows the subject without its trigger too.")


def test_likeness_is_told_between_the_base_and_the_pictures() -> None:
    before = BASE.figures["subject_fidelity"].mean
    _, sentence = recommend(BASE, [of(0.8, base=BASE)], real=before + 2 * (0.8 - before))
    assert "(50 %; base 0 %)" in sentence
    _, sentence = recommend(BASE, [of(0.8, base=BASE)], real=before)
    assert "%" not in sentence
