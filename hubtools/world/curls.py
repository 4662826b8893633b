"""Curly hair: two clouds of circles, one behind the head and one over it. In radii of the head."""

from __future__ import annotations

import math

from hubtools.world.canvas import Point, Points, darker, ellipse, lighter
from hubtools.world.figure import Figure, Turn


def _ring(turn: Turn, start: float, end: float, count: int, out: float) -> list[Point]:
    """Points around the head between two angles (degrees, 0 right, 90 up)."""
    back = {"front": 0.0, "three-quarter": -0.08, "profile": -0.14}[turn]
    result = []
    for index in range(count):
        angle = math.radians(start + (end - start) * index / (count - 1))
        result.append((back + out * math.cos(angle), -0.12 - out * math.sin(angle)))
    return result


def curls_behind(figure: Figure) -> list[Points]:
    """What is seen around and below the head."""
    turn = figure.turn
    end = {"front": 225.0, "three-quarter": 235.0, "profile": 245.0}[turn]
    start = {"front": -45.0, "three-quarter": -30.0, "profile": 40.0}[turn]
    places = _under_cap(figure, _ring(turn, start, end, 11, 1.12))
    circles: list[Points] = [ellipse(x, y, 0.34, 0.34) for x, y in places]
    back = {"front": 0.0, "three-quarter": -0.15, "profile": -0.4}[turn]
    return [*circles, ellipse(back, -0.1, 0.95, 1.0)]


def _under_cap(figure: Figure, places: list[Point]) -> list[Point]:
    """Only what a cap, where one is worn, leaves to see."""
    return [p for p in places if figure.scene.accessory != "cap" or p[1] > -0.55]


def curls(figure: Figure) -> list[Points]:
    """What lies over the head, around the face."""
    turn = figure.turn
    places: list[Point]
    if turn == "front":
        places = [*_ring(turn, -28, 208, 11, 1.02), (-0.66, -0.48), (-0.36, -0.66), (0.0, -0.72),
                  (0.36, -0.66), (0.66, -0.48)]  # fmt: skip
    elif turn == "three-quarter":
        places = [*_ring(turn, 20, 222, 9, 1.02), (-0.66, 0.12), (-0.72, 0.48), (-0.54, -0.32),
                  (-0.20, -0.58), (0.18, -0.66), (0.54, -0.56), (0.80, -0.44)]  # fmt: skip
    else:
        places = [*_ring(turn, 34, 232, 9, 1.02), (-0.10, 0.16), (-0.40, 0.44), (0.0, -0.24),
                  (-0.50, 0.0), (0.32, -0.52), (0.66, -0.54), (-0.36, -0.44), (-0.80, 0.30)]  # fmt: skip
    return [ellipse(x, y, 0.27, 0.27) for x, y in _under_cap(figure, places)]


def paint_curl_lines(figure: Figure) -> None:
    """A few strokes that make circles into curls."""
    hair = figure.who.hair
    back = {"front": 0.0, "three-quarter": -0.08, "profile": -0.20}[figure.turn]
    for index, (x, y) in enumerate(
        [(-0.75, -0.70), (-0.30, -0.98), (0.22, -0.98), (0.64, -0.72), (-0.98, -0.22), (0.0, -0.82)]
    ):
        x += back
        tone = lighter(hair, 0.26) if index % 2 else darker(hair, 0.26)
        arc = [(x + 0.16 * math.cos(a), y + 0.14 * math.sin(a)) for a in (2.6, 3.6, 4.6, 5.6)]
        figure.head.stroke(arc, tone, 0.030 * figure.bold)
