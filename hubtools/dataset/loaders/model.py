"""The answers of the simulator, and the one exception it uses inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

TRAIN = "train"  # the split that is trained on


class Mode(StrEnum):
    """A way in which folders of pictures are read."""

    AUTO = "auto"  # load_dataset(path): users, the Hub's viewer
    IMAGEFOLDER = "imagefolder"  # load_dataset("imagefolder", data_dir=path)
    DIFFUSERS = "diffusers"  # load_dataset("imagefolder", data_files={"train": path/**})
    DREAMBOOTH = "dreambooth"  # [Image.open(x) for x in Path(path).iterdir()]


class Outcome(StrEnum):
    """What comes of reading."""

    LOADS = "loads"
    RAISES = "raises"  # at load: nobody gets a single row
    ON_ACCESS = "raises on access"  # loads, and stops when a certain row is asked for
    BY_CHANCE = "by chance"  # one of `Loaded.alternatives`, another one next time
    MAY_RAISE = "may raise"  # beyond what the simulator knows; the reason says why


@dataclass(frozen=True)
class Lost:
    """A file that a loader leaves out. Names are relative to the dataset folder, with `/`."""

    name: str
    reason: str


class Broken(NamedTuple):
    """A row that cannot be read. `row` counts from 0 in its split; `name` is its file."""

    row: int
    name: str
    reason: str


@dataclass
class RowFiles:
    """What the rows of a split hold; `besides` where there is more than one picture column."""

    files: list[str | None] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    besides: list[tuple[tuple[str, str], ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Split:
    """A split as loaded. `rows` is None where it cannot be told."""

    name: str
    rows: int | None
    columns: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()  # columns that hold pictures
    files: tuple[str | None, ...] = ()  # of each row, that of the first picture column
    broken: tuple[Broken, ...] = ()
    # (metadata file, its rows), in the order in which the rows come; none without metadata
    records: tuple[tuple[str, int], ...] = ()
    # of each row, the files in its further columns of pictures: (column, file)
    besides: tuple[tuple[tuple[str, str], ...], ...] = ()

    def files_in(self, row: int, column: str) -> tuple[str, ...]:
        """The files that a row has in a column of pictures, one or a list."""
        first = self.files[row] if self.files and column in self.pictures[:1] else None
        besides = self.besides[row] if self.besides else ()
        found = tuple(name for other, name in besides if other == column)
        return found if first is None else (first, *found)

    @property
    def names(self) -> Iterator[str]:
        """All files that its rows have, in any column."""
        yield from (name for name in self.files if name)
        yield from (name for besides in self.besides for _, name in besides)

    @property
    def blank(self) -> int:
        """How many rows have no picture where there is a picture column."""
        return sum(name is None for name in self.files)


@dataclass(frozen=True)
class Loaded:
    """What one loader makes of the folder.

    `alternatives` are the results that the same call may give, where chance decides; `rule` the
    dataset rule that tells more about `reason`.
    """

    mode: Mode
    module: str | None
    outcome: Outcome
    reason: str | None = None
    splits: tuple[Split, ...] = ()
    lost: tuple[Lost, ...] = ()
    alternatives: tuple[Loaded, ...] = ()
    rule: str | None = None

    def split(self, name: str) -> Split | None:
        """The split of that name, None if there is none."""
        return next((split for split in self.splits if split.name == name), None)

    @property
    def shape(self) -> tuple[object, ...]:
        """What two loaders must have in common to agree: splits, rows, columns, outcome."""
        splits = tuple((s.name, s.rows, s.columns, len(s.broken)) for s in self.splits)
        return (self.outcome is Outcome.RAISES, splits)

    def to_dict(self, names: int = 20) -> dict[str, Any]:
        """As JSON values; at most `names` file names of a kind are listed."""
        return {
            "mode": self.mode.value,
            "module": self.module,
            "outcome": self.outcome.value,
            "reason": self.reason,
            "splits": {
                split.name: {
                    "rows": split.rows,
                    "columns": list(split.columns),
                    "pictures": list(split.pictures),
                    "without_picture": split.blank,
                    "broken": len(split.broken),
                    "broken_rows": _broken(split.broken[:names]),
                }
                for split in self.splits
            },
            "lost": len(self.lost),
            "lost_files": [
                {"name": lost.name, "reason": lost.reason} for lost in self.lost[:names]
            ],
        }


def _broken(rows: Sequence[Broken]) -> list[dict[str, Any]]:
    return [{"row": row.row, "name": row.name, "reason": row.reason} for row in rows]


class LoadError(Exception):
    """The loader would raise here; the message says why. `sure` is False if it only may; `rule` is
    the dataset rule that tells more about it, if one does."""

    def __init__(self, reason: str, *, sure: bool = True, rule: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sure = sure
        self.rule = rule
