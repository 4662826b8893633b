"""Paths as people are shown them: as short as they are true where the command was typed."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from hubtools.patterns import regex


def from_here(place: Path, *, above: bool = True) -> str:
    """How a command typed here names it: from this folder if it lies below, else the shorter of
    `../other` and the whole path; without `above` the whole. `a/../b` is `b` unless `a` is a link.
    """
    whole, here = place.absolute(), Path.cwd()
    if ".." in whole.parts:
        plain = Path(os.path.normpath(whole))
        whole = plain if os.path.realpath(plain) == os.path.realpath(whole) else whole
    if whole.is_relative_to(here):
        below = str(whole.relative_to(here))
        return f".{os.path.sep}{below}" if below.startswith("-") else below  # no option
    ways = [str(whole)]
    if above and ".." not in whole.parts:
        with suppress(ValueError):  # another drive of Windows
            ways.append(os.path.relpath(whole, here))
    return min(ways, key=len)


def told_from_here(sentence: str) -> str:
    """`sentence` with the paths in it that lie below this folder named from it."""
    try:
        here = str(Path.cwd())
    except OSError:  # it is gone
        return sentence
    if here == os.path.sep or here not in sentence:
        return sentence
    # a name follows, and no option; nothing of an address or of a longer path comes before
    below = regex(rf"(?<![\w./~:@%+\]-]){re.escape(here + os.path.sep)}(?=[^\s/\\.-]|\.[^\s./\\])")
    return below.sub("", sentence)
