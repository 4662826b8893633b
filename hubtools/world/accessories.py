"""What may be worn on top: glasses, a cap, headphones, a scarf, a flower in the hair."""

from __future__ import annotations

import math

from hubtools.world.canvas import Point, darker, ellipse
from hubtools.world.face import EYE_Y, EYES
from hubtools.world.figure import Figure, Turn
from hubtools.world.hair import shows_ears
from hubtools.world.scene import Colour

_FRAMES: Colour = (44, 40, 54)
_CAP: Colour = (58, 74, 128)
_CUPS: Colour = (62, 62, 74)
_PADS: Colour = (230, 226, 220)
_WOOL: Colour = (224, 198, 156)
_STRIPE: Colour = (150, 92, 72)
_PETALS: Colour = (255, 176, 200)
_HEART: Colour = (250, 206, 70)


def paint_scarf(figure: Figure) -> None:
    """Around the neck, below the chin."""
    pen = figure.head
    x = {"front": 0.0, "three-quarter": -0.04, "profile": -0.10}[figure.turn]
    wide = {"front": 0.74, "three-quarter": 0.70, "profile": 0.62}[figure.turn]
    tail = x + 0.30
    pen.fill(
        [(tail - 0.20, 1.30), (tail + 0.22, 1.26), (tail + 0.26, 2.20), (tail - 0.22, 2.24)],
        darker(_WOOL, 0.08), smooth=False, shade=0.3,
    )  # fmt: skip
    for y in (1.70, 1.98):
        pen.fill(
            [(tail - 0.20, y), (tail + 0.24, y - 0.03), (tail + 0.25, y + 0.11), (tail - 0.21, y + 0.14)],
            _STRIPE, smooth=False, ink=False,
        )  # fmt: skip
    band = pen.fill(
        [(x - wide, 1.00), (x - wide * 0.5, 0.84), (x + wide * 0.5, 0.84), (x + wide, 1.00), (x + wide * 1.04, 1.26),
         (x + wide * 0.55, 1.50), (x, 1.56), (x - wide * 0.55, 1.50), (x - wide * 1.04, 1.26)],
        _WOOL, to=darker(_WOOL, 0.12), shade=0.35, light=0.2,
    )  # fmt: skip
    for dx in (-0.62, 0.0, 0.60):
        stripe = [
            (x + wide * dx - 0.06, 0.80),
            (x + wide * dx + 0.08, 0.80),
            (x + wide * dx * 1.1 + 0.10, 1.60),
            (x + wide * dx * 1.1 - 0.06, 1.60),
        ]
        pen.fill(stripe, _STRIPE, smooth=False, inside=band)


def paint_glasses(figure: Figure) -> None:
    """Round ones, with an arm to the ear on our side."""
    pen, eyes = figure.head, EYES[figure.turn]
    width = 0.050 * min(1.5, figure.bold)
    y = EYE_Y + 0.02
    lenses = []
    for x, wide in eyes:
        x = x + 0.06 if figure.turn == "profile" else x
        rx, ry = wide * 1.34, 0.30
        ring = ellipse(x, y, rx, ry)
        if figure.paint.soft and figure.scene.style == "render":
            glint = [
                (x - rx * 0.55, y - ry * 0.45),
                (x - rx * 0.2, y - ry * 0.75),
                (x - rx * 0.1, y - ry * 0.60),
                (x - rx * 0.45, y - ry * 0.30),
            ]
            pen.fill(glint, (255, 255, 255), smooth=False, ink=False)
        pen.stroke([*map(tuple, ring), tuple(ring[0])], _FRAMES, width, smooth=False)
        lenses.append((x, rx))
    if len(lenses) == 2:
        (left, left_rx), (right, right_rx) = lenses
        bridge = [
            (left + left_rx, y - 0.04),
            ((left + left_rx + right - right_rx) / 2, y - 0.10),
            (right - right_rx, y - 0.04),
        ]
        pen.stroke(bridge, _FRAMES, width)
    x, rx = lenses[0]
    if figure.turn == "front":
        for side in (-1, 1):
            pen.stroke([(side * 0.70, y - 0.06), (side * 0.90, y - 0.10)], _FRAMES, width)
    else:
        ear = {"three-quarter": -0.56, "profile": -0.10}[figure.turn]
        if not shows_ears(figure.who.hair_style):  # the arm goes under the hair
            ear = {"three-quarter": -0.36, "profile": 0.22}[figure.turn]
        pen.stroke([(x - rx, y - 0.06), (ear, y - 0.08)], _FRAMES, width)


def paint_cap(figure: Figure) -> None:
    """A baseball cap; its peak points where the face does."""
    pen = figure.head
    domes: dict[Turn, list[Point]] = {
        "front": [(1.10, -0.42), (1.04, -0.86), (0.62, -1.24), (0, -1.36), (-0.62, -1.24), (-1.04, -0.86), (-1.10, -0.42), (0, -0.52)],
        "three-quarter": [(0.96, -0.46), (0.92, -0.84), (0.56, -1.22), (-0.06, -1.36), (-0.68, -1.22), (-1.10, -0.86), (-1.20, -0.34), (-0.2, -0.36)],
        "profile": [(0.96, -0.50), (0.90, -0.88), (0.52, -1.22), (-0.10, -1.36), (-0.70, -1.22), (-1.12, -0.86), (-1.24, -0.30), (-0.3, -0.30)],
    }  # fmt: skip
    peaks: dict[Turn, list[Point]] = {
        "front": [(-0.86, -0.50), (-0.50, -0.66), (0, -0.70), (0.50, -0.66), (0.86, -0.50), (0.66, -0.26), (0, -0.18), (-0.66, -0.26)],
        "three-quarter": [(-0.06, -0.50), (0.40, -0.64), (0.90, -0.62), (1.36, -0.40), (1.40, -0.24), (0.90, -0.22), (0.30, -0.26)],
        "profile": [(0.50, -0.50), (0.90, -0.60), (1.36, -0.44), (1.72, -0.22), (1.70, -0.14), (1.20, -0.22), (0.60, -0.30)],
    }  # fmt: skip
    dome = pen.fill(domes[figure.turn], _CAP, to=darker(_CAP, 0.12), shade=0.45, light=0.22)
    if not figure.paint.simple:
        x = {"front": 0.0, "three-quarter": 0.30, "profile": 0.10}[figure.turn]
        pen.fill(
            [(x - 0.02, -1.4), (x + 0.02, -1.4), (x * 1.3 + 0.03, -0.4), (x * 1.3 - 0.03, -0.4)],
            darker(_CAP, 0.3), smooth=False, inside=dome,
        )  # fmt: skip
    if figure.turn != "profile":
        badge = {"front": 0.0, "three-quarter": 0.42}.get(figure.turn, 0.0)
        pen.fill(ellipse(badge, -0.92, 0.20, 0.20), (246, 244, 238), smooth=False, inside=dome)
    pen.fill(peaks[figure.turn], darker(_CAP, 0.28), to=darker(_CAP, 0.5), light=0.2)
    button = {"front": 0.0, "three-quarter": -0.06, "profile": -0.10}[figure.turn]
    pen.fill(ellipse(button, -1.36, 0.09, 0.06), darker(_CAP, 0.3), smooth=False)


def paint_headphones(figure: Figure) -> None:
    """A band over the top, a cup on every ear we see."""
    pen = figure.head
    if figure.turn == "front":
        band = [(1.12 * math.cos(a), 0.05 - 1.36 * math.sin(a)) for a in _angles(0.0, math.pi)]
        cups = [(-1.06, 0.20), (1.06, 0.24)]
    elif figure.turn == "three-quarter":
        band = [(-0.08 - 0.66 * math.cos(a), 0.05 - 1.34 * math.sin(a)) for a in _angles(0.0, 1.75)]
        cups = [(-0.72, 0.26)]
    else:
        band = [(-0.14 + 0.10 * math.sin(a), 0.05 - 1.32 * math.sin(a)) for a in _angles(0.0, 1.57)]
        cups = [(-0.16, 0.30)]
    pen.limb(band, _CUPS, 0.15)
    if not figure.paint.simple:
        pen.stroke([(x * 1.0, y - 0.02) for x, y in band[1:-1]], (110, 110, 124), 0.04)
    for x, wide in cups:
        pen.fill(ellipse(x, 0.18, wide * 0.95, 0.38), _PADS, smooth=False, shade=0.2)
        pen.fill(
            ellipse(x + math.copysign(0.05, x), 0.18, wide * 0.72, 0.30),
            _CUPS,
            smooth=False,
            light=0.3,
        )
        pen.fill(
            ellipse(x + math.copysign(0.05, x), 0.18, wide * 0.32, 0.13),
            (235, 84, 84),
            smooth=False,
            ink=False,
        )


def paint_flower(figure: Figure) -> None:
    """In the hair, on the side that is seen."""
    x, y = {"front": (0.74, -0.62), "three-quarter": (-0.52, -0.62), "profile": (-0.02, -0.60)}[
        figure.turn
    ]
    petals = [
        ellipse(x + 0.20 * math.cos(a), y + 0.20 * math.sin(a), 0.165, 0.165)
        for a in (0.3 + k * 2 * math.pi / 5 for k in range(5))
    ]
    figure.head.cloud(petals, _PETALS)
    if not figure.paint.simple:
        for a in (0.3 + k * 2 * math.pi / 5 for k in range(5)):
            line = [
                (x + 0.1 * math.cos(a), y + 0.1 * math.sin(a)),
                (x + 0.24 * math.cos(a), y + 0.24 * math.sin(a)),
            ]
            figure.head.stroke(line, (240, 110, 150), 0.03)
    figure.head.fill(ellipse(x, y, 0.13, 0.13), _HEART, smooth=False, shade=0.3)


def _angles(start: float, end: float) -> list[float]:
    return [start + (end - start) * k / 8 for k in range(9)]
