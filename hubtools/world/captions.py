"""Captions of people: natural words in changing order, of which each piece knows what it names."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hubtools.world.people import Person

DROPPED = 0.10  # the share of captions from which a part is left out
_CANONICAL = 0.6  # the share of captions with the first wording of a value
_NO_ACCESSORY = 0.4  # of people without one, the share of whom it is said

QUALITY = ("clear facial features", "soft natural lighting", "high quality, detailed")
SUBJECTS = (
    "a person", "a girl", "someone", "a character", "a boy", "a young person", "an anime character",
)  # fmt: skip

# The first wording of a value is the canonical one, which the demo's captions use too.
WORDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "style": {
        "render": ("render", "soft render", "rendering"),
        "flat illustration": ("flat illustration", "flat vector illustration", "flat drawing"),
        "outlined cartoon": ("outlined cartoon", "cartoon with bold outlines", "cartoon drawing"),
        "pixel art": ("pixel art", "pixel art picture", "pixel art sprite"),
        "pointillist painting": (
            "pointillist painting", "painting made of dots", "pointillism painting",
        ),
    },
    "view": {
        "front": ("front view", "facing the viewer", "seen from the front"),
        "three-quarter left": (
            "three-quarter view from the left", "three-quarter left view", "turned to the left",
        ),
        "three-quarter right": (
            "three-quarter view from the right", "three-quarter right view", "turned to the right",
        ),
        "left profile": ("left side profile", "left profile", "profile view from the left"),
        "right profile": ("right side profile", "right profile", "profile view from the right"),
    },
    "framing": {
        "portrait": ("portrait", "close-up portrait", "head and shoulders"),
        "full body": ("full body", "full body view", "head to toe"),
    },
    "pose": {
        "standing": ("standing", "standing still"),
        "waving": ("waving", "waving a hand"),
        "hand on hip": ("hand on hip", "one hand on hip"),
        "walking": ("walking", "walking along"),
    },
    "expression": {
        "neutral": ("neutral expression", "calm face", "neutral face"),
        "smiling": ("smiling", "with a smile", "smiling face"),
        "surprised": ("surprised expression", "surprised", "surprised face"),
        "laughing": ("laughing", "laughing happily", "laughing face"),
        "winking": ("winking", "with a wink", "winking face"),
        "sad": ("sad", "sad expression", "sad face"),
    },
    "hair_colour": {
        "black": ("black", "jet black"),
        "brown": ("brown", "chestnut brown"),
        "blonde": ("blonde", "blond", "golden blonde"),
        "red": ("red", "bright red"),
        "orange": ("orange", "ginger orange"),
        "pink": ("pink",),
        "purple": ("purple", "violet"),
        "blue": ("blue",),
        "green": ("green",),
        "white": ("white", "snow white"),
    },
    "hair_style": {
        "short hair": ("short",),
        "bob": ("bob", "bob cut"),
        "long hair": ("long",),
        "ponytail": ("ponytail",),
        "twin tails": ("twin tails", "pigtails"),
        "bun": ("bun", "hair bun"),
        "curly hair": ("curly",),
    },
    "clothing": {
        "hoodie": ("hoodie", "hooded sweatshirt"),
        "sailor uniform": ("sailor uniform", "sailor suit"),
        "coat": ("coat", "overcoat"),
        "t-shirt": ("t-shirt", "tee shirt"),
        "dress": ("dress", "summer dress"),
    },
    "clothing_colour": {
        "red": ("red", "bright red"),
        "orange": ("orange",),
        "yellow": ("yellow",),
        "green": ("green",),
        "blue": ("blue",),
        "purple": ("purple", "violet"),
        "pink": ("pink",),
        "white": ("white",),
        "black": ("black",),
    },
    "accessory": {
        "none": ("no accessories", "without accessories"),
        "glasses": ("glasses", "wearing glasses", "with glasses", "round glasses"),
        "cap": ("cap", "wearing a cap", "with a cap", "baseball cap"),
        "headphones": ("headphones", "wearing headphones", "with headphones"),
        "scarf": ("scarf", "wearing a scarf", "with a scarf", "warm scarf"),
        "flower": ("flower in the hair", "with a flower in the hair", "hair flower"),
    },
    "skin": {
        "pale": ("pale skin", "very light skin"),
        "fair": ("fair skin", "light skin"),
        "tan": ("tan skin", "tanned skin"),
        "brown": ("brown skin", "medium brown skin"),
        "dark": ("dark skin", "very dark skin"),
    },
    "background": {
        **{
            colour: (f"{colour} background", f"plain {colour} background", f"{colour} backdrop")
            for colour in ("white", "grey", "pink", "mint", "lavender", "sky blue")
        },
        "beach": ("at the beach", "on a beach", "by the sea"),
        "forest": ("in a forest", "in the woods", "forest background"),
        "city": ("in a city", "in the city", "city background"),
        "night sky": ("under a night sky", "night sky background", "at night under the stars"),
        "snow": ("in the snow", "snowy background", "in a snowy landscape"),
        "sunset": ("at sunset", "sunset background", "in front of a sunset"),
    },
}  # fmt: skip


class Span(NamedTuple):
    """A piece of a caption, and the attribute and value it names; None for words between."""

    text: str
    attribute: str | None = None
    value: str | None = None


_Word = Callable[[str], Span]


def spans(person: Person, rng: random.Random) -> list[Span]:
    """A caption in pieces; their texts together are the caption."""

    def word(attribute: str) -> Span:
        value = getattr(person, attribute)
        wordings = WORDINGS[attribute][value]
        return Span(_one_of(wordings, rng), attribute, value)

    parts = [
        [word(attribute)]
        for attribute in ("view", "framing", "expression", "skin", "background")
        if rng.random() >= DROPPED
    ]
    if person.framing == "full body" and rng.random() >= DROPPED:
        parts.append([word("pose")])
    if rng.random() >= DROPPED:
        parts.append(_clothes(person, word, rng))
    said = 1 - DROPPED if person.accessory != "none" else _NO_ACCESSORY
    if rng.random() < said:
        parts.append([word("accessory")])
    first = [Span(_one_of(SUBJECTS, rng, 0.4))]
    if rng.random() >= DROPPED:
        first = [word("style"), Span(" of "), *first]
    if rng.random() >= DROPPED:
        if rng.random() < 0.5:
            first += [Span(" with "), *_hair(person, word, rng, article=True)]
        else:
            parts.append(_hair(person, word, rng))
    rng.shuffle(parts)
    if rng.random() < 0.3:
        parts.append([Span(rng.choice(QUALITY))])
    return _joined([first, *parts])


def caption(person: Person, rng: random.Random) -> str:
    """Natural words for a person: order, wording and what is left out change by chance."""
    return "".join(span.text for span in spans(person, rng))


def full_caption(person: Person) -> str:
    """Canonical wording that names every attribute a picture shows."""

    def word(attribute: str) -> Span:
        value = getattr(person, attribute)
        return Span(WORDINGS[attribute][value][0], attribute, value)

    pose = [[word("pose")]] if person.framing == "full body" else []
    parts = [
        [word("style"), Span(" of a person with "), *_hair(person, word, None, article=True)],
        [word("view")],
        [word("framing")],
        *pose,
        [word("expression")],
        _clothes(person, word, None),
        [word("accessory")],
        [word("skin")],
        [word("background")],
    ]
    return "".join(span.text for span in _joined(parts))


def _one_of(wordings: Sequence[str], rng: random.Random, first: float = _CANONICAL) -> str:
    if len(wordings) == 1 or rng.random() < first:
        return wordings[0]
    return rng.choice(wordings[1:])


def _joined(parts: Sequence[Sequence[Span]]) -> list[Span]:
    result = list(parts[0])
    for part in parts[1:]:
        result += [Span(", "), *part]
    return result


def _article(noun: str) -> Span:
    return Span("an " if noun[0] in "aeiou" else "a ")


def _hair(
    person: Person, word: _Word, rng: random.Random | None, *, article: bool = False
) -> list[Span]:
    """Hair in words; without a source of chance in the canonical ones."""
    colour, style = word("hair_colour"), word("hair_style")
    chance = rng.random() if rng else 1.0
    if chance < 0.07:
        return [colour, Span(" hair")]
    if person.hair_style in ("short hair", "long hair", "curly hair"):
        if chance < 0.14:
            return [style, Span(" hair")]
        if chance < 0.30:
            return [colour, Span(" "), style, Span(" hair")]
        return [style, Span(" "), colour, Span(" hair")]
    one = person.hair_style != "twin tails"
    if chance < 0.14:
        return [_article(style.text), style] if article and one else [style]
    if chance < 0.40:
        return [colour, Span(" hair in a " if one else " hair in "), style]
    pieces = [colour, Span(" "), style]
    return [_article(colour.text), *pieces] if article and one else pieces


def _clothes(person: Person, word: _Word, rng: random.Random | None) -> list[Span]:
    colour, kind = word("clothing_colour"), word("clothing")
    chance = rng.random() if rng else 1.0
    if chance < 0.07:
        return [Span("wearing "), _article(kind.text), kind]
    if chance < 0.14:
        return [colour, Span(" clothes")]
    pieces = [colour, Span(" "), kind]
    if chance < 0.28:
        return pieces
    start = "in " if chance < 0.42 else "dressed in " if chance < 0.50 else "wearing "
    return [Span(start), _article(colour.text), *pieces]
