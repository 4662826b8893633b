"""Hair: a cap with a fringe over the head, and what each style adds behind and in front of it.

Coordinates are in radii of the head, facing the viewer's right. Hair behind is painted before the
body, hair in front after the face.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hubtools.world.canvas import Point, Points, Shape, curve, darker, ellipse, lighter, mix
from hubtools.world.curls import curls, curls_behind, paint_curl_lines
from hubtools.world.figure import Figure, Turn
from hubtools.world.scene import Colour, HairStyle

# The outer rim of the cap, from the forehead's right end over the top to the back.
_RIM: dict[Turn, list[Point]] = {
    "front": [
        (1.00, 0.16), (1.07, -0.25), (0.95, -0.76), (0.55, -1.10), (0, -1.20), (-0.55, -1.10),
        (-0.95, -0.76), (-1.07, -0.25), (-1.00, 0.16),
    ],
    "three-quarter": [
        (0.90, -0.20), (0.97, -0.52), (0.68, -1.02), (0.12, -1.21), (-0.46, -1.15), (-0.94, -0.82),
        (-1.14, -0.25), (-1.08, 0.25), (-0.88, 0.60),
    ],
    "profile": [
        (0.88, -0.28), (0.92, -0.56), (0.62, -1.00), (0.08, -1.21), (-0.50, -1.14), (-0.98, -0.80),
        (-1.17, -0.25), (-1.10, 0.28), (-0.80, 0.68),
    ],
}  # fmt: skip
# From the back end of the rim along the hairline to the temple.
_HAIRLINE: dict[Turn, list[Point]] = {
    "front": [(-0.90, 0.36), (-0.84, 0.12), (-0.80, -0.14)],
    "three-quarter": [(-0.70, 0.50), (-0.62, 0.24), (-0.52, 0.18), (-0.46, 0.40), (-0.40, -0.04)],
    "profile": [(-0.46, 0.62), (-0.24, 0.36), (-0.06, 0.22), (0.06, 0.42), (0.15, -0.04)],
}
# Fringes: (longitude, y) from the character's right to the left.
_JAGGED: list[Point] = [
    (-74, -0.14), (-64, -0.44), (-52, -0.12), (-42, -0.44), (-28, -0.22), (-18, -0.46), (-5, -0.20),
    (6, -0.46), (20, -0.22), (30, -0.46), (46, -0.14), (54, -0.40), (64, -0.12), (72, -0.34),
]  # fmt: skip
_BLUNT: list[Point] = [
    (-74, -0.12), (-52, -0.17), (-51, -0.26), (-50, -0.18), (-18, -0.20), (-17, -0.30),
    (-16, -0.20), (16, -0.20), (17, -0.30), (18, -0.20), (50, -0.18), (51, -0.26), (52, -0.17),
    (70, -0.12),
]  # fmt: skip
_PARTED: list[Point] = [
    (-70, -0.02), (-52, -0.28), (-28, -0.54), (-2, -0.78), (2, -0.78), (28, -0.54), (52, -0.28),
    (68, -0.04),
]  # fmt: skip
_SWEPT: list[Point] = [
    (-72, 0.00), (-50, -0.20), (-20, -0.32), (12, -0.48), (34, -0.74), (38, -0.72), (50, -0.44),
    (66, -0.06),
]  # fmt: skip
_FRINGES: dict[HairStyle, tuple[list[Point], bool]] = {  # and whether it is a smooth line
    "short hair": (_JAGGED, False),
    "bob": (_BLUNT, False),
    "long hair": (_PARTED, True),
    "ponytail": (_SWEPT, True),
    "twin tails": (_JAGGED, False),
    "bun": (_PARTED, True),
    "curly hair": (_SWEPT, True),
}
_TIE: Colour = (236, 92, 128)


def shows_ears(style: HairStyle) -> bool:
    """Whether the ears are in front of the hair."""
    return style not in ("bob", "long hair", "curly hair")


def paint_hair_behind(figure: Figure) -> None:
    """What hangs behind head and body."""
    style = figure.who.hair_style
    dark = darker(figure.who.hair, 0.22)
    if style == "twin tails":
        _twin_tails(figure, behind=True)
    elif style == "ponytail":
        _ponytail(figure)
    elif style == "bun":
        _bun(figure)
    back = {"front": 0.0, "three-quarter": -0.06, "profile": -0.16}[figure.turn]
    if style == "long hair":
        front = {"front": 1.20, "three-quarter": 0.92, "profile": 0.10}[figure.turn]
        rear = {"front": -1.20, "three-quarter": -1.26, "profile": -1.20}[figure.turn]
        low = 2.05 if figure.turn == "front" else 1.70
        shape: list[Point] = [
            (rear + 0.14, -0.3), (rear + 0.45, -0.9), ((front + rear) / 2, -1.0), (front - 0.45, -0.9),
            (front - 0.16, -0.3), (front - 0.02, 0.6), (front + 0.04, low - 0.3), (front - 0.2, low),
            ((front + rear) / 2, low - 0.1), (rear + 0.2, low), (rear - 0.04, low - 0.3), (rear + 0.02, 0.6),
        ]  # fmt: skip
        _hang(figure, shape, dark, shade=0.2)
    elif style == "bob":
        right = {"front": 1.12, "three-quarter": 0.90, "profile": 0.0}[figure.turn]
        left = {"front": -1.12, "three-quarter": -1.16, "profile": -1.16}[figure.turn]
        figure.head.fill(
            [(left, -0.3), (left + 0.4, -1.0), (right - 0.4, -1.0), (right, -0.3), (right, 0.7),
             (right - 0.12, 1.0), ((left + right) / 2, 1.02), (left + 0.12, 1.0), (left, 0.7)],
            dark,
        )  # fmt: skip
    elif style == "curly hair":
        figure.head.cloud(curls_behind(figure), dark)
    else:
        nape = 0.62 if style == "short hair" else 0.48
        figure.head.fill(
            [(back - 0.92, -0.2), (back - 0.7, -0.85), (back + 0.7, -0.85), (back + 0.90, -0.2),
             (back + 0.74, nape - 0.16), (back, nape + 0.1), (back - 0.74, nape - 0.1)],
            dark,
        )  # fmt: skip


def paint_hair(figure: Figure) -> None:
    """The cap over the head and what hangs in front."""
    style = figure.who.hair_style
    if style == "twin tails":
        # the far tie and tail were painted before the head
        cap = _cap(figure)
        _twin_tails(figure, behind=False)
    elif style == "curly hair":
        cap = _cap(figure)
        figure.head.cloud(curls(figure), figure.who.hair)
        paint_curl_lines(figure)
        return
    else:
        if style == "long hair":
            _long_sides(figure)
        elif style == "bob":
            _bob_sides(figure)
        cap = _cap(figure)
    _gloss(figure, cap)


def _hang(
    figure: Figure, points: Points, colour: Colour, *, shade: float = 0.35, light: float = 0.0,
    smooth: bool = True,
) -> Shape:  # fmt: skip
    """A hanging piece of hair, which ends in the tip's colour where there is one."""
    return figure.head.fill(
        points, colour, tip=figure.who.hair_tip, shade=shade, light=light, smooth=smooth
    )


def _cap(figure: Figure) -> Shape:
    hair, covers = figure.who.hair, not shows_ears(figure.who.hair_style)
    fringe, rim_points = _fringe(figure), _RIM[figure.turn]
    if figure.turn != "front" and _FRINGES[figure.who.hair_style][1]:
        rim_points = rim_points[1:]  # no strand on a bare forehead
    rim = curve(rim_points, closed=False)
    hairline = np.array(_HAIRLINE[figure.turn])
    points = np.concatenate([rim, hairline, fringe])
    if figure.turn == "front":
        points = np.concatenate([points, hairline[::-1] * (-1, 1)])
    # where the cap goes on into hair below it, an edge would show
    soft = covers and figure.turn != "front"
    shade, light = (0.0, 0.0) if soft else (0.25, 0.05) if covers else (0.40, 0.16)
    cap = figure.head.fill(
        points, hair, to=None if soft else darker(hair, 0.10), smooth=False, shade=shade, light=light,
        ink=not covers,
    )  # fmt: skip
    if covers:
        for line in (rim[: len(rim) * 2 // 3], fringe):
            figure.head.ink_line(line, hair)
    return cap


def _fringe(figure: Figure) -> NDArray[np.float64]:
    path, smooth = _FRINGES[figure.who.hair_style]
    start = _HAIRLINE[figure.turn][-1][0] + 0.02
    points: list[Point] = []
    for longitude, y in path:
        x, facing = figure.on_head(longitude, y, 0.99)
        if facing > 0 and start < x < 0.80:
            points.append((x, y))
    if figure.turn != "front":
        points.append((0.84, -0.54) if smooth else (0.86, -0.22))
    if smooth:
        return curve(points, closed=False)
    if path is _BLUNT:
        return np.array(points)
    # each lock bulges a little on its way to the tip
    bulged: list[Point] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        bulge = 0.025 if y1 > y0 else -0.005
        bulged += [(x0, y0), ((x0 + x1) / 2 + bulge, (y0 + y1) / 2 + 0.02)]
    return np.array([*bulged, points[-1]])


def _gloss(figure: Figure, cap: Shape) -> None:
    """The band of light on the hair."""
    if figure.paint.simple:
        return
    back = {"front": 0.0, "three-quarter": -0.06, "profile": -0.12}[figure.turn]
    band = [(-0.70, -0.60), (-0.38, -0.82), (0.0, -0.88), (0.34, -0.80), (0.62, -0.60)]
    lower = [(x * 0.94, y + 0.10 + 0.04 * math.cos(x * 14)) for x, y in reversed(band)]
    points = [(x + back, y) for x, y in (*band, *lower)]
    hair = figure.who.hair
    figure.head.fill(points, lighter(hair, 0.30 if sum(hair) > 250 else 0.22), inside=cap)
    strand = darker(hair, 0.22)
    for dx in (-0.5, -0.15, 0.25):
        line = [(back + dx * 0.9, -1.02), (back + dx * 1.15, -0.78), (back + dx * 1.3, -0.52)]
        figure.head.stroke(line, strand, 0.016)


# --- styles --------------------------------------------------------------------------------------


def _tail(figure: Figure, x: float, y: float, sway: float) -> None:
    """A twin tail that hangs from (x, y) and swings outwards by `sway`."""
    width, long = 0.30, 2.05
    hair = figure.who.hair
    left: list[Point] = []
    right: list[Point] = []
    for along, wide in ((0.0, 0.42), (0.14, 0.95), (0.36, 1.16), (0.62, 1.02), (0.84, 0.62)):
        middle = x + sway * math.sin(along * math.pi * 0.80) * 1.5
        left.append((middle - width * wide, y + long * along))
        right.append((middle + width * wide, y + long * along))
    end = (x + sway * math.sin(0.80 * math.pi) * 1.5 + 0.05, y + long)
    _hang(figure, [*left, end, *reversed(right)], hair, shade=0.40, light=0.12)
    if not figure.paint.simple:
        for shift in (-0.40, 0.25):
            strand = [
                (x + width * shift + sway * math.sin(a * math.pi * 0.80) * 1.5, y + long * a)
                for a in (0.12, 0.35, 0.6, 0.84)
            ]
            tone = mix(hair, figure.who.hair_tip or hair, 0.4)
            figure.head.stroke(strand, darker(tone, 0.16), 0.022)
    figure.head.fill(ellipse(x, y, 0.16, 0.11), _TIE, smooth=False, shade=0.3)


def _twin_tails(figure: Figure, *, behind: bool) -> None:
    if figure.turn == "front":
        if behind:
            for side in (-1, 1):
                _tail(figure, side * 1.03, -0.42, side * 0.34)
    elif figure.turn == "three-quarter":
        if behind:
            _tail(figure, 0.86, -0.40, 0.22)
        else:
            _tail(figure, -0.80, -0.44, -0.20)
    elif behind:
        _tail(figure, -0.40, -0.40, -0.34)
    else:
        _tail(figure, -0.46, -0.44, -0.10)


def _ponytail(figure: Figure) -> None:
    """One high tail: seen from the front it swings out to one side."""
    hair = figure.who.hair
    side: list[Point]
    if figure.turn == "front":
        x, y = 0.42, -1.14
        side = [
            (0.30, -1.10), (0.72, -1.46), (1.26, -1.26), (1.60, -0.55), (1.66, 0.20), (1.44, 0.98),
            (1.28, 0.30), (1.16, -0.30), (0.92, -0.72), (0.60, -0.90),
        ]  # fmt: skip
    else:
        x, y = (-0.62, -1.02) if figure.turn == "three-quarter" else (-0.80, -0.90)
        dx = x + 0.70
        side = [
            (-0.70 + dx, -0.95), (-1.05 + dx, -1.34), (-1.55 + dx, -1.16), (-1.88 + dx, -0.45),
            (-1.94 + dx, 0.35), (-1.62 + dx, 1.18), (-1.38 + dx, 0.50), (-1.24 + dx, -0.10),
            (-1.08 + dx, -0.46), (-0.84 + dx, -0.68),
        ]  # fmt: skip
    _hang(figure, side, hair, shade=0.40, light=0.14)
    if not figure.paint.simple:
        middle = [(px + (qx - px) * 0.5, py + (qy - py) * 0.5) for (px, py), (qx, qy) in zip(
            side[1:5], (side[8], side[8], side[7], side[6]), strict=True)]  # fmt: skip
        figure.head.stroke(middle, darker(hair, 0.25), 0.022)
    figure.head.fill(ellipse(x, y, 0.17, 0.15), _TIE, smooth=False, shade=0.3)


def _bun(figure: Figure) -> None:
    hair = figure.who.hair
    x, y = {"front": (0.0, -1.40), "three-quarter": (-0.56, -1.28), "profile": (-0.90, -1.02)}[
        figure.turn
    ]
    bun = figure.head.fill(
        ellipse(x, y, 0.46, 0.40), hair, to=darker(hair, 0.1), smooth=False, shade=0.45, light=0.2
    )
    if not figure.paint.simple:
        for dx, dy, rx in ((0.05, 0.02, 0.26), (-0.05, 0.10, 0.34)):
            arc = [(x + dx + rx * math.cos(a), y + dy + rx * 0.8 * math.sin(a))
                   for a in (3.4, 4.2, 5.0, 5.8)]  # fmt: skip
            figure.head.stroke(arc, darker(hair, 0.28), 0.026)
        glint = [
            (x - 0.26, y - 0.10),
            (x - 0.14, y - 0.24),
            (x + 0.04, y - 0.28),
            (x - 0.08, y - 0.16),
        ]
        figure.head.fill(glint, lighter(hair, 0.28), inside=bun)


def _bob_sides(figure: Figure) -> None:
    hair = figure.who.hair
    pieces: list[list[Point]]
    if figure.turn == "front":
        right = [
            (0.78, -0.42), (0.92, -0.58), (1.07, -0.20), (1.15, 0.35), (1.12, 0.92), (0.92, 1.02),
            (0.70, 0.96), (0.74, 0.45), (0.78, 0.0),
        ]  # fmt: skip
        pieces = [right, [(-x, y) for x, y in right]]
    elif figure.turn == "three-quarter":
        pieces = [
            [(-0.40, -0.35), (-0.85, -0.70), (-1.11, -0.25), (-1.18, 0.35), (-1.12, 0.92),
             (-0.80, 1.02), (-0.38, 0.98), (-0.36, 0.45), (-0.42, 0.0)],
            [(0.86, -0.36), (0.95, -0.44), (0.99, -0.1), (1.01, 0.40), (0.96, 0.90), (0.82, 1.00),
             (0.84, 0.70), (0.90, 0.36), (0.88, 0.0)],
        ]  # fmt: skip
    else:
        pieces = [
            [(0.14, -0.30), (-0.50, -0.80), (-1.10, -0.40), (-1.20, 0.30), (-1.12, 0.92),
             (-0.60, 1.04), (0.06, 1.00), (0.16, 0.50), (0.18, 0.0)],
        ]  # fmt: skip
    for piece in pieces:
        figure.head.fill(piece, hair, to=darker(hair, 0.16), shade=0.35)


def _long_sides(figure: Figure) -> None:
    """Locks over the shoulders."""
    hair = figure.who.hair
    pieces: list[list[Point]]
    if figure.turn == "front":
        right = [
            (0.78, -0.40), (0.94, -0.52), (1.08, -0.05), (1.20, 0.90), (1.20, 1.65), (1.04, 2.15),
            (0.86, 1.70), (0.82, 1.0), (0.78, 0.35),
        ]  # fmt: skip
        pieces = [right, [(-x, y) for x, y in right]]
    elif figure.turn == "three-quarter":
        pieces = [
            [(-0.40, -0.40), (-0.85, -0.70), (-1.13, -0.10), (-1.26, 0.80), (-1.26, 1.65),
             (-1.00, 2.25), (-0.66, 1.80), (-0.54, 1.10), (-0.44, 0.40)],
            [(0.84, -0.40), (0.96, -0.50), (1.00, 0.1), (1.02, 0.85), (0.96, 1.35), (0.88, 0.85), (0.90, 0.3)],
        ]  # fmt: skip
    else:
        pieces = [
            [(0.14, -0.35), (-0.50, -0.80), (-1.13, -0.30), (-1.22, 0.60), (-1.26, 1.60),
             (-1.00, 2.25), (-0.50, 1.90), (-0.16, 1.20), (0.08, 0.45)],
        ]  # fmt: skip
    for piece in pieces:
        _hang(figure, piece, hair, shade=0.40, light=0.06)
        if not figure.paint.simple and len(piece) > 7:
            (x0, y0), (x1, y1) = piece[3], piece[7]
            line = [
                ((x0 + x1) / 2 - 0.04, 0.25),
                ((x0 + x1) / 2, (y0 + y1) / 2),
                ((x0 + x1) / 2, 1.6),
            ]
            figure.head.stroke(line, darker(hair, 0.25), 0.022)
