"""Where the middle of a picture's training crop is to be, as a column says."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.findings import shortened

# [x, y]: the point that the crop is laid around, as shares of the upright picture's width and
# height from its left and its upper edge.
COLUMN = "crop_focus"
HOW = "write [x, y], shares of width and height from 0 to 1, or null"

Focus = tuple[float, float]


def focus_of(value: Any) -> Focus | None:
    """The point that a value of the column says, None where it says none (null, or an empty cell
    of CSV, which holds a point as the text `[0.5, 0.25]`). Raises `ValueError` for what is no such
    point."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):  # then it is no list either
            value = json_value(value) if value.strip() else None
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("it is no list of two numbers")
    if not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in value):
        raise ValueError("it holds what is no number")
    if not all(0 <= one <= 1 for one in value):
        raise ValueError("its numbers are not from 0 to 1")
    return float(value[0]), float(value[1])


def trained_focus(place: str, values: Mapping[str, Any]) -> Focus | None:
    """That of the record at `place`. Raises `HubtoolsError` for what is no point."""
    try:
        return focus_of(values.get(COLUMN))
    except ValueError as error:
        raise HubtoolsError(
            f"{place}: {COLUMN} is {shortened(repr(values[COLUMN]))}: {error}.", hint=HOW,
            code="file-damaged",
        ) from None  # fmt: skip


def told_focus(value: Any) -> Focus | None:
    """The same; None also for what is no point, of which a rule speaks."""
    try:
        return focus_of(value)
    except ValueError:
        return None
