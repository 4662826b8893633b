"""The head without hair: its outline in three views, the ears and the neck."""

from __future__ import annotations

from hubtools.world.canvas import Point, Shape, darker, ellipse
from hubtools.world.figure import Figure, Turn

_OUTLINES: dict[Turn, list[Point]] = {
    "front": [
        (-0.91, -0.10), (-0.80, -0.66), (0, -0.98), (0.80, -0.66), (0.91, -0.10), (0.85, 0.40),
        (0.50, 0.84), (0, 1.04), (-0.50, 0.84), (-0.85, 0.40),
    ],
    "three-quarter": [
        (-0.90, -0.10), (-0.80, -0.66), (0, -0.98), (0.76, -0.68), (0.91, -0.22), (0.88, 0.06),
        (0.92, 0.32), (0.74, 0.74), (0.34, 1.03), (-0.14, 0.92), (-0.66, 0.52),
    ],
    "profile": [
        (0.10, -0.98), (0.62, -0.78), (0.89, -0.40), (0.92, -0.12), (0.89, 0.06), (0.98, 0.22),
        (1.08, 0.34), (1.03, 0.41), (0.92, 0.45), (0.96, 0.54), (0.91, 0.60), (0.93, 0.67),
        (0.86, 0.76), (0.85, 0.88), (0.68, 1.00), (0.40, 0.94), (0.0, 0.72), (-0.34, 0.55),
        (-0.86, 0.20), (-0.94, -0.30), (-0.55, -0.86),
    ],
}  # fmt: skip
# x of the ears, and how wide they are seen
_EARS: dict[Turn, list[tuple[float, float]]] = {
    "front": [(-0.92, 0.11), (0.92, 0.11)],
    "three-quarter": [(-0.64, 0.14)],
    "profile": [(-0.14, 0.17)],
}


def paint_head(figure: Figure) -> Shape:
    """Paint the head; gives its shape, in which the face's features end."""
    skin = figure.who.skin
    return figure.head.fill(_OUTLINES[figure.turn], skin, to=darker(skin, 0.06), shade=0.30)


def paint_neck(figure: Figure) -> None:
    """The neck, in the shadow of the chin, down into the clothes."""
    skin, pen = figure.who.skin, figure.body
    back = {"front": 0.0, "three-quarter": -0.06, "profile": -0.14}[figure.turn]
    wide = 0.24
    pen.fill(
        [(back - wide, -0.5), (back + wide, -0.5), (back + wide + 0.05, 0.5), (back - wide - 0.05, 0.5)],
        darker(skin, 0.15), to=darker(skin, 0.06), smooth=False,
    )  # fmt: skip


def paint_ears(figure: Figure, y: float = 0.22) -> None:
    """The ears on our side of the head."""
    skin = figure.who.skin
    for x, wide in _EARS[figure.turn]:
        figure.head.fill(
            ellipse(x, y, wide, 0.19), darker(skin, 0.03), to=darker(skin, 0.12), smooth=False
        )
        if not figure.paint.simple:
            figure.head.fill(
                ellipse(x, y + 0.02, wide * 0.5, 0.11), darker(skin, 0.18), smooth=False, ink=False
            )
