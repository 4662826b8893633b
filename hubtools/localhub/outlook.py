"""What checks say of a repository, and the rows that a loader reads of it.

The embedded Hub stands alone: it has no checks. Whoever starts it may hand it an `Outlook` that
has, and its pages show what that says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from hubtools.findings import Finding


@dataclass(frozen=True)
class Column:
    """A column of a table: `pictures` if it holds pictures, one or a list."""

    name: str
    type: str
    pictures: bool = False


@dataclass(frozen=True)
class Cells:
    """A row: its values by column; of columns of pictures the files, `broken` why the loader stops
    at it (None: it does not)."""

    values: Mapping[str, Any]
    pictures: Mapping[str, Sequence[str]]
    broken: str | None = None


class Table(Protocol):
    """A split of a configuration. `count` is None where it cannot be told; `told`: what is in its
    rows is known."""

    @property
    def config(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def count(self) -> int | None: ...
    @property
    def told(self) -> bool: ...
    @property
    def columns(self) -> Sequence[Column]: ...
    def row(self, number: int) -> Cells:
        """The row of that number, from 0."""
        ...


@dataclass(frozen=True)
class Reading:
    """What the loader makes of a dataset. `outcome` is its word for it (`loads`, `raises`, ...),
    `reason` why; `lost` are files that it leaves out, with the reason; `sizes` the pixels of
    pictures by file, upright."""

    outcome: str
    reason: str | None
    module: str | None
    tables: Sequence[Table]
    lost: Sequence[tuple[str, str]]
    findings: Sequence[Finding]
    sizes: Mapping[str, tuple[int, int]]
    opener: Callable[[str], BinaryIO]
    notes: dict[Any, Any] = field(default_factory=dict)  # what the pages have worked out of it

    def open(self, name: str) -> BinaryIO:
        """A picture of a row, from a file of its own or a shard."""
        return self.opener(name)


class Outlook(Protocol):
    """Looks at a folder that holds what a repository does."""

    def card(self, folder: Path, kind: str) -> Sequence[Finding]:
        """What is wrong with its README.md."""
        ...

    def dataset(self, folder: Path) -> Reading:
        """What is in it for a loader. Raises `HubtoolsError` if it cannot be read at all."""
        ...

    def files(self, folder: Path, kind: str) -> Sequence[Finding]:
        """What speaks against its files being published."""
        ...
