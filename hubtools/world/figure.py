"""The figure that is drawn: its pens and how it is turned.

Everything is drawn as if it faced the viewer's right; a left view is mirrored. Head coordinates are
in radii from the middle of the head, body coordinates from the base of the neck, y downwards.
"""

from __future__ import annotations

import math
from typing import Literal

from hubtools.world.canvas import Canvas, Lean
from hubtools.world.scene import Colour, Scene, View

Turn = Literal["front", "three-quarter", "profile"]

_TURNS: dict[View, tuple[Turn, bool]] = {
    "front": ("front", False),
    "three-quarter left": ("three-quarter", True),
    "three-quarter right": ("three-quarter", False),
    "left profile": ("profile", True),
    "right profile": ("profile", False),
}
_YAW: dict[Turn, float] = {"front": 0, "three-quarter": 31, "profile": 86}  # degrees


class Figure:
    """One scene's figure on its canvas."""

    def __init__(self, canvas: Canvas, scene: Scene) -> None:
        self.canvas = canvas
        self.paint = canvas.paint
        self.scene = scene
        self.who = scene.character
        self.turn, self.mirrored = _TURNS[scene.view]
        self.yaw = _YAW[self.turn]
        portrait = scene.framing == "portrait"
        x, y, radius = (256.0, 208.0, 104.0) if portrait else (256.0, 130.0, 64.0)
        body = radius * (1.20 if portrait else 0.84)
        lean = Lean(scene.tilt, scene.scale, scene.shift)
        self.head = canvas.pen(x, y, radius, mirrored=self.mirrored, lean=lean)
        self.body = canvas.pen(x, y + 1.02 * radius, body, mirrored=self.mirrored, lean=lean)
        # lines of a face must stay visible where it is small
        self.bold = (1.0 if portrait else 1.35) * (1.35 if self.paint.simple else 1.0)
        if scene.style == "pixel art":
            self.bold *= 1.8

    def on_head(self, longitude: float, y: float, out: float = 0.98) -> tuple[float, float]:
        """(x, how much it faces us: 1 frontal, 0 at the rim, negative behind) of a point of the
        head. Longitude in degrees, 0 the middle of the face."""
        angle = math.radians(longitude + self.yaw)
        around = math.sqrt(max(0.0, 1 - min(1.0, abs(y)) ** 2 * 0.55))
        return out * around * math.sin(angle), math.cos(angle)

    @property
    def iris(self) -> Colour:
        """The eyes' colour."""
        return self.who.eyes
