"""The face: cheeks, eyes, nose, mouth and what they express."""

from __future__ import annotations

import math

from hubtools.world.canvas import Point, Shape, darker, ellipse, lighter, mix
from hubtools.world.figure import Figure, Turn
from hubtools.world.scene import Colour

# x and half width of each eye, the character's right one first
EYES: dict[Turn, tuple[tuple[float, float], ...]] = {
    "front": ((-0.40, 0.215), (0.40, 0.215)),
    "three-quarter": ((0.10, 0.205), (0.68, 0.140)),
    "profile": ((0.64, 0.140),),
}
EYE_Y = 0.17
_MOUTH: dict[Turn, tuple[float, float]] = {
    "front": (0.0, 1.0), "three-quarter": (0.42, 0.85), "profile": (0.76, 0.62),
}  # fmt: skip
_CHEEKS: dict[Turn, tuple[float, ...]] = {
    "front": (-0.58, 0.58), "three-quarter": (-0.10,), "profile": (0.44,),
}  # fmt: skip
_LIP: Colour = (196, 76, 86)
_INSIDE: Colour = (130, 40, 54)


def paint_face(figure: Figure, head: Shape) -> None:
    """Paint what lies on the skin; it ends where the head ends."""
    merry = figure.scene.expression in ("smiling", "laughing", "winking")
    for x in _CHEEKS[figure.turn]:
        skin = figure.who.skin
        pale = min(1.0, sum(skin) / 640)
        blush = mix(skin, (240, 92, 92), 0.62 * pale)
        figure.head.glow(x, 0.46, 0.17, 0.10, blush, (0.75 if merry else 0.35) * pale)
    if figure.who.star is not None:
        _stars(figure, figure.who.star, head)
    for index, (x, wide) in enumerate(EYES[figure.turn]):
        # mirrored, the first eye is the left one; of one visible eye, it is that which winks
        first = (index == 0) != figure.mirrored or figure.turn == "profile"
        _eye(figure, x, wide, winks=first, head=head, outer=-1 if index == 0 else 1)
    _nose(figure)
    _mouth(figure, head)


def _ink(figure: Figure) -> Colour:
    """Lashes and lines: dark, with a little of the hair."""
    return mix((36, 26, 40), figure.who.hair, 0.12)


def _stars(figure: Figure, colour: Colour, head: Shape) -> None:
    """A star on each cheek that is seen, below the eye."""
    for side in (-1, 1):
        x, facing = figure.on_head(side * 42, 0.50, 0.96)
        if facing < 0.30:
            continue
        if figure.turn == "profile":
            x -= 0.18  # clear of the mouth
        points: list[Point] = []
        for corner in range(10):
            radius = 0.28 if corner % 2 == 0 else 0.125
            angle = math.radians(corner * 36 - 90)
            across = radius * math.cos(angle) * (0.45 + 0.55 * facing)
            points.append((x + across, 0.55 + radius * math.sin(angle)))
        figure.head.fill(points, colour, smooth=False, inside=head)


def _eye(figure: Figure, x: float, wide: float, *, winks: bool, head: Shape, outer: int) -> None:
    pen, ink, expression = figure.head, _ink(figure), figure.scene.expression
    y, tall, bold = EYE_Y, 0.235, figure.bold
    _brow(figure, x, wide, outer)
    if expression == "laughing" or (expression == "winking" and winks):
        arch = [(x - wide, y + 0.07), (x, y - 0.07), (x + wide, y + 0.07)]
        pen.stroke(arch, ink, 0.060 * bold)
        return
    if expression == "surprised":
        tall *= 1.22
    elif expression in ("sad", "smiling"):
        tall *= 0.92
    if figure.paint.simple:
        narrow = wide * (0.52 if expression != "surprised" else 0.60)
        around = ellipse(x, y + 0.02, narrow * 1.42, tall * 0.86)
        pen.fill(around, (255, 253, 252), smooth=False, inside=head)
        pen.fill(ellipse(x, y + 0.02, narrow, tall * 0.74), ink, smooth=False, inside=head)
        pen.fill(
            ellipse(x - narrow * 0.25, y - tall * 0.25, narrow * 0.36, tall * 0.22),
            (255, 255, 255), smooth=False, ink=False,
        )  # fmt: skip
        return
    white = [
        (x - wide, y), (x - wide * 0.55, y - tall * 0.82), (x + wide * 0.55, y - tall * 0.82),
        (x + wide, y), (x + wide * 0.6, y + tall * 0.74), (x - wide * 0.6, y + tall * 0.74),
    ]  # fmt: skip
    eye = pen.fill(white, (255, 253, 252), inside=head)
    look = {"front": 0.0, "three-quarter": 0.10, "profile": 0.22}[figure.turn] * wide
    iris = 0.60 if expression == "surprised" else 0.76
    middle, high = x + look, tall * iris / 0.76
    for dx, dy, rx, ry, colour in (
        (0.0, -0.01, wide * iris, high * 0.82, darker(figure.iris, 0.45)),
        (0.0, 0.035, wide * iris * 0.86, high * 0.64, figure.iris),
        (0.0, 0.090, wide * iris * 0.62, high * 0.36, lighter(figure.iris, 0.45)),
        (0.0, 0.0, wide * 0.34, tall * 0.38, (24, 22, 40)),
        (-wide * 0.26, -tall * 0.34, wide * 0.25, tall * 0.21, (255, 255, 255)),
        (wide * 0.26, tall * 0.28, wide * 0.13, tall * 0.11, (255, 255, 255)),
    ):
        pen.fill(ellipse(middle + dx, y + dy, rx, ry), colour, smooth=False, inside=eye)
    droop = 0.05 * outer if expression == "sad" else 0.0
    lid = [
        (x - wide * 1.08, y + 0.01 - droop), (x - wide * 0.6, y - tall * 0.78 - droop),
        (x + wide * 0.6, y - tall * 0.78 + droop), (x + wide * 1.08, y + 0.01 + droop),
    ]  # fmt: skip
    pen.stroke(lid, ink, 0.056 * bold)


def _brow(figure: Figure, x: float, wide: float, outer: int) -> None:
    """The eyebrow; `outer` is the side of its outer end."""
    expression = figure.scene.expression
    lift = {"surprised": -0.10, "laughing": -0.03}.get(expression, 0.0)
    # positive: the inner end is higher
    slant = {"sad": 0.10, "neutral": 0.01, "surprised": 0.02}.get(expression, 0.0) * outer
    y = EYE_Y - 0.33 + lift
    colour = darker(figure.who.hair, 0.45)
    arch = [(x - wide * 0.85, y + 0.04 - slant), (x, y - 0.02), (x + wide * 0.85, y + 0.04 + slant)]
    figure.head.stroke(arch, colour, 0.042 * figure.bold)


def _nose(figure: Figure) -> None:
    if figure.turn == "profile" or figure.scene.style == "pixel art":
        return
    x = {"front": 0.0, "three-quarter": 0.52}.get(figure.turn, 0.0)
    lean = 0.03 if figure.turn == "three-quarter" else 0.0
    figure.head.stroke(
        [(x - lean, 0.33), (x + lean * 1.4, 0.41), (x - lean - 0.02, 0.43)],
        darker(figure.who.skin, 0.36), 0.026 * figure.bold,
    )  # fmt: skip


def _mouth(figure: Figure, head: Shape) -> None:
    pen, expression, bold = figure.head, figure.scene.expression, figure.bold
    x, narrow = _MOUTH[figure.turn]
    y, wide = 0.66, 0.24 * narrow
    lip = mix(_LIP, figure.who.skin, 0.0 if sum(figure.who.skin) > 450 else 0.15)
    if expression == "surprised":
        pen.fill(ellipse(x, y + 0.03, wide * 0.52, 0.135), _INSIDE, smooth=False, inside=head)
        pen.fill(ellipse(x, y + 0.11, wide * 0.34, 0.05), lip, smooth=False, inside=head)
    elif expression == "laughing":
        shape = [
            (x - wide * 1.15, y - 0.09), (x, y - 0.06), (x + wide * 1.15, y - 0.09),
            (x + wide * 0.72, y + 0.12), (x, y + 0.19), (x - wide * 0.72, y + 0.12),
        ]  # fmt: skip
        mouth = pen.fill(shape, _INSIDE, inside=head)
        pen.fill(ellipse(x, y - 0.09, wide, 0.07), (255, 255, 255), smooth=False, inside=mouth)
        pen.fill(ellipse(x, y + 0.18, wide * 0.6, 0.08), lip, smooth=False, inside=mouth)
    else:
        wide *= 0.72 if expression == "neutral" else 1.0
        bend = {"smiling": 0.11, "winking": 0.09, "sad": -0.09}.get(expression, 0.008)
        line = [(x - wide, y - bend * 0.6), (x, y + bend * 0.6), (x + wide, y - bend * 0.6)]
        pen.stroke(line, lip, 0.044 * bold)
