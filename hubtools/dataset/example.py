"""The built-in example: 21 drawn pictures of one invented character, with captions.

They follow the advice for a subject LoRA: three or four portraits, three-quarter views from each
side, profiles and full-body shots; expressions, clothes and backgrounds vary and are said in the
captions, so that the trigger is left with what does not vary: the character.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from hubtools.dataset.drawing import Colour, Expression, Framing, Outfit, Scene, View, draw
from hubtools.files import replacing, write_text

TRIGGER = "(lora-misato-token)"
CAPTION_COLUMN = "prompt"
SIZE = 512

_OUTFITS = {
    "blue hoodie": Outfit((88, 110, 176), (245, 245, 250), (60, 60, 84)),
    "white sailor uniform": Outfit((246, 246, 250), (52, 82, 150), (52, 82, 150), kind="sailor"),
    "red coat": Outfit((196, 84, 78), (250, 242, 232), (62, 58, 78), kind="coat"),
    "yellow hoodie": Outfit((232, 184, 72), (255, 255, 255), (84, 92, 120)),
    "green coat": Outfit((92, 142, 108), (248, 246, 236), (70, 66, 60), kind="coat"),
}
_BACKGROUNDS: dict[str, Colour] = {
    "white background": (244, 244, 246),
    "grey background": (206, 208, 214),
    "peach background": (250, 222, 204),
    "mint background": (204, 234, 220),
    "lavender background": (222, 214, 242),
    "sky blue background": (202, 226, 246),
}


@dataclass(frozen=True)
class Shot:
    """One picture of the plan. `words` end the caption."""

    file: str
    view: View
    framing: Framing
    expression: Expression
    outfit: str
    background: str
    words: str
    tilt: float = 0.0
    pose: str = "standing"

    @property
    def caption(self) -> str:
        """In the style of prompts, so that prompts find what was learnt."""
        face = {"neutral": "neutral expression", "surprised": "surprised expression"}.get(
            self.expression, self.expression
        )
        view = {
            "front": "front view",
            "three-quarter left": "three-quarter view from the left",
            "three-quarter right": "three-quarter view from the right",
            "left profile": "left side profile",
            "right profile": "right side profile",
        }[self.view]
        pose = f", {self.pose}" if self.framing == "full body" else ""
        return (
            f"render of {TRIGGER}, {view}, {self.framing}{pose}, {face}, wearing a {self.outfit},"
            f" {self.background}, {self.words}"
        )

    def scene(self) -> Scene:
        """What to draw."""
        return Scene(
            self.view,
            self.framing,
            self.expression,
            _OUTFITS[self.outfit],
            _BACKGROUNDS[self.background],
            self.tilt,
            self.pose,  # type: ignore[arg-type]
        )


_CLEAR, _SOFT, _FINE = "clear facial features", "soft natural lighting", "high quality, detailed"

# fmt: off
SHOTS: tuple[Shot, ...] = (
    Shot("front-neutral.png", "front", "portrait", "neutral", "blue hoodie", "white background", _CLEAR),
    Shot("front-smile.png", "front", "portrait", "smiling", "white sailor uniform", "peach background", _SOFT),
    Shot("front-laugh.png", "front", "portrait", "laughing", "red coat", "mint background", _FINE, 4),
    Shot("front-wink.png", "front", "portrait", "winking", "yellow hoodie", "lavender background", _CLEAR, -5),
    Shot("threequarterleft-neutral.png", "three-quarter left", "portrait", "neutral", "red coat", "grey background", _CLEAR),
    Shot("threequarterleft-smile.png", "three-quarter left", "portrait", "smiling", "blue hoodie", "sky blue background", _SOFT),
    Shot("threequarterleft-surprise.png", "three-quarter left", "portrait", "surprised", "green coat", "white background", _FINE, 3),
    Shot("threequarterleft-laugh.png", "three-quarter left", "portrait", "laughing", "white sailor uniform", "lavender background", _SOFT),
    Shot("threequarterright-neutral.png", "three-quarter right", "portrait", "neutral", "yellow hoodie", "white background", _FINE),
    Shot("threequarterright-smile.png", "three-quarter right", "portrait", "smiling", "green coat", "peach background", _CLEAR, -3),
    Shot("threequarterright-sad.png", "three-quarter right", "portrait", "sad", "blue hoodie", "grey background", _SOFT),
    Shot("threequarterright-surprise.png", "three-quarter right", "portrait", "surprised", "white sailor uniform", "mint background", _CLEAR),
    Shot("leftprofile-neutral.png", "left profile", "portrait", "neutral", "white sailor uniform", "sky blue background", _CLEAR),
    Shot("leftprofile-smile.png", "left profile", "portrait", "smiling", "yellow hoodie", "grey background", _FINE),
    Shot("rightprofile-neutral.png", "right profile", "portrait", "neutral", "green coat", "lavender background", _SOFT),
    Shot("rightprofile-smile.png", "right profile", "portrait", "smiling", "red coat", "white background", _CLEAR),
    Shot("fullbody-standing.png", "front", "full body", "neutral", "blue hoodie", "mint background", _FINE),
    Shot("fullbody-waving.png", "front", "full body", "smiling", "white sailor uniform", "grey background", _SOFT, pose="waving"),
    Shot("fullbody-walking.png", "three-quarter left", "full body", "smiling", "red coat", "sky blue background", _FINE, pose="walking"),
    Shot("fullbody-handonhip.png", "three-quarter right", "full body", "neutral", "green coat", "white background", _CLEAR, pose="hand on hip"),
    Shot("fullbody-laugh.png", "front", "full body", "laughing", "yellow hoodie", "peach background", _SOFT),
)
# fmt: on


def write_example(folder: Path) -> list[Path]:
    """Draw the example data set into `folder`: 21 PNG files of 512 px and metadata.jsonl with the
    columns file_name and prompt. Gives the pictures' paths. Pictures that exist are drawn anew."""
    paths = []
    for shot in SHOTS:
        path = folder / shot.file
        with replacing(path) as temporary:
            draw(shot.scene(), size=SIZE).save(temporary, format="PNG")
        paths.append(path)
    rows = ({"file_name": shot.file, CAPTION_COLUMN: shot.caption} for shot in SHOTS)
    write_text(folder / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return paths
