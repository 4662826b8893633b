"""How often an epoch has each picture, as a column or globs of file names say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from hubtools.errors import HubtoolsError

MOST = 1000


def number_of(value: Any) -> int | None:
    """The repeats that a column holds, 1 where it holds none; None for what is no such number."""
    text = "1" if value is None else str(value).removesuffix(".0").strip()
    if isinstance(value, bool) or not text.isdecimal() or not 1 <= int(text) <= MOST:
        return None
    return int(text)


def by_glob(names: Sequence[str], times: Mapping[str, int]) -> list[int | None]:
    """For each file name those of the last glob that fits; None if none does. Raises
    `HubtoolsError` for a glob that fits none of them."""
    found: list[int | None] = [None] * len(names)
    for glob, often in times.items():
        places = [place for place, name in enumerate(names) if fnmatch(name, glob)]
        if not places:
            example = f"file names are like {names[0]!r}; " if names else ""
            raise HubtoolsError(
                f"dataset.picture_repeats: no picture fits {glob!r}.",
                hint=f"{example}a folder is folder/*",
                code="bad-setting",
            )
        for place in places:
            found[place] = often
    return found
