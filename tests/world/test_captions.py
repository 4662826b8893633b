"""Captions name what is there, and nothing else."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.journey.example import SHOTS, TRIGGER
from hubtools.world import ATTRIBUTES, Person, caption, full_caption, sample, spans
from hubtools.world.captions import DROPPED, QUALITY, WORDINGS
from hubtools.world.people import CLOTHING_COLOURS, HAIR_COLOURS

seeds = st.integers(0, 2**32 - 1)


def test_every_value_has_wordings_and_no_wording_two_values() -> None:
    assert set(WORDINGS) == set(ATTRIBUTES)
    for attribute, values in ATTRIBUTES.items():
        assert tuple(WORDINGS[attribute]) == values
        counts = Counter(text for value in values for text in WORDINGS[attribute][value])
        assert max(counts.values()) == 1, attribute


@given(seeds, seeds)
def test_pieces_make_the_caption_and_name_the_person(who: int, how: int) -> None:
    person = sample(random.Random(who))
    pieces = spans(person, random.Random(how))
    assert "".join(piece.text for piece in pieces) == caption(person, random.Random(how))
    for text, attribute, value in pieces:
        if attribute is None:
            assert value is None
            continue
        assert getattr(person, attribute) == value
        assert value is not None
        assert text in WORDINGS[attribute][value]
    named = [piece.attribute for piece in pieces if piece.attribute]
    assert len(named) == len(set(named))
    assert person.framing == "full body" or "pose" not in named


def _said(text: str, wordings: dict[str, tuple[str, ...]]) -> set[str]:
    """The values whose wordings a text contains, the longest wording first."""
    found = set()
    for wording, value in sorted(
        ((wording, value) for value, all_ in wordings.items() for wording in all_),
        key=lambda pair: -len(pair[0]),
    ):
        pattern = rf"(?<![\w-]){re.escape(wording)}(?![\w-])"
        if re.search(pattern, text):
            found.add(value)
            text = re.sub(pattern, "#", text)
    return found


@given(seeds, seeds)
def test_read_without_its_pieces_a_caption_says_nothing_wrong(who: int, how: int) -> None:
    """The text alone, part by part: the colours before hair and clothes, and the places."""
    person = sample(random.Random(who))
    text = caption(person, random.Random(how))
    kinds = [w for all_ in WORDINGS["clothing"].values() for w in all_] + ["clothes"]
    hairs = ["hair", "bob", "bob cut", "ponytail", "twin tails", "pigtails", "bun", "hair bun"]
    for part in re.split(", | of | with ", text):
        if any(part.endswith(kind) for kind in kinds):
            assert _said(part, WORDINGS["clothing_colour"]) <= {person.clothing_colour}
            assert _said(part, WORDINGS["clothing"]) <= {person.clothing}
        elif any(part.endswith(hair) for hair in hairs) and "flower" not in part:
            assert _said(part, WORDINGS["hair_colour"]) <= {person.hair_colour}
            if part != "hair flower":
                assert not _said(part, WORDINGS["clothing"])
    for attribute in ("style", "view", "framing", "background", "skin", "expression"):
        assert _said(text, WORDINGS[attribute]) <= {getattr(person, attribute)}, attribute


@given(seeds)
def test_the_full_caption_names_everything(who: int) -> None:
    person = sample(random.Random(who))
    text = full_caption(person)
    for attribute in ATTRIBUTES:
        if attribute == "pose" and person.framing == "portrait":
            continue
        assert WORDINGS[attribute][getattr(person, attribute)][0] in text


def test_the_full_caption_reads_well() -> None:
    person = Person(
        "render", "front", "portrait", "standing", "smiling", "red", "twin tails", "hoodie",
        "blue", "glasses", "fair", "white", seed=1,
    )  # fmt: skip
    assert full_caption(person) == (
        "render of a person with red twin tails, front view, portrait, smiling, wearing a blue"
        " hoodie, glasses, fair skin, white background"
    )


@pytest.mark.parametrize(
    "attribute", [name for name in ATTRIBUTES if name not in ("pose", "accessory")]
)
def test_parts_are_dropped_about_as_often_as_said(attribute: str) -> None:
    rng = random.Random(5)
    total = 3000
    named = sum(
        any(piece.attribute == attribute for piece in spans(sample(rng), rng)) for _ in range(total)
    )
    # colours and kinds are also left out of a part that is there, in 7 % of cases
    share = 1 - named / total
    assert DROPPED - 0.025 < share < DROPPED + 0.10


def test_captions_vary() -> None:
    rng = random.Random(2)
    person = sample(rng)
    assert len({caption(person, rng) for _ in range(200)}) > 190


def test_the_examples_captions_are_of_this_world() -> None:
    """Every phrase of the example's captions is one that the base's captions may have."""
    phrases = {w for wordings in WORDINGS.values() for all_ in wordings.values() for w in all_}
    clothes = {f"wearing a {c} {k}" for c in CLOTHING_COLOURS for k in WORDINGS["clothing"]}
    quality = {part for words in QUALITY for part in words.split(", ")}
    for shot in SHOTS:
        first, *rest = shot.caption.split(", ")
        assert first == f"render of {TRIGGER}"
        assert set(rest) <= phrases | clothes | quality


def test_sampling_is_uniform_and_independent() -> None:
    rng = random.Random(11)
    people = [sample(rng) for _ in range(20_000)]
    rows: list[dict[str, Any]] = [person.values() for person in people]

    def excess(counts: Counter[Any], cells: int) -> float:
        """Chi-square of a table, in standard deviations above what chance gives."""
        expected = len(people) / cells
        square = sum((n - expected) ** 2 / expected for n in counts.values())
        square += (cells - len(counts)) * expected
        return (square - (cells - 1)) / (2 * (cells - 1)) ** 0.5

    names = list(ATTRIBUTES)
    for index, name in enumerate(names):
        assert excess(Counter(row[name] for row in rows), len(ATTRIBUTES[name])) < 4
        for other in names[index + 1 :]:
            cells = len(ATTRIBUTES[name]) * len(ATTRIBUTES[other])
            assert excess(Counter((row[name], row[other]) for row in rows), cells) < 4.5
    assert len(HAIR_COLOURS) == len(ATTRIBUTES["hair_colour"]) == 10


def test_what_only_the_example_has_is_never_sampled() -> None:
    rng = random.Random(3)
    for _ in range(2000):
        who = sample(rng).scene().character
        assert who.hair_tip is None
        assert who.star is None
