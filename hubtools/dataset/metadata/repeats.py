"""How often an epoch has each picture, and how much it counts, as a column or globs of file names
say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any, TypeVar

from hubtools.errors import HubtoolsError

LEAST, MOST = 0.001, 1000
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,30})?", re.ASCII)

Number = TypeVar("Number", int, float)


def number_of(value: Any) -> float | None:
    """The repeats that a column holds, 1 where it holds none; None for what is no such number:
    whole, or with a part (0.5 is every other epoch)."""
    text = "1" if value is None else str(value).strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    if not LEAST <= number <= MOST:
        return None
    return int(number) if number == int(number) else number


def by_glob(
    names: Sequence[str], numbers: Mapping[str, Number], setting: str
) -> list[Number | None]:
    """For each file name the number of the last glob that fits; None if none does. Raises
    `HubtoolsError` for a glob of the `setting` that fits none of them."""
    found: list[Number | None] = [None] * len(names)
    for glob, number in numbers.items():
        places = [place for place, name in enumerate(names) if fnmatch(name, glob)]
        if not places:
            example = f"file names are like {names[0]!r}; " if names else ""
            raise HubtoolsError(
                f"dataset.{setting}: no picture fits {glob!r}.",
                hint=f"{example}a folder is folder/*",
                code="bad-setting",
            )
        for place in places:
            found[place] = number
    return found
