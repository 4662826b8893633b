"""`loss.png`: the training curve, drawn with Pillow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from hubtools.rooted import Root
from hubtools.training.metrics import Metric

WIDTH, HEIGHT = 960, 540
_SCALE = 2  # drawn twice as large, then reduced: smooth lines
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 36, 64, 64
_INK, _GREY, _GRID = (31, 35, 40), (101, 109, 118), (228, 232, 236)
_RAW, _SMOOTH = (176, 204, 240), (20, 92, 190)


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


def draw_chart(path: Path, metrics: Sequence[Metric], title: str) -> None:
    """Write the chart of raw and smoothed loss over steps; does nothing without metrics."""
    if not metrics:
        return
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), "white")
    pen = ImageDraw.Draw(image)
    small, large = (ImageFont.load_default(size * _SCALE) for size in (14, 20))
    left, right = _LEFT * _SCALE, (WIDTH - _RIGHT) * _SCALE
    top, bottom = _TOP * _SCALE, (HEIGHT - _BOTTOM) * _SCALE
    first, last = metrics[0].step, max(metrics[-1].step, metrics[0].step + 1)
    losses = sorted(metric.loss for metric in metrics)
    # a few wild steps must not flatten the rest
    high = losses[min(len(losses) - 1, int(len(losses) * 0.99))]
    high = max(high, max(metric.loss_ema for metric in metrics)) * 1.05 or 1.0

    def x(step: float) -> float:
        return left + (right - left) * (step - first) / (last - first)

    def y(loss: float) -> float:
        return bottom - (bottom - top) * min(loss / high, 1.03)

    for tick in nice_ticks(0.0, high, 8):
        pen.line([(left, y(tick)), (right, y(tick))], fill=_GRID, width=_SCALE)
        pen.text((left - 10 * _SCALE, y(tick)), _label(tick), _GREY, small, anchor="rm")
    for tick in nice_ticks(first, last, 8):
        if tick != round(tick):
            continue
        pen.line([(x(tick), bottom), (x(tick), bottom + 5 * _SCALE)], fill=_GREY, width=_SCALE)
        pen.text((x(tick), bottom + 10 * _SCALE), _label(tick), _GREY, small, anchor="mt")
    pen.line([(left, top), (left, bottom), (right, bottom)], fill=_GREY, width=_SCALE)
    _curve(pen, [(x(m.step), y(m.loss)) for m in metrics], _RAW, _SCALE)
    _curve(pen, [(x(m.step), y(m.loss_ema)) for m in metrics], _SMOOTH, 3 * _SCALE)
    pen.text((left, 22 * _SCALE), title, _INK, large, anchor="lm")
    pen.text(((left + right) / 2, (HEIGHT - 18) * _SCALE), "step", _GREY, small, anchor="mm")
    pen.text((left, (_TOP - 14) * _SCALE), "loss", _GREY, small, anchor="mm")
    legend = right
    for name, colour in (("smoothed", _SMOOTH), ("each step", _RAW)):
        legend -= int(pen.textlength(name, small))
        pen.text((legend, 22 * _SCALE), name, _GREY, small, anchor="lm")
        mark = legend - 8 * _SCALE
        pen.line([(mark - 22 * _SCALE, 22 * _SCALE), (mark, 22 * _SCALE)], colour, 3 * _SCALE)
        legend = mark - 40 * _SCALE
    with Root(path.parent) as root, root.replacing(path.name) as file:
        # drawn at each saved state: a better filter and packing take four times as long
        image.reduce(_SCALE).save(file, format="PNG")


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
