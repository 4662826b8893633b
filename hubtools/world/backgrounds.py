"""What is behind the figure: plain colours and six places. Coordinates are 512ths of the picture.

A place's parts (clouds, trees, houses) are where the scene's seed puts them.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise

from hubtools.world.canvas import Canvas, Pen, Point, darker, ellipse, lighter, mix
from hubtools.world.scene import Background, Colour

PLAIN: dict[Background, Colour] = {
    "white": (248, 248, 250),
    "grey": (180, 183, 190),
    "pink": (250, 188, 206),
    "mint": (168, 230, 200),
    "lavender": (204, 184, 244),
    "sky blue": (154, 208, 250),
}


def paint_background(canvas: Canvas, kind: Background, seed: int) -> None:
    """Paint the whole canvas."""
    rng = random.Random(seed)
    pen = canvas.pen(0, 0)
    if kind in PLAIN:
        _plain(pen, PLAIN[kind])
    elif kind == "beach":
        _beach(pen, rng)
    elif kind == "forest":
        _forest(pen, rng)
    elif kind == "city":
        _city(pen, rng)
    elif kind == "night sky":
        _night(pen, rng)
    elif kind == "snow":
        _snow(pen, rng)
    else:
        _sunset(pen, rng)


def _area(pen: Pen, top: float, bottom: float, colour: Colour, to: Colour | None = None) -> None:
    """A band from side to side."""
    corners = [(-2, top), (514, top), (514, bottom), (-2, bottom)]
    pen.fill(corners, colour, to=to, smooth=False, ink=False)


def _plain(pen: Pen, colour: Colour) -> None:
    if pen.paint.soft:
        _area(pen, -2, 514, lighter(colour, 0.30), darker(colour, 0.08))
        return
    _area(pen, -2, 514, colour)


def _clouds(pen: Pen, rng: random.Random, colour: Colour, low: float) -> None:
    for side in (0, 1):
        x, y = rng.uniform(20, 200) + side * 270, rng.uniform(36, low)
        size = rng.uniform(0.8, 1.25)
        puffs = ((-44, 6, 26), (-16, -10, 30), (18, -6, 34), (48, 8, 22))
        pen.cloud(
            [
                ellipse(x + dx * size, y + dy * size, r * size * 1.2, r * size * 0.72)
                for dx, dy, r in puffs
            ],
            colour,
        )


def _beach(pen: Pen, rng: random.Random) -> None:
    horizon = rng.uniform(240, 270)
    shore = horizon + rng.uniform(80, 110)
    _area(pen, -2, horizon + 1, (120, 198, 250), (206, 236, 252))
    x, y = rng.choice((rng.uniform(40, 120), rng.uniform(390, 470))), rng.uniform(50, 90)
    pen.glow(x, y, 60, 60, (255, 250, 210), 0.8)
    pen.fill(ellipse(x, y, 34, 34), (255, 236, 130), smooth=False)
    _clouds(pen, rng, (255, 255, 255), 130)
    _area(pen, horizon, shore + 30, (36, 138, 206), (70, 196, 214))
    for _ in range(5):
        x, y = rng.uniform(-10, 460), rng.uniform(horizon + 14, shore - 14)
        pen.stroke([(x, y), (x + rng.uniform(24, 60), y)], (176, 226, 240), 3.5, smooth=False)
    wave = [(k * 57.0, shore + rng.uniform(-10, 10)) for k in range(-1, 11)]
    pen.fill([*_bent(wave), (600, 540), (-60, 540)], (250, 252, 250), smooth=False, ink=False)
    pen.fill(
        [*_bent([(px, py + 14) for px, py in wave]), (600, 540), (-60, 540)],
        (246, 218, 160),
        to=(232, 190, 124),
        smooth=False,
        ink=False,
    )
    _palm(pen, rng)


def _bent(points: list[Point]) -> list[Point]:
    """The points with rounded corners."""
    result: list[Point] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        for t in (0.0, 0.25, 0.5, 0.75):
            ease = t * t * (3 - 2 * t)
            result.append((x0 + (x1 - x0) * t, y0 + (y1 - y0) * ease))
    return [*result, points[-1]]


def _palm(pen: Pen, rng: random.Random) -> None:
    side = rng.choice((-1, 1))
    x = 256 + side * rng.uniform(196, 226)
    top = rng.uniform(120, 160)
    pen.limb([(x + side * 14, 420), (x, 280), (x - side * 18, top)], (150, 104, 66), 18, shade=0.8)
    crown = (x - side * 18, top)
    for angle in (-2.9, -2.2, -1.4, -0.7, -0.1, 0.5, 2.7):
        long = rng.uniform(84, 104)
        end = (crown[0] + long * math.cos(angle), crown[1] + long * 0.5 * math.sin(angle) + 42)
        middle = ((crown[0] + end[0]) / 2, (crown[1] + end[1]) / 2 - 34)
        leaf = [crown, (middle[0], middle[1] - 12), end, (middle[0], middle[1] + 14)]
        pen.fill(leaf, (62, 158, 84), to=(40, 124, 74))


def _forest(pen: Pen, rng: random.Random) -> None:
    _area(pen, -2, 400, (196, 232, 176), (122, 186, 120))
    for layer, (tone, count) in enumerate((((104, 172, 104), 7), ((56, 126, 74), 6))):
        for index in range(count):
            x = (index + rng.uniform(0.1, 0.9)) * 512 / count
            if layer and 150 < x < 362:
                x = x - 160 if x < 256 else x + 160
            wide = rng.uniform(40, 56) + layer * 18
            top, low = rng.uniform(20, 110) - layer * 30, 370 + layer * 40
            pen.fill(
                [(x - 9, 200), (x + 9, 200), (x + 12, low), (x - 12, low)], (112, 78, 56) if layer else (122, 118, 86),
                smooth=False, ink=bool(layer),
            )  # fmt: skip
            crown = tone if (index + layer) % 2 else mix(tone, (150, 190, 80), 0.22)
            for level in range(3):
                y = top + level * 62
                half = wide * (0.62 + 0.26 * level)
                pen.fill(
                    [(x, y - 20), (x + half, y + 86), (x - half, y + 86)],
                    crown,
                    to=darker(crown, 0.18),
                    smooth=False,
                )
    _area(pen, 398, 514, (108, 172, 82), (76, 138, 70))
    for _ in range(12):
        x, y = rng.uniform(0, 512), rng.uniform(410, 505)
        pen.stroke([(x - 7, y - 12), (x, y), (x + 6, y - 14)], (60, 122, 62), 4, smooth=False)


def _city(pen: Pen, rng: random.Random) -> None:
    _area(pen, -2, 450, (166, 204, 232), (232, 238, 240))
    _clouds(pen, rng, (250, 252, 255), 70)
    far = -10.0
    while far < 520:
        wide = rng.uniform(40, 66)
        _area_house(pen, far, rng.uniform(130, 250), wide, (160, 178, 204), None)
        far += wide + 3
    near = rng.uniform(-30, -5)
    while near < 512:
        wide = rng.uniform(70, 100)
        middle = abs(near + wide / 2 - 256)
        top = rng.uniform(70, 150) if middle > 110 else rng.uniform(210, 280)
        colour = rng.choice(((96, 112, 146), (124, 132, 152), (142, 118, 124), (110, 128, 138)))
        _area_house(pen, near, top, wide, colour, rng)
        near += wide + rng.uniform(4, 14)
    _area(pen, 440, 514, (104, 106, 118), (84, 86, 98))
    _area(pen, 432, 446, (190, 192, 198))
    for x in range(-20, 520, 90):
        pen.fill(
            [(x, 478), (x + 46, 478), (x + 44, 486), (x - 4, 486)],
            (236, 226, 170),
            smooth=False,
            ink=False,
        )


def _area_house(
    pen: Pen, x: float, top: float, wide: float, colour: Colour, rng: random.Random | None
) -> None:
    corners = [(x, top), (x + wide, top), (x + wide, 446), (x, 446)]
    pen.fill(corners, colour, to=darker(colour, 0.12), smooth=False, ink=rng is not None)
    if rng is None:
        return
    columns = int(wide // 24)
    gap = wide / columns
    y = top + 16
    while y < 410:
        for column in range(columns):
            lit = (252, 226, 140) if rng.random() < 0.45 else (188, 214, 236)
            left = x + gap * column + gap * 0.24
            pen.fill(
                [(left, y), (left + gap * 0.52, y), (left + gap * 0.52, y + 17), (left, y + 17)],
                lit,
                smooth=False,
                ink=False,
            )
        y += 33


def _hill(pen: Pen, rng: random.Random, y: float, height: float, colour: Colour) -> None:
    points = [(k * 90.0, y + rng.uniform(-height, height)) for k in range(-1, 8)]
    pen.fill(
        [*_bent(points), (640, 540), (-100, 540)], colour, to=darker(colour, 0.2), smooth=False
    )


def _night(pen: Pen, rng: random.Random) -> None:
    _area(pen, -2, 514, (20, 24, 66), (62, 62, 128))
    for index in range(46):
        x, y = rng.uniform(4, 508), rng.uniform(4, 400)
        size = rng.choice((3.2, 4.2, 5.6))
        if index % 6 == 0:
            points = [
                (x, y - 13),
                (x + 3, y - 3),
                (x + 13, y),
                (x + 3, y + 3),
                (x, y + 13),
                (x - 3, y + 3),
                (x - 13, y),
                (x - 3, y - 3),
            ]
            pen.fill(points, (255, 246, 196), smooth=False, ink=False)
        else:
            pen.fill(
                ellipse(x, y, size * 0.8, size * 0.8), (236, 238, 255), smooth=False, ink=False
            )
    x, y = rng.choice((rng.uniform(60, 120), rng.uniform(392, 452))), rng.uniform(64, 110)
    pen.glow(x, y, 74, 74, (190, 196, 240), 0.45 if pen.paint.soft else 0.2)
    angles = [math.radians(a) for a in range(-120, 121, 20)]
    outer = [(x + 44 * math.cos(a), y + 44 * math.sin(a)) for a in angles]
    inner = [(x - 6 + 34 * math.cos(a), y + 38 * math.sin(a)) for a in reversed(angles[1:-1])]
    pen.fill([*outer, *inner], (255, 240, 176), smooth=False)
    _hill(pen, rng, 420, 22, (40, 44, 88))
    _hill(pen, rng, 462, 14, (26, 32, 66))


def _snow(pen: Pen, rng: random.Random) -> None:
    _area(pen, -2, 400, (158, 186, 214), (216, 230, 242))
    for index in range(6):
        x = (index + rng.uniform(0.1, 0.9)) * 512 / 6
        if 170 < x < 342:
            x = x - 130 if x < 256 else x + 130
        top = rng.uniform(120, 210)
        for level in range(3):
            y, half = top + level * 62, 34 + 15 * level
            pen.fill(
                [(x, y - 24), (x + half, y + 74), (x - half, y + 74)],
                (84, 128, 132),
                to=(66, 106, 116),
                smooth=False,
            )
            pen.fill(
                [(x, y - 24), (x + half * 0.58, y + 32), (x + half * 0.2, y + 22), (x, y + 36), (x - half * 0.25, y + 22), (x - half * 0.58, y + 32)],
                (250, 252, 255), smooth=False, ink=False,
            )  # fmt: skip
    _hill(pen, rng, 392, 14, (244, 248, 253))
    for _ in range(40):
        x, y = rng.uniform(0, 512), rng.uniform(0, 500)
        size = rng.uniform(5, 10)
        pen.fill(ellipse(x, y, size, size), (255, 255, 255), smooth=False, ink=False)


def _sunset(pen: Pen, rng: random.Random) -> None:
    horizon = rng.uniform(310, 340)
    bands = ((96, 66, 140), (196, 88, 132), (246, 132, 92), (255, 196, 104))
    edges = (-2.0, horizon * 0.34, horizon * 0.66, horizon + 1)
    if pen.paint.soft:
        for top, low, colour, to in zip(edges, edges[1:], bands, bands[1:], strict=False):
            _linear(pen, top, low, colour, to)
    else:
        for index, colour in enumerate(bands):
            _area(pen, horizon * index / 4 - 2, horizon * (index + 1) / 4 + 1, colour)
    x = rng.choice((rng.uniform(70, 140), rng.uniform(372, 442)))
    pen.glow(x, horizon - 30, 110, 110, (255, 226, 140), 0.6 if pen.paint.soft else 0.25)
    pen.fill(ellipse(x, horizon - 26, 62, 62), (255, 236, 150), smooth=False)
    _area(pen, horizon, 514, (168, 84, 124), (84, 54, 112))
    for index in range(8):
        y = horizon + 12 + index * 20
        half = rng.uniform(26, 60) - index * 2
        dx = rng.uniform(-14, 14)
        pen.stroke([(x + dx - half, y), (x + dx + half, y)], (255, 196, 120), 6, smooth=False)
    hills = (
        [(-60.0, horizon + 2)]
        + [(k * 64.0, horizon - rng.uniform(4, 40)) for k in range(9)]
        + [(600.0, horizon + 2)]
    )
    side = 1 if x < 256 else -1
    kept = [p for p in hills if (p[0] - 256) * side > -40]
    edge = 256 - side * 60
    outline = [(edge, horizon + 2), *kept] if side > 0 else [*kept, (edge, horizon + 2)]
    pen.fill(outline, (82, 48, 104), smooth=False)


def _linear(pen: Pen, top: float, low: float, colour: Colour, to: Colour) -> None:
    for step in range(10):
        y = top + (low - top) * step / 10
        _area(pen, y, y + (low - top) / 10 + 1, mix(colour, to, step / 10))
