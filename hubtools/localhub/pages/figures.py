"""Figures about a column, as the head of a table shows them."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hubtools.localhub.pages.html import Html, tag

_BARS = 10
_FEW = 12  # different values that are counted one by one


@dataclass(frozen=True)
class Figures:
    """What a column holds: words for it, and bars (label, count)."""

    words: str
    bars: tuple[tuple[str, int], ...] = ()
    missing: int = 0


def as_text(value: Any) -> str:
    """A value as a cell shows it; nothing for None."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def figures_of(values: Iterable[Any]) -> Figures:
    """Of values as records have them: numbers by size, few different ones by how often each comes,
    texts and lists by their length."""
    every = list(values)
    there = [value for value in every if value is not None]
    missing = len(every) - len(there)
    if not there:
        return Figures("empty", (), missing)
    if all(isinstance(value, bool) for value in there):
        return Figures("true or false", _counted(there), missing)
    if all(isinstance(value, int | float) for value in there):
        finite = [number for number in map(_float, there) if math.isfinite(number)]
        if not finite:
            return Figures("no finite number", (), missing)
        mean = _number(math.fsum(finite) / len(finite))
        words = f"{_number(min(finite))} to {_number(max(finite))}, mean {mean}"
        return Figures(words, _spread(finite), missing)
    texts = [as_text(value) for value in there]
    different = len(set(texts))
    if different <= _FEW and different < len(texts):
        return Figures(f"{different} different", _counted(texts), missing)
    lists = all(isinstance(value, list) for value in there)
    lengths = [float(len(value)) for value in (there if lists else texts)]
    unit = "items" if lists else "letters"
    words = f"{_number(min(lengths))} to {_number(max(lengths))} {unit}, {different:,} different"
    return Figures(words, _spread(lengths), missing)


def figures_of_sizes(sizes: Sequence[tuple[int, int] | None]) -> Figures:
    """Of pictures, by width and height in pixels."""
    there = [size for size in sizes if size is not None]
    missing = len(sizes) - len(there)
    if not there:
        return Figures("", (), missing)
    counts = Counter(f"{width}x{height}" for width, height in there)
    if len(counts) <= _FEW:
        return Figures(f"{len(counts)} sizes" if len(counts) > 1 else next(iter(counts)),
                       tuple(counts.most_common()) if len(counts) > 1 else (), missing)  # fmt: skip
    widths = [float(width) for width, _ in there]
    small, large = min(there), max(there)
    words = f"{small[0]}x{small[1]} to {large[0]}x{large[1]}, by width"
    return Figures(words, _spread(widths), missing)


def _counted(values: Iterable[Any]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(as_text(value) for value in values).most_common(_FEW))


def _spread(numbers: Sequence[float]) -> tuple[tuple[str, int], ...]:
    low, high = min(numbers), max(numbers)
    if low == high:
        return ()
    counts = [0] * _BARS
    for number in numbers:
        share = number / high if math.isinf(high - low) else (number - low) / (high - low)
        counts[min(_BARS - 1, max(0, int(share * _BARS)))] += 1
    step = (high - low) / _BARS if math.isfinite(high - low) else high / _BARS
    return tuple(
        (f"{_number(low + step * i)} to {_number(low + step * (i + 1))}", count)
        for i, count in enumerate(counts)
    )


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:.4g}"


def drawn(figures: Figures) -> Html:
    """As words with bars above them."""
    most = max((count for _, count in figures.bars), default=0)
    width = 100 / max(1, len(figures.bars))
    bars = [
        tag(
            "rect",
            tag("title", f"{label[:80]}: {count:,}"),
            x=f"{i * width + 0.8:.2f}",
            y=f"{28 - 28 * count / most:.2f}",
            width=f"{max(0.5, width - 1.6):.2f}",
            height=f"{28 * count / most:.2f}",
        )
        for i, (label, count) in enumerate(figures.bars)
    ]
    shown = tag(
        "svg", *bars, viewBox="0 0 100 28", preserveAspectRatio="none", class_="bars", role="img"
    )
    told = figures.missing and figures.words not in ("", "empty")
    missing = f" · {figures.missing:,} empty" if told else ""
    return tag(
        "div",
        shown if bars else None,
        tag("span", f"{figures.words}{missing}", class_="soft"),
        class_="figures",
    )
