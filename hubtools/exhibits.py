"""What the HTML page of a report shows beside its findings; every part may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple


@dataclass(frozen=True)
class Bar:
    """One line of a histogram. `marked` bars are those to look at; `note` says why."""

    label: str
    count: int
    marked: bool = False
    note: str = ""


class Histogram(NamedTuple):
    """Counts by label. `about` is a sentence on what is counted."""

    title: str
    about: str
    bars: tuple[Bar, ...]


class Shown(NamedTuple):
    """A picture and what is told of it. `tags` are short: how it is a copy, or ids of rules."""

    name: str
    lines: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Cluster(NamedTuple):
    """Pictures that are copies of each other, the best first; or those of one row, that to learn
    first."""

    pictures: tuple[Shown, ...]
    more: int = 0  # copies that are not shown


class Wanted(NamedTuple):
    """A part of the shot plan: how many pictures are wanted (`high` None: no limit) and found."""

    name: str
    low: int
    high: int | None
    found: int
    pictures: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """`missing`, `too few`, `too many` or `ok`."""
        if self.found < self.low:
            return "too few" if self.found else "missing"
        return "too many" if self.high is not None and self.found > self.high else "ok"


class Loader(NamedTuple):
    """What one loader makes of the folder, as the table of `validate` has it. `aside`: it is for
    other folders than this, and its refusal says little."""

    name: str
    module: str
    rows: str
    columns: str
    lost: int
    outcome: str
    reason: str = ""
    aside: bool = False

    @property
    def mark(self) -> str:
        """How good that is: `ok`, `warning` or `error`; empty where it says little."""
        if self.aside:
            return ""
        if self.outcome == "loads":
            return "error" if self.lost else "ok"
        return "warning" if self.outcome in ("by chance", "may raise") else "error"


class Word(NamedTuple):
    """A word of the captions: in how many of them it is."""

    text: str
    captions: int


class Words(NamedTuple):
    """Words of `captions` captions, the most frequent `table` of `different` ones."""

    captions: int
    different: int
    table: tuple[Word, ...]
    bound: tuple[str, ...] = ()  # in every caption: the trigger stands for them too


class Exhibits(NamedTuple):
    """All of it. `thumbnails` are WebP or JPEG files by picture; `unseen` is how many pictures
    that are spoken of have none because there are too many; `blank` says why others have none."""

    figures: tuple[tuple[str, str], ...] = ()
    loaders: tuple[Loader, ...] = ()
    pictures: tuple[Shown, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    clusters_more: int = 0
    pairs: tuple[Cluster, ...] = ()  # rows of more than one picture
    pairs_more: int = 0
    histograms: tuple[Histogram, ...] = ()
    coverage: tuple[Wanted, ...] = ()
    unplanned: int = 0  # pictures of no shot of the plan
    words: Words | None = None
    thumbnails: Mapping[str, bytes] = MappingProxyType({})
    unseen: int = 0
    blank: Mapping[str, str] = MappingProxyType({})
