"""What is there of a grid: its pictures, as its page and its sheet show them."""

from __future__ import annotations

from dataclasses import dataclass

from hubtools.inference.grid.plan import GridPlan
from hubtools.manifest import SampleRecord


@dataclass(frozen=True)
class Drawn:
    """A picture of the grid: its record, the file's hash, and how long it took, if that is known
    (its share of its batch)."""

    record: SampleRecord
    sha256: str
    seconds: float | None


@dataclass(frozen=True)
class GridResult:
    """A grid on disk: `grid.png`, `index.html`, `grid.json` and `cells/` in the plan's folder."""

    plan: GridPlan
    pictures: dict[str, Drawn]  # by file
    drawn: int  # of them now
