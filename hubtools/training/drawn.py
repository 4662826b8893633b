"""The pictures that a run has drawn on its way, by the names of their records."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hubtools.rooted import Root

_NAME = re.compile(r"step(\d{6,9})_(p(\d{2,4})_s\d{1,20})\.json")


@dataclass(frozen=True)
class Drawn:
    """The record `record` (`x.json`) of a picture that was drawn after `step`; `name` is the same
    for the same prompt at each step, `prompt` the number of that."""

    record: str
    step: int
    name: str
    prompt: int


def drawn(folder: Root, first: int = 0) -> list[Drawn]:
    """Those in `folder` from step `first` on, in order of steps and prompts."""
    found = []
    for name in folder.list():
        place = _NAME.fullmatch(name)
        if place is not None and int(place[1]) >= first:
            found.append(Drawn(name, int(place[1]), place[2], int(place[3])))
    return sorted(found, key=lambda one: (one.step, one.prompt, one.name))
