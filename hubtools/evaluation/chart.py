"""`evaluation.png`: every figure of base and candidates with its interval, drawn with Pillow."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from hubtools.evaluation.result import Candidate, Evaluation, Measured
from hubtools.lettering import font_for
from hubtools.reporting.sheets import check_chart, save_sheet
from hubtools.rooted.outputs import writing_over
from hubtools.training.chart import nice_ticks

# name -> (title, which way is better)
PANELS = {
    "subject_fidelity": ("like the training pictures", "higher is better"),
    "prompt_fidelity": ("follows prompts with the trigger", "higher is better"),
    "plain_fidelity": ("follows prompts without it", "as the base is best"),
    "leakage": ("like them without the trigger", "as the base is best"),
    "diversity": ("diversity", "0 is one picture"),
    "memorised": ("copies of training pictures", "lower is better"),
    "hair_tip": ("coloured hair tips", "higher is better"),
    "star": ("stars on the cheeks", "higher is better"),
    "denoising_loss": ("denoising loss", "lower is better"),
}
# where that scale can be told (see `Evaluation.per_cent`)
_SCALED = "0 % as the base, 100 % as the pictures among themselves"
_SCALE = 2  # drawn twice as large, then reduced: smooth lines
_WIDE, _HIGH, _COLUMNS = 420, 300, 3
_INK, _GREY, _GRID = (31, 35, 40), (101, 109, 118), (228, 232, 236)
_BASE, _LORA, _BEST = (140, 148, 156), (90, 140, 210), (12, 120, 70)


def draw_chart(path: Path, evaluation: Evaluation) -> None:
    """Write the chart: a panel a figure, a point with its 95 % interval a candidate, the base's
    level as a dotted line, the recommended candidate in green."""
    names = [name for name in PANELS if any(name in c.figures for c in evaluation.candidates)]
    rows = -(-len(names) // _COLUMNS)
    title_height = 56
    size = (_COLUMNS * _WIDE * _SCALE, (rows * _HIGH + title_height) * _SCALE)
    image = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(image)
    title = f"LoRA against {evaluation.base_model or 'its base'}"
    large = font_for([title], 18 * _SCALE)
    middle = title_height * _SCALE / 2
    pen.text((24 * _SCALE, middle), title, _INK, large, anchor="lm")
    last = evaluation.candidates[-1]
    key = f"points: means; lines: 95 % intervals; {short_label(last)}: {last.label}"
    small = font_for([], 11 * _SCALE)
    pen.text((size[0] - 24 * _SCALE, middle), key, _GREY, small, anchor="rm")
    for index, name in enumerate(names):
        left = index % _COLUMNS * _WIDE
        top = index // _COLUMNS * _HIGH + title_height
        _panel(pen, evaluation, name, left, top)
    with writing_over(path, check_chart) as file:
        save_sheet(image.reduce(_SCALE), file)


def _panel(pen: ImageDraw.ImageDraw, evaluation: Evaluation, name: str, x0: int, y0: int) -> None:
    bold, small = (font_for([], n * _SCALE) for n in (14, 11))
    title, better = PANELS[name]
    scaled = all(evaluation.per_cent(c, name) for c in evaluation.candidates if name in c.figures)
    better = f"{better}: {_SCALED}" if scaled else better
    pen.text(((x0 + 24) * _SCALE, (y0 + 14) * _SCALE), title, _INK, bold, anchor="lm")
    pen.text(((x0 + 24) * _SCALE, (y0 + 32) * _SCALE), better, _GREY, small, anchor="lm")
    left, right = (x0 + 64) * _SCALE, (x0 + _WIDE - 16) * _SCALE
    top, bottom = (y0 + 50) * _SCALE, (y0 + _HIGH - 44) * _SCALE
    shown = [
        c
        for c in evaluation.candidates
        if shown_figure(evaluation, c, name, scaled=scaled) is not None
    ]
    values = [shown_figure(evaluation, c, name, scaled=scaled) for c in shown]
    low = min(v[1] for v in values if v)
    high = max(v[2] for v in values if v)
    margin = (high - low) * 0.12 or abs(high) * 0.1 or 0.1
    low, high = low - margin, high + margin
    if low < 0 <= min(v[1] for v in values if v):
        low = 0.0

    def y(value: float) -> float:
        return bottom - (bottom - top) * (value - low) / (high - low)

    unit = " %" if scaled else ""
    for tick in nice_ticks(low, high, 5):
        pen.line([(left, y(tick)), (right, y(tick))], fill=_GRID, width=_SCALE)
        pen.text((left - 8 * _SCALE, y(tick)), f"{tick + 0.0:.3g}{unit}", _GREY, small, anchor="rm")
    base = values[0]
    step = (right - left) / len(shown)
    if base:
        for dash in range(int(left), int(right), 12 * _SCALE):
            pen.line([(dash, y(base[0])), (dash + 5 * _SCALE, y(base[0]))], _BASE, _SCALE)
    for index, (candidate, value) in enumerate(zip(shown, values, strict=True)):
        if value is None:
            continue
        mean, lower, upper = value
        x = left + step * (index + 0.5)
        place = evaluation.candidates.index(candidate)
        colour = _BASE if place == 0 else _BEST if place == evaluation.recommended else _LORA
        pen.line([(x, y(lower)), (x, y(upper))], fill=colour, width=3 * _SCALE)
        radius = 6 * _SCALE
        box = (x - radius, y(mean) - radius, x + radius, y(mean) + radius)
        pen.ellipse(box, fill=colour)
        down = bottom + (12 + (18 if index % 2 and len(shown) > 5 else 0)) * _SCALE
        pen.text((x, down), short_label(candidate), colour, small, anchor="mt")


def short_label(candidate: Candidate) -> str:
    """`base`, `400 x0.75`."""
    if candidate.weight == 0:
        return "base"
    step = "LoRA" if candidate.step is None else str(candidate.step)
    return f"{step} x{candidate.weight:g}"


def shown_figure(
    evaluation: Evaluation, candidate: Candidate, name: str, *, scaled: bool
) -> tuple[float, float, float] | None:
    """(mean, low, high) of a candidate as the chart shows it, in per cent if `scaled` (see
    `Evaluation.per_cent`); None if it was not measured."""
    found: Measured | None = candidate.figures.get(name)
    if scaled:
        found = evaluation.per_cent(candidate, name)
    if found is None or found.mean is None or found.low is None or found.high is None:
        return None
    return found.mean, found.low, found.high
