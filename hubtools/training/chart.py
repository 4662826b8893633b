"""`loss.png`: the training curve, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from hubtools.lettering import Font, font_for
from hubtools.reporting.sheets import save_sheet
from hubtools.rooted import Root
from hubtools.rooted.outputs import keeping
from hubtools.summed import is_summed_png
from hubtools.training.curve import Curve

WIDTH, HEIGHT = 960, 540
_SCALE = 2  # drawn twice as large, then reduced: smooth lines
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 36, 64, 64
_RATE = 110  # the lower part, of the learning rate
_INK, _GREY, _GRID = (31, 35, 40), (101, 109, 118), (228, 232, 236)
_RAW, _SMOOTH = (176, 204, 240), (20, 92, 190)
_HELD_OUT, _RATES = (200, 80, 20), (110, 119, 129)


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers from `low` to `high` (1, 2 or 5 times a power of ten apart)."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    rough = span / max(1, count)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _label(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) and abs(value) >= 1 else f"{value:.4g}"


@dataclass(frozen=True)
class _Panel:
    """A pair of axes on the picture: `top` and `bottom` in its pixels, values from 0 to `high`."""

    pen: ImageDraw.ImageDraw
    small: Font
    top: int
    bottom: int
    high: float
    first: int
    last: int

    @property
    def left(self) -> int:
        return _LEFT * _SCALE

    @property
    def right(self) -> int:
        return (WIDTH - _RIGHT) * _SCALE

    def x(self, step: float) -> float:
        span = self.right - self.left
        return self.left + span * (step - self.first) / (self.last - self.first)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * min(value / self.high, 1.03)

    def frame(self, name: str, ticks: int) -> None:
        """Axes, round numbers beside them, and what they count."""
        pen, small = self.pen, self.small
        for tick in nice_ticks(0.0, self.high, ticks):
            y = self.y(tick)
            pen.line([(self.left, y), (self.right, y)], fill=_GRID, width=_SCALE)
            pen.text((self.left - 10 * _SCALE, y), _label(tick), _GREY, small, anchor="rm")
        corners = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)]
        pen.line(corners, fill=_GREY, width=_SCALE)
        pen.text((self.left, self.top - 14 * _SCALE), name, _GREY, small, anchor="mm")

    def steps(self) -> None:
        """Round numbers of steps below the axis."""
        for tick in nice_ticks(self.first, self.last, 8):
            if tick != round(tick):
                continue
            x = self.x(tick)
            self.pen.line([(x, self.bottom), (x, self.bottom + 5 * _SCALE)], _GREY, _SCALE)
            place = (x, self.bottom + 10 * _SCALE)
            self.pen.text(place, _label(tick), _GREY, self.small, anchor="mt")
        middle = ((self.left + self.right) / 2, (HEIGHT - 18) * _SCALE)
        self.pen.text(middle, "step", _GREY, self.small, anchor="mm")


def draw_chart(
    path: Path,
    curve: Curve,
    title: str,
    note: Callable[[str], None] = lambda sentence: None,
) -> None:
    """Write the chart: raw and smoothed loss over steps, that of held-out pictures if there are
    any, and the learning rate below. Does nothing without steps. A file that lies there and that
    somebody has changed is kept in `.hubtools/replaced` beside it and told to `note`."""
    points = curve.points
    if not points:
        return
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), "white")
    pen = ImageDraw.Draw(image)
    small, large = font_for([], 14 * _SCALE), font_for([title], 20 * _SCALE)
    first = 0 if curve.held_out and not curve.held_out[0].step else points[0].first
    last = max(points[-1].last, first + 1)
    middle, bottom = (HEIGHT - _BOTTOM - _RATE) * _SCALE, (HEIGHT - _BOTTOM) * _SCALE
    loss = _Panel(pen, small, _TOP * _SCALE, middle, curve.high, first, last)
    highest = max(point.rate for point in points) * 1.05 or 1.0
    rate = _Panel(pen, small, middle + 34 * _SCALE, bottom, highest, first, last)
    loss.frame("loss", 6)
    rate.frame("rate", 2)
    rate.steps()
    raw = [(loss.x(p.last), loss.y(v)) for p in points for v in sorted({p.low, p.high})]
    _curve(pen, raw, _RAW, _SCALE)
    _curve(pen, [(loss.x(p.last), loss.y(p.smooth)) for p in points], _SMOOTH, 3 * _SCALE)
    _curve(pen, [(rate.x(p.last), rate.y(p.rate)) for p in points], _RATES, 2 * _SCALE)
    held = [(loss.x(line.step), loss.y(line.validation_loss)) for line in curve.held_out]
    if held:
        _curve(pen, held, _HELD_OUT, 2 * _SCALE)
        for point in held:
            _curve(pen, [point], _HELD_OUT, 2 * _SCALE)
    pen.text((loss.left, 22 * _SCALE), title, _INK, large, anchor="lm")
    names = [("smoothed", _SMOOTH), ("each step", _RAW)]
    _legend(loss, [("held out", _HELD_OUT), *names] if held else names)
    with Root(path.parent) as root:
        check = keeping(root, path.name, is_summed_png, note)
        with root.replacing(path.name, check=check) as file:
            # drawn at each saved state: a better filter and packing take four times as long
            save_sheet(image.reduce(_SCALE), file, quickly=True)


def _legend(panel: _Panel, names: list[tuple[str, tuple[int, int, int]]]) -> None:
    pen, small, legend = panel.pen, panel.small, panel.right
    for name, colour in names:
        legend -= int(pen.textlength(name, small))
        pen.text((legend, 22 * _SCALE), name, _GREY, small, anchor="lm")
        mark = legend - 8 * _SCALE
        pen.line([(mark - 22 * _SCALE, 22 * _SCALE), (mark, 22 * _SCALE)], colour, 3 * _SCALE)
        legend = mark - 40 * _SCALE


def _curve(
    pen: ImageDraw.ImageDraw,
    points: list[tuple[float, float]],
    colour: tuple[int, int, int],
    width: int,
) -> None:
    if len(points) == 1:
        (across, down), radius = points[0], 2 * width
        box = (across - radius, down - radius, across + radius, down + radius)
        pen.ellipse(box, fill=colour)
        return
    pen.line(points, fill=colour, width=width, joint="curve")
