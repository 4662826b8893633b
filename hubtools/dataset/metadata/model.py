"""The shape in which metadata files are read: records, and what is wrong with their file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata.named import all_resolved, resolved

FILE_NAME = "file_name"


class Kind(StrEnum):
    """What is wrong with a piece of a metadata file."""

    JSON = "json"  # not JSON
    MULTI_LINE = "multi-line"  # a record over several lines
    ARRAY = "array"  # one JSON array instead of a record a line
    NOT_OBJECT = "not-object"  # a line that is JSON but no object
    DUPLICATE_KEY = "duplicate-key"
    ENCODING = "encoding"
    EMPTY = "empty"
    CSV_COLUMNS = "csv-columns"  # a row with more or fewer fields than the header
    CSV_QUOTE = "csv-quote"  # a quote that is never closed
    CSV_HEADER = "csv-header"  # spaces around a column's name
    CSV_DELIMITER = "csv-delimiter"  # semicolons or tabs instead of commas
    PARQUET = "parquet"  # not a parquet file
    TOO_LARGE = "too-large"  # more bytes or records than are read
    LIMIT = "limit"  # a line or record that is longer or deeper than is read
    COLUMNS = "columns"  # more columns than are read


# What was left out of the records on purpose: of such a file nothing may be written.
LIMITS = frozenset({Kind.TOO_LARGE, Kind.LIMIT, Kind.COLUMNS})


@dataclass(frozen=True)
class Trouble:
    """A mistake; `line` and `column` count from 1."""

    kind: Kind
    message: str
    line: int | None = None
    column: int | None = None
    fix: str | None = None


class Row(NamedTuple):
    """A record: its values as the file has them, and where it begins. (A tuple, for there may be a
    million.)"""

    source: str  # name of the metadata file
    line: int | None  # None in parquet
    values: dict[str, Any]

    @property
    def file_name(self) -> Any:
        """The value of `file_name`, whatever it is; None if there is none."""
        return self.values.get(FILE_NAME)

    @property
    def picture(self) -> str | None:
        """The picture it names, relative to the dataset folder, with `/`; None if none."""
        return resolved(self.source.rpartition("/")[0], self.file_name)


@dataclass
class MetadataFile:
    """One metadata file, read as far as it can be."""

    entry: Entry
    rows: list[Row] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)  # in the order of first appearance
    data: bytes = field(default=b"", repr=False)  # as on disk
    types: dict[str, str] = field(default_factory=dict)  # Arrow's, of a parquet file's columns
    nameless: list[str] = field(default_factory=list)  # columns of a CSV file with made-up names

    @property
    def name(self) -> str:
        """Name relative to the dataset folder."""
        return self.entry.name

    @property
    def partial(self) -> bool:
        """True if something in it is beyond a limit, and left out."""
        return any(trouble.kind in LIMITS for trouble in self.troubles)

    @cached_property
    def pictures(self) -> list[str | None]:
        """`Row.picture` of all rows. (To be asked for once they are read.)"""
        return list(all_resolved(self.entry.folder, [row.file_name for row in self.rows]))
