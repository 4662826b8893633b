"""Captions read back say what they named."""

from __future__ import annotations

import random

import pytest

from hubtools.journey.example import SHOTS
from hubtools.world import full_caption, sample, spans
from hubtools.world.reading import read_caption


def test_full_captions_are_read_whole() -> None:
    rng = random.Random(5)
    for _ in range(500):
        person = sample(rng)
        said = read_caption(full_caption(person))
        names = set(person.values()) - ({"pose"} if person.framing == "portrait" else set())
        assert said == {name: getattr(person, name) for name in names}, full_caption(person)


def test_free_captions_are_read_as_they_were_meant() -> None:
    rng = random.Random(6)
    for _ in range(1000):
        pieces = spans(sample(rng), rng)
        meant = {p.attribute: p.value for p in pieces if p.attribute}
        text = "".join(p.text for p in pieces)
        assert read_caption(text) == meant, text


def test_the_captions_of_the_example_are_read() -> None:
    for shot in SHOTS:
        said = read_caption(shot.caption)
        assert said["view"] == shot.view
        assert said["clothing"], said["clothing_colour"] == (shot.clothing, shot.colour)
        assert said["background"] == shot.background
        assert "hair_colour" not in said


@pytest.mark.parametrize("text", ["", "a photo of (lora-misato-token)", "hair", "redwood coats"])
def test_what_names_nothing_is_read_as_nothing(text: str) -> None:
    assert read_caption(text) == {}
