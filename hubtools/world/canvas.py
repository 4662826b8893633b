"""Brushes: smooth shapes on a canvas that is painted larger than the picture and then reduced.

A pen maps the units of what it draws (radii of the head, say) to the canvas, so a figure is moved,
leant and mirrored at no cost. Work stays inside a shape's bounding box.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from hubtools.world.scene import Colour

Point = tuple[float, float]
Points = Sequence[Point] | NDArray[np.float64]
Box = tuple[int, int, int, int]

_STEPS = 6  # pieces of a curve between two of its points


@dataclass(frozen=True)
class PaintStyle:
    """How shapes are painted. `ink` is the width of outlines in 512ths of the picture, 0 for none;
    `soft` blurs shadows and adds lights; `hard` gives shadows a sharp edge; `simple` leaves out
    what a flat drawing has no use for."""

    soft: bool = False
    hard: bool = False
    simple: bool = False
    ink: float = 0.0


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` (0 to 1) of the other colour in the one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float = 0.25) -> Colour:
    return mix(colour, (40, 20, 50), share)


def lighter(colour: Colour, share: float = 0.3) -> Colour:
    return mix(colour, (255, 255, 255), share)


@functools.cache
def _weights(steps: int) -> NDArray[np.float64]:
    """Catmull-Rom weights, (steps, 4), of the points before, at, after and two after."""
    t = np.arange(steps)[:, None] / steps
    columns = [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]
    weights: NDArray[np.float64] = 0.5 * np.hstack(columns)
    return weights


def curve(points: Points, closed: bool = True, steps: int = _STEPS) -> NDArray[np.float64]:
    """A smooth curve through the points, (n, 2)."""
    xy = np.asarray(points, float)
    if closed:
        around = np.concatenate([xy[-1:], xy, xy[:2]])
    else:
        around = np.concatenate([xy[:1], xy, xy[-1:]])
    count = len(around) - 3
    four = np.stack([around[k : k + count] for k in range(4)], 1)  # (count, 4, 2)
    line: NDArray[np.float64] = (_weights(steps) @ four).reshape(-1, 2)
    return line if closed else np.concatenate([line, xy[-1:]])


@functools.cache
def _circle(count: int) -> NDArray[np.float64]:
    angle = np.arange(count) * (2 * math.pi / count)
    circle: NDArray[np.float64] = np.stack([np.cos(angle), np.sin(angle)], 1)
    return circle


def ellipse(x: float, y: float, rx: float, ry: float) -> NDArray[np.float64]:
    """The points of an ellipse."""
    points: NDArray[np.float64] = np.array([x, y]) + _circle(24) * np.array([rx, ry])
    return points


@functools.cache
def _ramp(low: float, high: float) -> Image.Image:
    """A column of 256 grey levels: 0 above `low`, 255 below `high` (shares of the height)."""
    t = np.clip((np.arange(256) / 255 - low) / (high - low), 0, 1)
    return Image.fromarray(np.round(255 * t * t * (3 - 2 * t)).astype(np.uint8)[:, None])


@functools.cache
def _levels(share: float) -> list[int]:
    """For `Image.point`: grey levels times a share."""
    return [min(255, round(level * share)) for level in range(256)]


class Shape:
    """A painted shape: its outline in canvas pixels, perhaps cut by another shape."""

    def __init__(self, xy: NDArray[np.float64], size: tuple[int, int], inside: Shape | None):
        self.xy = xy
        self.inside = inside
        low, high = np.floor(xy.min(0)).astype(int), np.ceil(xy.max(0)).astype(int) + 1
        # some way beyond the canvas, or its edge would pass for the shape's and be shaded
        over = size[0] // 6
        self.box: Box = (
            max(-over, int(low[0])), max(-over, int(low[1])),
            min(size[0] + over, int(high[0])), min(size[1] + over, int(high[1])),
        )  # fmt: skip

    @property
    def empty(self) -> bool:
        return self.box[0] >= self.box[2] or self.box[1] >= self.box[3]

    @functools.cached_property
    def mask(self) -> Image.Image:
        """255 inside; the size of the box."""
        left, top, right, bottom = self.box
        mask = Image.new("L", (right - left, bottom - top))
        ImageDraw.Draw(mask).polygon((self.xy - (left, top)).ravel().tolist(), fill=255)
        return mask if self.inside is None else self.inside.cut(mask, self.box)

    def cut(self, mask: Image.Image, box: Box) -> Image.Image:
        """What of a mask, which lies at `box`, is inside this shape."""
        left, top = self.box[:2]
        # crop fills with 0 what lies outside of the picture
        mine = self.mask.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))
        return ImageChops.multiply(mask, mine)


class Canvas:
    """An RGB image, square, `pixels` wide, and the look in which it is painted."""

    def __init__(self, pixels: int, paint: PaintStyle, colour: Colour = (255, 255, 255)) -> None:
        self.image = Image.new("RGB", (pixels, pixels), colour)
        self.draw = ImageDraw.Draw(self.image)
        self.paint = paint
        self.unit = pixels / 512

    def pen(
        self,
        x: float,
        y: float,
        unit: float = 1.0,
        *,
        mirrored: bool = False,
        lean: Lean | None = None,
    ) -> Pen:
        """A pen whose origin lies at (x, y), in 512ths, and whose unit is `unit` of them."""
        lean = lean or Lean()
        angle = math.radians(-lean.degrees)
        cos, sin = math.cos(angle) * lean.scale, math.sin(angle) * lean.scale
        turn = np.array([[cos, sin], [-sin, cos]])  # rows: where the x and y axes go
        origin = (np.array([x, y]) - lean.about) @ turn + lean.about + lean.shift
        axes = turn * unit
        if mirrored:
            axes = axes * np.array([[-1.0], [1.0]])
        return Pen(self, origin * self.unit, axes * self.unit, unit * lean.scale * self.unit)


@dataclass(frozen=True)
class Lean:
    """How a figure is moved as a whole: turned (degrees, anticlockwise) and scaled about a point,
    then shifted; in 512ths."""

    degrees: float = 0.0
    scale: float = 1.0
    shift: Point = (0.0, 0.0)
    about: Point = (256.0, 480.0)


class Pen:
    """Paints on a canvas in units of its own."""

    def __init__(
        self, canvas: Canvas, origin: NDArray[np.float64], axes: NDArray[np.float64], unit: float
    ) -> None:
        self.canvas = canvas
        self.paint = canvas.paint
        self.origin, self.axes = origin, axes
        self.unit = unit  # canvas pixels to a unit

    def place(self, points: Points) -> NDArray[np.float64]:
        """Points of this pen in canvas pixels."""
        placed: NDArray[np.float64] = np.asarray(points, float) @ self.axes + self.origin
        return placed

    def outline(self, points: Points, *, smooth: bool = True, inside: Shape | None = None) -> Shape:
        """A shape, not painted."""
        xy = self.place(curve(points) if smooth else points)
        return Shape(xy, self.canvas.image.size, inside)

    def fill(
        self,
        points: Points,
        colour: Colour,
        *,
        to: Colour | None = None,
        tip: Colour | None = None,
        smooth: bool = True,
        shade: float = 0.0,
        light: float = 0.0,
        inside: Shape | None = None,
        ink: bool = True,
    ) -> Shape:
        """Fill a shape. `to` is the colour it fades into downwards in a soft look, `tip` in every
        look; `shade` and `light` (0 to 1) darken its right edge and brighten its left one. `ink`
        is the outline, where the look has one; a shape cut by another has none."""
        shape = self.outline(points, smooth=smooth, inside=inside)
        if shape.empty:
            return shape
        fade = tip or (to if self.paint.soft else None)
        if fade is not None:
            span = _ramp(0.42, 0.68) if tip else _ramp(0.0, 1.0)
            left, top, right, bottom = shape.box
            ramp = span.resize((1, bottom - top)).resize((right - left, bottom - top))
            size = ramp.size
            paint = Image.composite(
                Image.new("RGB", size, fade), Image.new("RGB", size, colour), ramp
            )
            self.canvas.image.paste(paint, shape.box[:2], shape.mask)
        elif inside is None:
            self.canvas.draw.polygon(shape.xy.ravel().tolist(), fill=colour)
        else:
            self.canvas.image.paste(colour, shape.box, shape.mask)
        if shade and (self.paint.soft or self.paint.hard):
            self._rim(shape, darker(tip or colour, 0.5), shade, -0.16)
        if light and self.paint.soft:
            self._rim(shape, (255, 255, 255), light, 0.16)
        if ink and inside is None:
            self.ink(shape, colour)
        return shape

    def ink(self, shape: Shape, colour: Colour) -> None:
        """Draw the outline of a shape, in a dark tone of its colour."""
        if self.paint.ink:
            xy = shape.xy.ravel().tolist()
            _line(
                self.canvas.draw,
                [*xy, *xy[:4]],
                darker(colour, 0.72),
                self.paint.ink * self.canvas.unit,
            )

    def ink_line(self, points: Points, colour: Colour) -> None:
        """A part of an outline."""
        if self.paint.ink:
            self.stroke(points, darker(colour, 0.72), self._ink_width(), smooth=False)

    def cloud(self, shapes: Iterable[Points], colour: Colour, *, smooth: bool = False) -> None:
        """Several shapes as one: an outline around all of them only."""
        placed = [
            self.place(curve(points) if smooth else points).ravel().tolist() for points in shapes
        ]
        if self.paint.ink:
            for xy in placed:
                width = 2 * self.paint.ink * self.canvas.unit
                _line(self.canvas.draw, [*xy, *xy[:4]], darker(colour, 0.72), width)
        for xy in placed:
            self.canvas.draw.polygon(xy, fill=colour)

    def stroke(self, points: Points, colour: Colour, width: float, *, smooth: bool = True) -> None:
        """A line with round ends; `width` in this pen's units."""
        xy = self.place(curve(points, closed=False) if smooth else points)
        _stroke(self.canvas.draw, xy, colour, width * self.unit)

    def limb(self, points: Points, colour: Colour, width: float, *, shade: float = 0.0) -> None:
        """A thick line with round ends, inked as a shape."""
        if self.paint.ink:
            self.stroke(points, darker(colour, 0.72), width + 2 * self._ink_width())
        self.stroke(points, colour, width)
        if not shade or not (self.paint.soft or self.paint.hard):
            return
        xy = self.place(curve(points, closed=False))
        half = width * self.unit / 2
        corners = np.concatenate([xy - half, xy + half])
        shape = Shape(corners, self.canvas.image.size, None)
        if shape.empty:
            return
        left, top, right, bottom = shape.box
        mask = Image.new("L", (right - left, bottom - top))
        _stroke(ImageDraw.Draw(mask), xy - (left, top), 255, 2 * half)
        shape.mask = mask
        self._rim(shape, darker(colour, 0.5), shade, -0.16)

    def glow(self, x: float, y: float, rx: float, ry: float, colour: Colour, much: float) -> None:
        """A soft spot; an even one in a look that is not soft."""
        centre = self.place([(x, y)])[0]
        wide, tall = rx * self.unit, ry * self.unit
        if not self.paint.soft:
            shape = Shape(self.place(ellipse(x, y, rx, ry)), self.canvas.image.size, None)
            if not shape.empty:
                self.canvas.image.paste(colour, shape.box, shape.mask.point(_levels(much * 0.8)))
            return
        # radial_gradient is black in the middle
        spot = _spot(round(255 * much)).resize((max(2, round(4 * wide)), max(2, round(4 * tall))))
        corner = (round(centre[0] - spot.width / 2), round(centre[1] - spot.height / 2))
        self.canvas.image.paste(
            colour, (*corner, corner[0] + spot.width, corner[1] + spot.height), spot
        )

    def _ink_width(self) -> float:
        return self.paint.ink * self.canvas.unit / self.unit

    def _rim(self, shape: Shape, colour: Colour, much: float, share: float) -> None:
        """Tint one edge of a shape; `share` of its width, to the right if negative."""
        mask = shape.mask
        width, height = mask.size
        dx = share * min(width, 1.5 * height)
        if self.paint.hard:
            moved = Image.new("L", mask.size)
            moved.paste(mask, (round(dx * 0.8), round(-abs(dx) * 0.4)))
            rim = ImageChops.subtract(mask, moved).point(_levels(min(1.0, much * 1.6)))
        else:
            # blurred anyway, so made small and grown again
            less = max(1, round(abs(dx) * 0.3))
            small = mask.reduce(less) if less > 1 else mask
            moved = Image.new("L", small.size)
            moved.paste(small, (round(dx / less), round(-abs(dx) * 0.5 / less)))
            rim = ImageChops.subtract(small, moved)
            rim = rim.filter(ImageFilter.BoxBlur(max(1.0, abs(dx) * 0.45 / less)))
            rim = rim.point(_levels(much * 1.25))
            if less > 1:
                rim = rim.resize(mask.size, Image.Resampling.BILINEAR)
            rim = ImageChops.multiply(rim, mask)
        self.canvas.image.paste(colour, shape.box, rim)


def _stroke(
    draw: ImageDraw.ImageDraw, xy: NDArray[np.float64], colour: Colour | int, width: float
) -> None:
    """A line with round ends; all in canvas pixels."""
    across = max(1.0, width)
    _line(draw, xy.ravel().tolist(), colour, across)
    if across > 2:
        half = across / 2
        for x, y in (xy[0], xy[-1]):
            draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)


def _line(draw: ImageDraw.ImageDraw, xy: list[float], colour: Colour | int, width: float) -> None:
    across = max(1, round(width))
    draw.line(xy, fill=colour, width=across)
    if across > 3:  # round joints: Pillow's own leave gaps between wide pieces
        half = across / 2 - 0.5
        for index in range(2, len(xy) - 2, 2):
            x, y = xy[index], xy[index + 1]
            draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)


@functools.cache
def _spot(brightest: int) -> Image.Image:
    xy = np.linspace(-1, 1, 64)
    distance = np.hypot(xy[:, None], xy[None, :])
    t = np.clip((1 - distance) / 0.75, 0, 1)
    return Image.fromarray(np.round(brightest * t * t * (3 - 2 * t)).astype(np.uint8))
