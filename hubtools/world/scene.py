"""What a picture is made of: a scene, with colours as numbers. Words are in `vocabulary`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Colour = tuple[int, int, int]

View = Literal[
    "front", "three-quarter left", "three-quarter right", "left profile", "right profile"
]
Framing = Literal["portrait", "full body"]
Pose = Literal["standing", "waving", "hand on hip", "walking"]
Expression = Literal["neutral", "smiling", "surprised", "laughing", "winking", "sad"]
HairStyle = Literal["short hair", "bob", "long hair", "ponytail", "twin tails", "bun", "curly hair"]
Clothing = Literal["hoodie", "sailor uniform", "coat", "t-shirt", "dress"]
Accessory = Literal["none", "glasses", "cap", "headphones", "scarf", "flower"]
Background = Literal[
    "white", "grey", "pink", "mint", "lavender", "sky blue",
    "beach", "forest", "city", "night sky", "snow", "sunset",
]  # fmt: skip
Style = Literal[
    "render", "flat illustration", "outlined cartoon", "pixel art", "pointillist painting"
]


@dataclass(frozen=True)
class Character:
    """Who is drawn. Colours are RGB. `hair_tip`, where hair hangs, and `star`, on both cheeks,
    are marks that no word of the world names: only a subject taught to a model has them."""

    skin: Colour = (250, 219, 198)
    hair: Colour = (46, 40, 66)
    hair_style: HairStyle = "twin tails"
    eyes: Colour = (52, 150, 160)
    hair_tip: Colour | None = None
    star: Colour | None = None


@dataclass(frozen=True)
class Outfit:
    """What the character wears."""

    kind: Clothing = "hoodie"
    colour: Colour = (76, 116, 204)


@dataclass(frozen=True)
class Scene:
    """One picture. `seed` places the parts of the background. `tilt` (degrees, anticlockwise),
    `shift` (512ths of the picture's width, right and down) and `scale` move the figure in it."""

    character: Character = field(default_factory=Character)
    outfit: Outfit = field(default_factory=Outfit)
    view: View = "front"
    framing: Framing = "portrait"
    pose: Pose = "standing"  # seen in a full body only
    expression: Expression = "neutral"
    accessory: Accessory = "none"
    background: Background = "white"
    style: Style = "render"
    tilt: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    seed: int = 0
