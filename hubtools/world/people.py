"""People of the world: a word for every attribute, chosen by chance, each as likely as the next."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any, get_args

from hubtools.world.scene import (
    Accessory,
    Background,
    Character,
    Clothing,
    Colour,
    Expression,
    Framing,
    HairStyle,
    Outfit,
    Pose,
    Scene,
    Style,
    View,
)

HAIR_COLOURS: dict[str, Colour] = {
    "black": (44, 42, 50),
    "brown": (122, 76, 46),
    "blonde": (242, 208, 112),
    "red": (204, 44, 42),
    "orange": (242, 132, 40),
    "pink": (248, 142, 184),
    "purple": (144, 84, 194),
    "blue": (56, 104, 216),
    "green": (66, 164, 84),
    "white": (236, 238, 246),
}
CLOTHING_COLOURS: dict[str, Colour] = {
    "red": (210, 58, 56),
    "orange": (240, 136, 48),
    "yellow": (246, 208, 74),
    "green": (82, 160, 92),
    "blue": (66, 112, 206),
    "purple": (142, 92, 192),
    "pink": (246, 152, 186),
    "white": (246, 246, 250),
    "black": (54, 52, 62),
}
SKINS: dict[str, Colour] = {
    "pale": (255, 233, 222),
    "fair": (248, 211, 184),
    "tan": (222, 168, 124),
    "brown": (164, 108, 74),
    "dark": (106, 68, 50),
}
# Not captioned, so not an attribute.
_EYES: tuple[Colour, ...] = (
    (92, 64, 48), (150, 104, 56), (70, 140, 90), (60, 120, 190), (110, 124, 140), (130, 90, 170),
)  # fmt: skip

# Every attribute and its values, in the order of a classifier's outputs.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "style": get_args(Style),
    "view": get_args(View),
    "framing": get_args(Framing),
    "pose": get_args(Pose),
    "expression": get_args(Expression),
    "hair_colour": tuple(HAIR_COLOURS),
    "hair_style": get_args(HairStyle),
    "clothing": get_args(Clothing),
    "clothing_colour": tuple(CLOTHING_COLOURS),
    "accessory": get_args(Accessory),
    "skin": tuple(SKINS),
    "background": get_args(Background),
}


@dataclass(frozen=True)
class Person:
    """One picture of one person, in words. `pose` shows in a full body only. `seed` decides what
    has no word: eye colour, where the figure stands, how the background's parts are placed."""

    style: Style
    view: View
    framing: Framing
    pose: Pose
    expression: Expression
    hair_colour: str
    hair_style: HairStyle
    clothing: Clothing
    clothing_colour: str
    accessory: Accessory
    skin: str
    background: Background
    seed: int

    def values(self) -> dict[str, int]:
        """The index of each attribute's value in `ATTRIBUTES`."""
        return {name: words.index(getattr(self, name)) for name, words in ATTRIBUTES.items()}

    def scene(self) -> Scene:
        """What to draw."""
        rng = random.Random(self.seed)
        full = self.framing == "full body"
        return Scene(
            character=Character(
                skin=_near(SKINS[self.skin], rng),
                hair=_near(HAIR_COLOURS[self.hair_colour], rng),
                hair_style=self.hair_style,
                eyes=rng.choice(_EYES),
            ),
            outfit=Outfit(self.clothing, _near(CLOTHING_COLOURS[self.clothing_colour], rng)),
            view=self.view,
            framing=self.framing,
            pose=self.pose,
            expression=self.expression,
            accessory=self.accessory,
            background=self.background,
            style=self.style,
            tilt=rng.uniform(-2.5, 2.5) if full else rng.uniform(-6, 6),
            shift=(rng.uniform(-40, 40), rng.uniform(-4, 8))
            if full
            else (rng.uniform(-22, 22), rng.uniform(-10, 16)),
            scale=rng.uniform(0.93, 1.02) if full else rng.uniform(0.92, 1.06),
            seed=rng.getrandbits(32),
        )


assert tuple(ATTRIBUTES) == tuple(field.name for field in fields(Person))[:-1]


def sample(rng: random.Random) -> Person:
    """A person by chance: attributes are independent, their values equally likely."""
    words: dict[str, Any] = {name: rng.choice(values) for name, values in ATTRIBUTES.items()}
    return Person(**words, seed=rng.getrandbits(32))


def _near(colour: Colour, rng: random.Random) -> Colour:
    """The colour a little lighter or darker, so that one word is not one number."""
    share = rng.uniform(-5, 5)
    red, green, blue = (round(min(255.0, max(0.0, part + share))) for part in colour)
    return red, green, blue
