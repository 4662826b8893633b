"""Invented people, drawn by code: a scene of attributes becomes a picture.

The head is a ball that turns: every feature has a longitude on it (degrees, 0 the middle of the
face, positive towards the character's left, which is the viewer's right) and is projected by the
yaw. So one drawing serves front, three-quarter and profile views, and what lies on one cheek is on
that cheek in every view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter

View = Literal[
    "front", "three-quarter left", "three-quarter right", "left profile", "right profile"
]
Framing = Literal["portrait", "full body"]
Expression = Literal["neutral", "smiling", "surprised", "laughing", "winking", "sad"]
Colour = tuple[int, int, int]
Point = tuple[float, float]

# Yaw of the head in degrees. A left view shows the character's left side: the nose points to the
# viewer's left.
YAW: dict[View, float] = {
    "front": 0,
    "three-quarter left": -36,
    "three-quarter right": 36,
    "left profile": -86,
    "right profile": 86,
}

_SUPERSAMPLING = 3


@dataclass(frozen=True)
class Character:
    """Who is drawn. Colours are RGB."""

    skin: Colour = (250, 219, 198)
    hair_root: Colour = (46, 40, 66)
    hair_tip: Colour = (38, 200, 190)
    eyes: Colour = (52, 150, 160)
    cheek_star: bool = True  # on the left cheek
    star: Colour = (232, 88, 120)


@dataclass(frozen=True)
class Outfit:
    """What the character wears."""

    top: Colour
    collar: Colour
    bottom: Colour
    shoes: Colour = (70, 64, 82)
    kind: Literal["hoodie", "sailor", "coat"] = "hoodie"


@dataclass(frozen=True)
class Scene:
    """One picture. `tilt` turns the head in the picture plane, degrees."""

    view: View = "front"
    framing: Framing = "portrait"
    expression: Expression = "neutral"
    outfit: Outfit = field(
        default_factory=lambda: Outfit((90, 110, 170), (245, 245, 250), (60, 60, 84))
    )
    background: Colour = (236, 238, 242)
    tilt: float = 0.0
    pose: Literal["standing", "waving", "hand on hip", "walking"] = "standing"


def draw(scene: Scene, character: Character | None = None, size: int = 512) -> Image.Image:
    """Draw a scene as an RGB picture of `size` x `size` pixels. The same input gives the same
    pixels."""
    artist = _Artist(size * _SUPERSAMPLING, character or Character(), scene)
    picture = artist.paint()
    return picture.resize((size, size), Image.Resampling.LANCZOS)


# --- small geometry ------------------------------------------------------------------------------


def _smooth(points: Sequence[Point], closed: bool = True, steps: int = 10) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    result: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            p0, p1, p2, p3 = (points[(index + k) % count] for k in (-1, 0, 1, 2))
        else:
            p0, p1 = points[max(index - 1, 0)], points[index]
            p2, p3 = points[index + 1], points[min(index + 2, count - 1)]
        for step in range(steps):
            t = step / steps
            result.append(
                (_spline(p0[0], p1[0], p2[0], p3[0], t), _spline(p0[1], p1[1], p2[1], p3[1], t))
            )
    if not closed:
        result.append(points[-1])
    return result


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3
    )


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    mixed = [round(a + (b - a) * share) for a, b in zip(one, other, strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def _darker(colour: Colour, share: float = 0.25) -> Colour:
    return _mix(colour, (40, 20, 50), share)


def _lighter(colour: Colour, share: float = 0.3) -> Colour:
    return _mix(colour, (255, 255, 255), share)


class _Artist:
    """Paints one scene. Coordinates are in units of a 512 canvas."""

    def __init__(self, pixels: int, character: Character, scene: Scene) -> None:
        self.pixels = pixels
        self.unit = pixels / 512
        self.who = character
        self.scene = scene
        self.yaw = YAW[scene.view]
        self.image = Image.new("RGB", (pixels, pixels), scene.background)
        # centre of the head and its radius
        if scene.framing == "portrait":
            self.cx, self.cy, self.r = 256.0, 214.0, 112.0
        else:
            self.cx, self.cy, self.r = 256.0, 104.0, 50.0

    # -- brushes ----------------------------------------------------------------------------------

    def _at(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.unit, y * self.unit) for x, y in points]

    def mask(self, points: Sequence[Point], smooth: bool = True) -> Image.Image:
        mask = Image.new("L", self.image.size, 0)
        ImageDraw.Draw(mask).polygon(self._at(_smooth(points) if smooth else points), fill=255)
        return mask

    def fill(
        self,
        points: Sequence[Point],
        colour: Colour,
        *,
        to: Colour | None = None,
        smooth: bool = True,
        shade: float = 0.0,
        light: float = 0.0,
    ) -> Image.Image:
        """Fill a shape, with a vertical gradient to `to`, a soft shadow on its right edge and a soft
        light on its left. Gives the mask."""
        mask = self.mask(points, smooth)
        box = mask.getbbox()
        if box is None:
            return mask
        size = (box[2] - box[0], box[3] - box[1])
        paint = Image.new("RGB", size, colour)
        if to is not None:
            ramp = Image.linear_gradient("L").resize(size)
            paint = Image.composite(Image.new("RGB", size, to), paint, ramp)
        self.image.paste(paint, box[:2], mask.crop(box))
        width = (box[2] - box[0]) / self.unit
        if shade:
            self._edge(mask, box, _darker(colour, 0.55), shade, -0.16 * width)
        if light:
            self._edge(mask, box, (255, 255, 255), light, 0.16 * width)
        return mask

    def _edge(
        self,
        mask: Image.Image,
        box: tuple[int, int, int, int],
        colour: Colour,
        much: float,
        dx: float,
    ) -> None:
        shape = mask.crop(box)
        right, down = round(dx * self.unit), round(-abs(dx) * 0.5 * self.unit)
        moved = Image.new("L", shape.size, 0)
        moved.paste(shape, (right, down))
        radius = max(1.0, abs(dx) * self.unit * 0.45)
        rim = ImageChops.subtract(shape, moved).filter(ImageFilter.GaussianBlur(radius))
        rim = ImageChops.multiply(rim.point(lambda v: round(v * much)), shape)
        self.image.paste(Image.new("RGB", rim.size, colour), box[:2], rim)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        u = self.unit
        ImageDraw.Draw(self.image).ellipse(
            ((x - rx) * u, (y - ry) * u, (x + rx) * u, (y + ry) * u), fill=colour
        )

    def stroke(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """A smooth line with round ends."""
        pen = ImageDraw.Draw(self.image)
        line = self._at(_smooth(points, closed=False))
        pen.line(line, fill=colour, width=max(1, round(width * self.unit)), joint="curve")
        for x, y in (line[0], line[-1]):
            half = width * self.unit / 2
            pen.ellipse((x - half, y - half, x + half, y + half), fill=colour)

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, much: float) -> None:
        """A soft spot."""
        u = self.unit
        box = (
            round((x - 2 * rx) * u),
            round((y - 2 * ry) * u),
            round((x + 2 * rx) * u),
            round((y + 2 * ry) * u),
        )
        spot = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
        ImageDraw.Draw(spot).ellipse(
            (rx * u, ry * u, 3 * rx * u, 3 * ry * u), fill=round(255 * much)
        )
        spot = spot.filter(ImageFilter.GaussianBlur(min(rx, ry) * u * 0.6))
        self.image.paste(Image.new("RGB", spot.size, colour), box[:2], spot)

    # -- the turning head -------------------------------------------------------------------------

    def on_head(self, longitude: float, y: float, out: float = 1.0) -> tuple[float, float]:
        """(x, how much it faces us: 1 frontal, 0 at the rim, negative behind) of a point of the
        head; `y` in radii from its centre."""
        angle = math.radians(longitude + self.yaw)
        around = math.sqrt(max(0.0, 1 - min(1.0, abs(y)) ** 2 * 0.55))
        return self.cx + self.r * out * around * math.sin(angle), math.cos(angle)

    def head_y(self, y: float) -> float:
        return self.cy + self.r * y

    def paint(self) -> Image.Image:
        self._background()
        self._tails(behind=True)
        self._back_hair()
        if self.scene.framing == "portrait":
            self._bust()
        else:
            self._body()
        head = self._head()
        bare = self.image.copy()
        self._face()
        self.image = Image.composite(self.image, bare, head)  # features end where the face ends
        self._front_hair()
        self._tails(behind=False)
        if self.scene.tilt:
            self._tilt()
        return self.image

    def _tilt(self) -> None:
        """Turn the picture and cut out the largest square without empty corners."""
        angle = math.radians(abs(self.scene.tilt))
        turned = self.image.rotate(self.scene.tilt, Image.Resampling.BICUBIC)
        half = self.pixels / (math.cos(angle) + math.sin(angle)) / 2 - 2
        middle = self.pixels / 2
        box = (middle - half, middle - half, middle + half, middle + half)
        self.image = turned.resize(self.image.size, Image.Resampling.BICUBIC, box)

    def _background(self) -> None:
        colour = self.scene.background
        top, bottom = _lighter(colour, 0.35), _darker(colour, 0.08)
        ramp = Image.linear_gradient("L").resize(self.image.size)
        flat = Image.new("RGB", self.image.size, top)
        self.image = Image.composite(Image.new("RGB", self.image.size, bottom), flat, ramp)
        if self.scene.framing == "full body":
            self.glow(256, 486, 84, 10, _darker(colour, 0.5), 0.5)

    # -- hair -------------------------------------------------------------------------------------

    def _tails(self, *, behind: bool) -> None:
        for side in (-1, 1):
            x, facing = self.on_head(side * 100, -0.25, 1.02)
            if (facing < 0.12) != behind:
                continue
            sway = side * 0.30 * math.cos(math.radians(self.yaw))
            self._tail(x, self.head_y(-0.30), sway)

    def _tail(self, x: float, y: float, sway: float) -> None:
        """A tail of hair, dark at the root and bright at the tip."""
        r = self.r
        lean = sway * r
        width = 0.30 * r
        long = 2.15 * r
        left, right = [], []
        for step, (along, wide) in enumerate(
            ((0.0, 0.42), (0.16, 0.95), (0.38, 1.12), (0.62, 0.98), (0.84, 0.62))
        ):
            bend = lean * math.sin(along * math.pi * 0.85) * 1.5 + 0.10 * r * math.sin(along * 6)
            middle = x + bend
            left.append((middle - width * wide, y + long * along + step * 0.5))
            right.append((middle + width * wide, y + long * along))
        tip = (x + lean * 0.7 + 0.06 * r, y + long)
        outline = [*left, tip, *reversed(right)]
        root, end = self.who.hair_root, self.who.hair_tip
        mask = self.fill(outline, root, shade=0.45, light=0.10)
        box = mask.getbbox()
        if box is not None:
            # the colour turns over a short stretch below the middle
            height = box[3] - box[1]
            ramp = Image.new("L", (1, height))
            ramp.putdata([round(255 * _ease(i / height, 0.42, 0.68)) for i in range(height)])
            full = Image.new("L", self.image.size, 0)
            full.paste(ramp.resize((box[2] - box[0], height)), box[:2])
            self.image.paste(
                Image.new("RGB", self.image.size, end), (0, 0), ImageChops.multiply(full, mask)
            )
            self._edge(mask, box, _darker(end, 0.6), 0.35, -0.12 * r)
        for shift in (-0.35, 0.1, 0.5):
            strand = [
                (x + width * shift + lean * math.sin(a * math.pi * 0.85) * 1.5, y + long * a)
                for a in (0.12, 0.35, 0.6, 0.86)
            ]
            self.stroke(strand, _darker(_mix(root, end, 0.35), 0.2), 0.018 * r)
        tie = _mix(self.who.star, (255, 255, 255), 0.1)
        self.ellipse(x, y + 0.02 * r, 0.17 * r, 0.12 * r, _darker(tie, 0.15))
        self.ellipse(x, y, 0.15 * r, 0.095 * r, tie)

    def _back_hair(self) -> None:
        r, turn = self.r, math.sin(math.radians(self.yaw))
        back = -turn * 0.16 * r
        self.fill(
            [
                (self.cx + back - 1.07 * r, self.head_y(-0.1)),
                (self.cx + back - 0.86 * r, self.head_y(-0.78)),
                (self.cx + back, self.head_y(-1.16)),
                (self.cx + back + 0.86 * r, self.head_y(-0.78)),
                (self.cx + back + 1.07 * r, self.head_y(-0.1)),
                (self.cx + back + 0.84 * r, self.head_y(0.55)),
                (self.cx + back, self.head_y(0.82)),
                (self.cx + back - 0.84 * r, self.head_y(0.55)),
            ],
            _darker(self.who.hair_root, 0.25),
        )

    def _front_hair(self) -> None:
        """The cap of hair over the head, with a fringe that turns with it."""
        r = self.r
        turn = math.sin(math.radians(self.yaw))
        root = self.who.hair_root
        back = -turn * 0.14 * r
        rim: list[Point] = []
        for angle in range(180, 361, 15):
            a = math.radians(angle)
            rim.append(
                (
                    self.cx + back + 1.05 * r * math.cos(a),
                    self.head_y(-0.12) + 1.02 * r * math.sin(a),
                )
            )
        fringe: list[Point] = []
        tips = (64, 46, 30, 14, -2, -18, -34, -50, -66)
        for index, longitude in enumerate(tips):
            y = (-0.02 if index in (0, len(tips) - 1) else -0.30) + (0.05 if index % 3 == 0 else 0)
            x, facing = self.on_head(longitude, y, 0.99)
            between, between_facing = self.on_head(longitude + 8, -0.52, 0.98)
            if between_facing > 0.30:
                fringe.append((between, self.head_y(-0.52)))
            if facing > 0.35:
                fringe.append((x, self.head_y(y)))
        right, left = self.rim_of_face()
        points = [*rim, *self._temple(1, right), *fringe, *reversed(self._temple(-1, left))]
        mask = self.fill(points, root, smooth=False, shade=0.35)
        self._gloss(mask)

    def _temple(self, side: int, inner: float) -> list[Point]:
        """The hair between the rim of the head and the face, on the viewer's right (1) or left
        (-1): down to the ear, over the whole side of a head that is turned away from it, and next
        to nothing where the face itself is the rim."""
        turn = math.sin(math.radians(self.yaw)) * side
        if turn > 0.3:
            return [(self.cx + side * 0.90 * self.r, self.head_y(-0.30))]
        if turn < -0.3:
            outer = self.cx + side * (1.02 + 0.10 * -turn) * self.r
            low = 0.34 + 0.26 * -turn
            return [
                (outer, self.head_y(0.20)),
                (outer - side * 0.2 * self.r, self.head_y(low)),
                (inner, self.head_y(0.42)),
            ]
        return [(inner, self.head_y(0.34))]

    def rim_of_face(self) -> tuple[float, float]:
        """x of the hair's inner edge at the temples: (viewer's right, viewer's left)."""
        right, right_facing = self.on_head(72, 0.1, 0.97)
        left, left_facing = self.on_head(-72, 0.1, 0.97)
        if right_facing < 0:
            right = self.cx + self.r * 0.98
        if left_facing < 0:
            left = self.cx - self.r * 0.98
        return right, left

    def _gloss(self, mask: Image.Image) -> None:
        """The band of light on the hair."""
        r = self.r
        turn = math.sin(math.radians(self.yaw))
        band = Image.new("L", self.image.size, 0)
        points = [
            (self.cx - turn * 0.1 * r - 0.74 * r, self.head_y(-0.62)),
            (self.cx - turn * 0.1 * r - 0.34 * r, self.head_y(-0.80)),
            (self.cx - turn * 0.1 * r + 0.30 * r, self.head_y(-0.80)),
            (self.cx - turn * 0.1 * r + 0.70 * r, self.head_y(-0.62)),
        ]
        ImageDraw.Draw(band).line(
            self._at(_smooth(points, closed=False)), fill=120, width=round(0.10 * r * self.unit)
        )
        band = band.filter(ImageFilter.GaussianBlur(0.03 * r * self.unit))
        self.image.paste(
            Image.new("RGB", self.image.size, _lighter(self.who.hair_root, 0.5)),
            (0, 0),
            ImageChops.multiply(band, mask),
        )

    # -- head and face ----------------------------------------------------------------------------

    def _head(self) -> Image.Image:
        """Neck, head and ears; gives the mask of the head."""
        r = self.r
        turn = math.sin(math.radians(self.yaw))
        side = math.copysign(1.0, turn) if turn else 0.0
        profile = max(0.0, (abs(turn) - 0.72) / 0.28)
        chin = 0.16 * turn * r + 0.30 * profile * side * r
        skin = self.who.skin
        neck = self.cx - turn * 0.10 * r
        self.fill(
            [
                (neck - 0.27 * r, self.head_y(0.60)),
                (neck + 0.27 * r, self.head_y(0.60)),
                (neck + 0.30 * r, self.head_y(1.42)),
                (neck - 0.30 * r, self.head_y(1.42)),
            ],
            _darker(skin, 0.16),
            smooth=False,
        )
        outline = [
            (self.cx - 0.92 * r, self.head_y(-0.10)),
            (self.cx - 0.80 * r, self.head_y(-0.66)),
            (self.cx, self.head_y(-0.98)),
            (self.cx + 0.80 * r, self.head_y(-0.66)),
            (self.cx + 0.92 * r, self.head_y(-0.10)),
            (self.cx + 0.83 * r + chin * 0.25, self.head_y(0.42)),
            (self.cx + 0.46 * r + chin * 0.7, self.head_y(0.84)),
            (self.cx + chin, self.head_y(1.04)),
            (self.cx - 0.46 * r + chin * 0.7, self.head_y(0.84)),
            (self.cx - 0.83 * r + chin * 0.25, self.head_y(0.42)),
        ]
        if profile:
            outline = self._profile_outline(side)
        mask = self.fill(outline, skin, shade=0.20)
        self._ears(skin)
        return mask

    def _profile_outline(self, side: float) -> list[Point]:
        """Forehead, nose, lips and chin against the background; `side` is where the nose points."""
        r = self.r
        front = [
            (0.10, -0.98), (0.62, -0.78), (0.90, -0.40), (0.93, -0.14), (0.90, 0.02), (1.00, 0.18),
            (1.10, 0.30), (1.05, 0.37), (0.93, 0.42), (0.96, 0.51), (0.92, 0.57), (0.94, 0.64),
            (0.86, 0.73), (0.85, 0.85), (0.70, 0.98), (0.42, 0.96),
        ]  # fmt: skip
        back = [(0.02, 0.72), (-0.30, 0.55), (-0.86, 0.20), (-0.94, -0.30), (-0.55, -0.86)]
        return [(self.cx + side * x * r, self.head_y(y)) for x, y in (*front, *back)]

    def _ears(self, skin: Colour) -> None:
        for side in (-1, 1):
            x, facing = self.on_head(side * 88, 0.16, 0.95)
            if facing < -0.15:
                continue
            wide = 0.10 + 0.06 * max(0.0, facing)
            self.ellipse(x, self.head_y(0.18), wide * self.r, 0.19 * self.r, _darker(skin, 0.06))
            self.ellipse(
                x, self.head_y(0.20), wide * 0.5 * self.r, 0.11 * self.r, _darker(skin, 0.18)
            )

    def _face(self) -> None:
        expression = self.scene.expression
        for side in (-1, 1):
            self._cheek(side)
        if self.who.cheek_star:
            self._star()
        for side in (-1, 1):
            self._eye(side, expression)
        self._nose()
        self._mouth(expression)

    def _cheek(self, side: int) -> None:
        x, facing = self.on_head(side * 40, 0.36, 0.9)
        if facing > 0.25:
            self.glow(
                x, self.head_y(0.38), 0.15 * self.r * facing, 0.09 * self.r, (240, 130, 130), 0.35
            )

    def _star(self) -> None:
        """A small star on the left cheek, below the eye."""
        x, facing = self.on_head(42, 0.40, 0.95)
        if facing < 0.30:
            return
        outer, inner = 0.125 * self.r, 0.052 * self.r
        points = []
        for corner in range(10):
            radius = outer if corner % 2 == 0 else inner
            angle = math.radians(corner * 36 - 90)
            points.append(
                (
                    x + radius * math.cos(angle) * (0.35 + 0.65 * facing),
                    self.head_y(0.40) + radius * math.sin(angle),
                )
            )
        self.fill(points, self.who.star, smooth=False)

    def _eye(self, side: int, expression: Expression) -> None:
        r = self.r
        x, facing = self.on_head(side * 24, 0.10, 0.93)
        if facing < 0.22:
            return
        y = self.head_y(0.10)
        wide = 0.215 * r * (0.30 + 0.70 * facing)
        tall = 0.235 * r
        ink = _darker(self.who.hair_root, 0.35)
        shut = expression == "laughing" or (expression == "winking" and side == -1)
        if abs(self.yaw) > 60 and expression == "winking":
            shut = True  # of one visible eye, the one that winks
        self._brow(x, y, wide, side, expression)
        if shut:
            self.stroke(
                [(x - wide, y + 0.04 * r), (x, y - 0.05 * r), (x + wide, y + 0.04 * r)],
                ink,
                0.045 * r,
            )
            return
        if expression == "surprised":
            tall *= 1.18
        if expression in ("sad", "smiling"):
            tall *= 0.92
        white = [
            (x - wide, y), (x - wide * 0.55, y - tall * 0.82), (x + wide * 0.55, y - tall * 0.82),
            (x + wide, y), (x + wide * 0.6, y + tall * 0.72), (x - wide * 0.6, y + tall * 0.72),
        ]  # fmt: skip
        mask = self.fill(white, (255, 253, 252))
        look = math.sin(math.radians(self.yaw)) * 0.16 * wide
        iris = 0.78 if expression != "surprised" else 0.62
        before = self.image.copy()
        self.ellipse(
            x + look,
            y - 0.02 * r,
            wide * iris,
            tall * 0.80 * (iris / 0.78),
            _darker(self.who.eyes, 0.35),
        )
        self.ellipse(x + look, y + 0.03 * r, wide * iris * 0.86, tall * 0.62, self.who.eyes)
        self.ellipse(
            x + look, y + 0.08 * r, wide * iris * 0.60, tall * 0.36, _lighter(self.who.eyes, 0.4)
        )
        self.ellipse(x + look, y - 0.01 * r, wide * 0.34, tall * 0.36, (24, 22, 40))
        self.ellipse(
            x + look - wide * 0.28, y - tall * 0.36, wide * 0.24, tall * 0.20, (255, 255, 255)
        )
        self.ellipse(
            x + look + wide * 0.26, y + tall * 0.26, wide * 0.12, tall * 0.10, (255, 255, 255)
        )
        self.image = Image.composite(self.image, before, mask)
        lid = [
            (x - wide * 1.10, y + 0.01 * r),
            (x - wide * 0.6, y - tall * 0.80),
            (x + wide * 0.6, y - tall * 0.80),
            (x + wide * 1.10, y + 0.01 * r),
        ]
        self.stroke(lid, ink, 0.048 * r)
        self.stroke(
            [(x - wide * 0.5, y + tall * 0.74), (x + wide * 0.5, y + tall * 0.74)],
            _darker(self.who.skin, 0.4), 0.014 * r,
        )  # fmt: skip

    def _brow(self, x: float, y: float, wide: float, side: int, expression: Expression) -> None:
        r = self.r
        lift = {"surprised": -0.10, "laughing": -0.03, "sad": 0.0}.get(expression, 0.0)
        slant = {"sad": 0.07, "neutral": -0.02}.get(expression, 0.0) * side
        self.stroke(
            [
                (x - wide * 0.85, y - 0.31 * r + lift * r + slant * -r * 0.8),
                (x, y - 0.37 * r + lift * r),
                (x + wide * 0.85, y - 0.31 * r + lift * r + slant * r * 0.8),
            ],
            self.who.hair_root,
            0.032 * r,
        )

    def _nose(self) -> None:
        if abs(self.yaw) > 60:
            side = math.copysign(1, self.yaw)
            self.stroke(
                [(self.cx + side * 0.93 * self.r, self.head_y(0.33)), (self.cx + side * 0.88 * self.r, self.head_y(0.36))],
                _darker(self.who.skin, 0.4), 0.02 * self.r,
            )  # fmt: skip
            return
        x, _ = self.on_head(0, 0.32, 1.06)
        lean = math.copysign(0.03, self.yaw) * self.r if self.yaw else 0
        colour = _darker(self.who.skin, 0.38)
        self.stroke(
            [(x - lean, self.head_y(0.27)), (x + lean * 0.6, self.head_y(0.35)), (x - lean * 1.2 - 0.02 * self.r, self.head_y(0.37))],
            colour, 0.022 * self.r,
        )  # fmt: skip

    def _mouth(self, expression: Expression) -> None:
        r = self.r
        if abs(self.yaw) > 60:
            x, narrow = self.cx + math.copysign(0.80 * r, self.yaw), 0.40
        else:
            x, facing = self.on_head(0, 0.60, 0.98)
            narrow = 0.45 + 0.55 * facing
        y = self.head_y(0.60)
        wide = 0.20 * r * narrow
        lip, inside = (196, 84, 92), (136, 44, 58)
        if expression in ("laughing", "surprised"):
            if expression == "surprised":
                self.ellipse(x, y + 0.02 * r, wide * 0.55, 0.10 * r, inside)
                self.ellipse(x, y + 0.07 * r, wide * 0.36, 0.04 * r, lip)
                return
            shape = [
                (x - wide * 1.2, y - 0.05 * r),
                (x, y - 0.02 * r),
                (x + wide * 1.2, y - 0.05 * r),
                (x + wide * 0.7, y + 0.12 * r),
                (x - wide * 0.7, y + 0.12 * r),
            ]
            mask = self.fill(shape, inside)
            before = self.image.copy()
            self.ellipse(x, y - 0.04 * r, wide * 1.0, 0.045 * r, (255, 255, 255))
            self.ellipse(x, y + 0.12 * r, wide * 0.6, 0.05 * r, lip)
            self.image = Image.composite(self.image, before, mask)
            return
        bend = {"smiling": 0.07, "winking": 0.06, "sad": -0.05}.get(expression, 0.012)
        self.stroke(
            [(x - wide, y - bend * r * 0.6), (x, y + bend * r * 0.6), (x + wide, y - bend * r * 0.6)],
            lip, 0.030 * r,
        )  # fmt: skip

    # -- clothes ----------------------------------------------------------------------------------

    def _bust(self) -> None:
        outfit = self.scene.outfit
        turn = math.sin(math.radians(self.yaw))
        narrow = 1 - 0.22 * abs(turn)
        x = self.cx - turn * 12
        shoulders = [
            (x - 200 * narrow, 560), (x - 186 * narrow, 452), (x - 128 * narrow, 388), (x - 50, 356),
            (x + 50, 356), (x + 128 * narrow, 388), (x + 186 * narrow, 452), (x + 200 * narrow, 560),
        ]  # fmt: skip
        self.fill(shoulders, outfit.top, to=_darker(outfit.top, 0.25), shade=0.35, light=0.12)
        self._collar(x + turn * 18, 366, 1.0)

    def _collar(self, x: float, y: float, s: float) -> None:
        outfit = self.scene.outfit
        skin = _darker(self.who.skin, 0.08)
        if outfit.kind == "sailor":
            self.fill(
                [(x - 44 * s, y - 14 * s), (x + 44 * s, y - 14 * s), (x, y + 70 * s)],
                skin,
                smooth=False,
            )
            for side in (-1, 1):
                self.fill(
                    [(x + side * 40 * s, y - 18 * s), (x + side * 92 * s, y + 8 * s), (x + side * 70 * s, y + 60 * s), (x, y + 82 * s)],
                    outfit.collar, smooth=False, shade=0.2,
                )  # fmt: skip
            self.fill(
                [(x, y + 74 * s), (x - 30 * s, y + 66 * s), (x - 26 * s, y + 112 * s), (x, y + 92 * s), (x + 26 * s, y + 112 * s), (x + 30 * s, y + 66 * s)],
                self.who.star, smooth=False,
            )  # fmt: skip
        elif outfit.kind == "coat":
            self.fill(
                [
                    (x - 40 * s, y - 12 * s),
                    (x + 40 * s, y - 12 * s),
                    (x + 14 * s, y + 120 * s),
                    (x - 14 * s, y + 120 * s),
                ],
                outfit.collar,
                smooth=False,
            )
            for side in (-1, 1):
                self.fill(
                    [(x + side * 36 * s, y - 20 * s), (x + side * 84 * s, y + 6 * s), (x + side * 62 * s, y + 84 * s), (x + side * 10 * s, y + 124 * s)],
                    _darker(outfit.top, 0.22), smooth=False, light=0.15,
                )  # fmt: skip
        else:
            self.fill(
                [(x - 74 * s, y - 8 * s), (x, y - 30 * s), (x + 74 * s, y - 8 * s), (x + 54 * s, y + 42 * s), (x, y + 58 * s), (x - 54 * s, y + 42 * s)],
                _darker(outfit.top, 0.18), shade=0.3,
            )  # fmt: skip
            self.fill(
                [(x - 40 * s, y - 14 * s), (x + 40 * s, y - 14 * s), (x, y + 34 * s)],
                skin,
                smooth=True,
            )
            for side in (-1, 1):
                self.stroke(
                    [(x + side * 26 * s, y + 40 * s), (x + side * 30 * s, y + 96 * s)],
                    outfit.collar,
                    5 * s,
                )

    def _body(self) -> None:
        outfit = self.scene.outfit
        turn = math.sin(math.radians(self.yaw))
        narrow = 1 - 0.30 * abs(turn)
        x = 256.0 - turn * 4
        skin = self.who.skin
        stride = 16 if self.scene.pose == "walking" else 0
        for side in (-1, 1):
            foot = x + side * 20 * narrow + side * stride
            self.fill(
                [(x + side * 20 * narrow - 15, 312), (x + side * 20 * narrow + 15, 312), (foot + 10, 466), (foot - 10, 466)],
                skin, smooth=False, shade=0.3,
            )  # fmt: skip
            toe = turn * 10
            self.fill(
                [(foot - 13, 452), (foot + 13, 452), (foot + 16 + max(0, toe), 480), (foot - 16 + min(0, toe), 480)],
                outfit.shoes, shade=0.3,
            )  # fmt: skip
        self._arms(x, narrow, outfit, skin)
        self.fill(
            [(x - 40 * narrow, 250), (x + 40 * narrow, 250), (x + 66 * narrow, 344), (x - 66 * narrow, 344)],
            outfit.bottom, to=_darker(outfit.bottom, 0.2), smooth=False, shade=0.35,
        )  # fmt: skip
        for pleat in (-36, -12, 12, 36):
            self.stroke(
                [(x + pleat * 0.66 * narrow, 276), (x + pleat * 1.2 * narrow, 340)],
                _darker(outfit.bottom, 0.3),
                1.6,
            )
        self.fill(
            [(x - 20, 164), (x - 54 * narrow, 180), (x - 50 * narrow, 222), (x - 44 * narrow, 268), (x + 44 * narrow, 268), (x + 50 * narrow, 222), (x + 54 * narrow, 180), (x + 20, 164)],
            outfit.top, to=_darker(outfit.top, 0.15), shade=0.35, light=0.10,
        )  # fmt: skip
        self._collar(x + turn * 8, 172, 0.44)

    def _arms(self, x: float, narrow: float, outfit: Outfit, skin: Colour) -> None:
        for side in (-1, 1):
            shoulder = (x + side * 48 * narrow, 186.0)
            if self.scene.pose == "waving" and side == 1:
                elbow, hand = (x + 88 * narrow, 196.0), (x + 100 * narrow, 130.0)
            elif self.scene.pose == "hand on hip" and side == 1:
                elbow, hand = (x + 96 * narrow, 232.0), (x + 54 * narrow, 262.0)
            elif self.scene.pose == "walking":
                elbow, hand = (
                    (x + side * 70 * narrow, 236.0),
                    (x + side * 60 * narrow + side * 14, 286.0),
                )
            else:
                elbow, hand = (x + side * 66 * narrow, 238.0), (x + side * 66 * narrow, 292.0)
            self.stroke([elbow, hand], _darker(outfit.top, 0.12), 21)
            self.stroke([shoulder, elbow], _darker(outfit.top, 0.06), 23)
            self.ellipse(hand[0], hand[1], 10, 11, skin)


def _ease(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, smooth between."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)
