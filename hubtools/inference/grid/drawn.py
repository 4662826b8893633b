"""What is there of a grid: its pictures, as its page and its sheet show them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape

from hubtools.inference.grid.plan import PAGE, PICTURE, GridPlan
from hubtools.manifest import SampleRecord
from hubtools.printable import visible
from hubtools.rooted import Root

_MOST = 100_000_000  # bytes of a picture that a notebook shows


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

    def _repr_html_(self) -> str:
        """As a notebook shows it: the picture of the whole grid, and where its page is."""
        with Root(self.plan.folder) as root:
            data = base64.b64encode(root.read(PICTURE, _MOST)).decode("ascii")
        page = escape(visible(str(self.plan.folder / PAGE)))
        picture = f"data:image/png;base64,{data}"
        return f'<img alt="grid" src="{picture}" style="max-width: 100%"><p>{page}</p>'
