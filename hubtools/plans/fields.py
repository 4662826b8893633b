"""What the operations of a plan hold, which anybody may have written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def text(item: Mapping[str, Any], key: str, pattern: re.Pattern[str] | None = None) -> str:
    """A text of an operation. Raises `ValueError` for anything else, or if it does not fit."""
    value = item[key]
    if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
        raise ValueError(f"{key} is {value!a:.80}")
    return value


def optional(
    item: Mapping[str, Any], key: str, pattern: re.Pattern[str] | None = None
) -> str | None:
    """A text of an operation, or None. Raises `ValueError` for anything else."""
    return None if item[key] is None else text(item, key, pattern)


def number(item: Mapping[str, Any], key: str) -> int:
    """A count of an operation. Raises `ValueError` for anything else."""
    value = item[key]
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError(f"{key} is {value!a:.80}")
    return value


def only(item: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Raises `ValueError` if an operation has other keys than these."""
    if odd := item.keys() ^ set(keys):
        raise ValueError(f"an operation has the wrong keys ({', '.join(sorted(odd)[:3])})")
