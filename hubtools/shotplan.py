"""The shot plan of a dataset: how many pictures of each kind there should be.

Written as a table of `hubtools.toml`, or in one line: `portrait = 3..4, full_body = 3..`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubtools.patterns import regex

# For a LoRA of a subject: three or four of each are what is usually asked for, and five are no
# mistake yet.
SUBJECT = {
    "portrait": "3..5",
    "three_quarter_left": "3..5",
    "three_quarter_right": "3..5",
    "profile": "3..5",
    "full_body": "3..5",
}
NAMED = {"subject": SUBJECT}

_RANGE = regex(r"(\d{1,6})?\s*(\.\.|-|\u2013)?\s*(\d{1,6})?")


def parse_plan(value: object) -> object:
    """A plan as {name: range} from any way of writing it. Raises `ValueError` with a sentence for
    what is none; what is neither text nor table is handed back as it is."""
    in_line = isinstance(value, str)
    if isinstance(value, str):
        known = NAMED.get(value.strip().lower())
        if known:
            return dict(known)
        pairs = [part.partition("=") for part in re.split(r"[,;|\n]", value) if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise ValueError(
                f"must be {' or '.join(NAMED)}, or name = range pairs such as portrait=3..4"
            )
        value = {name: text for name, _, text in pairs}
    if not isinstance(value, Mapping):
        return value
    plan: dict[str, str] = {}
    for name, text in value.items():
        key = plain(str(name))
        if not key:
            raise ValueError(f"has a name without letters: {name!r}")
        try:
            low, high = bounds(str(text).strip().strip("\"'"))
        except ValueError as error:
            # a whole line is shown by whoever tells of the error
            shown = "" if in_line else f", not {text!r}"
            raise ValueError(f"{error} for {key}{shown}") from None
        plan[key] = _written(low, high)
    return plan


def plain(name: str) -> str:
    """`Three-quarter left` -> `three_quarter_left`."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def bounds(text: str) -> tuple[int, int | None]:
    """(least, most or None) of a range: `3`, `3..4`, `3..`, `..4`. Raises `ValueError`."""
    found = _RANGE.fullmatch(text.strip())
    low, mark, high = found.groups() if found else (None, None, None)
    if (low is None and high is None) or (low and high and int(low) > int(high)):
        raise ValueError('wants a number of pictures such as 3, "3..4" or "3.."')
    if not mark:
        return int(low or 0), int(low or 0)
    return int(low or 0), int(high) if high else None


def _written(low: int, high: int | None) -> str:
    return str(low) if low == high else f"{low}..{'' if high is None else high}"
