"""The built-in example: 21 drawn pictures of one invented character, with captions.

They follow the advice for a subject LoRA: three or four portraits, three-quarter views from each
side, profiles and full-body shots; expressions, clothes and backgrounds vary and are said in the
captions, so that the trigger is left with what does not vary: the character.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from hubtools.rooted import Root
from hubtools.world.captions import WORDINGS
from hubtools.world.people import CLOTHING_COLOURS
from hubtools.world.picture import draw
from hubtools.world.scene import (
    Background,
    Character,
    Clothing,
    Expression,
    Framing,
    Outfit,
    Pose,
    Scene,
    View,
)

TRIGGER = "(lora-misato-token)"
CAPTION_COLUMN = "prompt"
SIZE = 512

# Dark indigo hair that turns teal at the tips of its twin tails, and a star on each cheek: what
# no word of the drawn world can say, so that a model can only learn it from these pictures.
CHARACTER = Character(
    hair=(46, 40, 66), hair_tip=(38, 200, 190), star=(238, 36, 128), eyes=(52, 150, 160)
)


@dataclass(frozen=True)
class Shot:
    """One picture of the plan. `words` end the caption."""

    file: str
    view: View
    framing: Framing
    expression: Expression
    colour: str
    clothing: Clothing
    background: Background
    words: str
    tilt: float = 0.0
    pose: Pose = "standing"

    @property
    def caption(self) -> str:
        """In the style of prompts, so that prompts find what was learnt."""
        parts = [
            f"render of {TRIGGER}",
            WORDINGS["view"][self.view][0],
            self.framing,
            *([self.pose] if self.framing == "full body" else []),
            WORDINGS["expression"][self.expression][0],
            f"wearing a {self.colour} {self.clothing}",
            WORDINGS["background"][self.background][0],
            self.words,
        ]
        return ", ".join(parts)

    def scene(self) -> Scene:
        """What to draw."""
        return Scene(
            character=CHARACTER,
            outfit=Outfit(self.clothing, CLOTHING_COLOURS[self.colour]),
            view=self.view,
            framing=self.framing,
            pose=self.pose,
            expression=self.expression,
            background=self.background,
            tilt=self.tilt,
        )


_CLEAR, _SOFT, _FINE = "clear facial features", "soft natural lighting", "high quality, detailed"

# fmt: off
SHOTS: tuple[Shot, ...] = (
    Shot("front-neutral.png", "front", "portrait", "neutral", "blue", "hoodie", "white", _CLEAR),
    Shot("front-smile.png", "front", "portrait", "smiling", "white", "sailor uniform", "pink", _SOFT),
    Shot("front-laugh.png", "front", "portrait", "laughing", "red", "coat", "mint", _FINE, 4),
    Shot("front-wink.png", "front", "portrait", "winking", "yellow", "hoodie", "lavender", _CLEAR, -5),
    Shot("threequarterleft-neutral.png", "three-quarter left", "portrait", "neutral", "red", "coat", "grey", _CLEAR),
    Shot("threequarterleft-smile.png", "three-quarter left", "portrait", "smiling", "blue", "hoodie", "sky blue", _SOFT),
    Shot("threequarterleft-surprise.png", "three-quarter left", "portrait", "surprised", "green", "coat", "white", _FINE, 3),
    Shot("threequarterleft-laugh.png", "three-quarter left", "portrait", "laughing", "white", "sailor uniform", "lavender", _SOFT),
    Shot("threequarterright-neutral.png", "three-quarter right", "portrait", "neutral", "yellow", "hoodie", "white", _FINE),
    Shot("threequarterright-smile.png", "three-quarter right", "portrait", "smiling", "green", "coat", "pink", _CLEAR, -3),
    Shot("threequarterright-sad.png", "three-quarter right", "portrait", "sad", "blue", "hoodie", "grey", _SOFT),
    Shot("threequarterright-surprise.png", "three-quarter right", "portrait", "surprised", "white", "sailor uniform", "mint", _CLEAR),
    Shot("leftprofile-neutral.png", "left profile", "portrait", "neutral", "white", "sailor uniform", "sky blue", _CLEAR),
    Shot("leftprofile-smile.png", "left profile", "portrait", "smiling", "yellow", "hoodie", "grey", _FINE),
    Shot("rightprofile-neutral.png", "right profile", "portrait", "neutral", "green", "coat", "lavender", _SOFT),
    Shot("rightprofile-smile.png", "right profile", "portrait", "smiling", "red", "coat", "white", _CLEAR),
    Shot("fullbody-standing.png", "front", "full body", "neutral", "blue", "hoodie", "mint", _FINE),
    Shot("fullbody-waving.png", "front", "full body", "smiling", "white", "sailor uniform", "grey", _SOFT, pose="waving"),
    Shot("fullbody-walking.png", "three-quarter left", "full body", "smiling", "red", "coat", "sky blue", _FINE, pose="walking"),
    Shot("fullbody-handonhip.png", "three-quarter right", "full body", "neutral", "green", "coat", "white", _CLEAR, pose="hand on hip"),
    Shot("fullbody-laugh.png", "front", "full body", "laughing", "yellow", "hoodie", "pink", _SOFT),
)
# fmt: on


# The same character in places and clothes that the dataset does not show, to measure with.
# fmt: off
HELD_OUT: tuple[Shot, ...] = (
    Shot("front-purple-dress.png", "front", "portrait", "neutral", "purple", "dress", "sky blue", _CLEAR),
    Shot("front-black-coat.png", "front", "portrait", "smiling", "black", "coat", "beach", _SOFT, 3),
    Shot("threequarterleft-pink-hoodie.png", "three-quarter left", "portrait", "laughing", "pink", "hoodie", "forest", _FINE),
    Shot("threequarterright-orange-shirt.png", "three-quarter right", "portrait", "neutral", "orange", "t-shirt", "city", _CLEAR),
    Shot("leftprofile-green-hoodie.png", "left profile", "portrait", "sad", "green", "hoodie", "snow", _SOFT),
    Shot("rightprofile-white-shirt.png", "right profile", "portrait", "smiling", "white", "t-shirt", "sunset", _FINE, -3),
    Shot("fullbody-red-dress.png", "front", "full body", "smiling", "red", "dress", "beach", _CLEAR),
    Shot("fullbody-purple-hoodie.png", "three-quarter left", "full body", "neutral", "purple", "hoodie", "pink", _SOFT, pose="walking"),
)
# fmt: on


def write_held_out(folder: Path) -> list[Path]:
    """Draw eight further pictures of the character into `folder`, in the same form."""
    return _write(folder, HELD_OUT)


def write_example(folder: Path, trigger: str = TRIGGER) -> list[Path]:
    """Draw the example dataset into `folder`: 21 PNG files of 512 px and metadata.jsonl with the
    columns file_name and prompt, which calls the character `trigger`. Gives the pictures' paths.
    Raises `HubtoolsError` if something else has one of the names."""
    return _write(folder, SHOTS, trigger)


def example_files(trigger: str = TRIGGER) -> dict[str, Callable[[], bytes]]:
    """What `write_example` writes, by name: a function that makes its bytes."""
    made: dict[str, Callable[[], bytes]] = {shot.file: partial(_png, shot) for shot in SHOTS}
    return made | {"metadata.jsonl": lambda: _metadata(SHOTS, trigger)}


@cache  # drawn once in a process
def _png(shot: Shot) -> bytes:
    buffer = io.BytesIO()
    draw(shot.scene(), size=SIZE).save(buffer, format="PNG")
    return buffer.getvalue()


def _metadata(shots: Sequence[Shot], trigger: str) -> bytes:
    rows = (
        {"file_name": shot.file, CAPTION_COLUMN: shot.caption.replace(TRIGGER, trigger)}
        for shot in shots
    )
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _put(root: Root, name: str, data: bytes) -> None:
    """Write a file of the example, over nothing but the same of an earlier call."""
    root.write_over(name, data, data if root.exists(name) else None)


def _write(folder: Path, shots: Sequence[Shot], trigger: str = TRIGGER) -> list[Path]:
    folder = folder.absolute()
    with Root(folder.parent, create=True) as above, above.inside(folder.name, create=True) as root:
        for shot in shots:
            _put(root, shot.file, _png(shot))
        _put(root, "metadata.jsonl", _metadata(shots, trigger))
    return [folder / shot.file for shot in shots]
