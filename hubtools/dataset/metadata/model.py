"""The shape in which metadata files are read: records, and what is wrong with their file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata.named import FILE_NAME, all_resolved, resolved
from hubtools.dataset.metadata.roles import image_key, names_file, names_files


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


class Trouble(NamedTuple):
    """A mistake; `line` and `column` count from 1. `sure`: with so many characters of its line no
    record begins, whatever follows; 0 if that is not known."""

    kind: Kind
    message: str
    line: int | None = None
    column: int | None = None
    fix: str | None = None
    sure: int = 0


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

    def named(self, key: str) -> tuple[str, ...]:
        """The files that it names in `key`, one or a list, relative to the dataset folder, with
        `/`."""
        value, folder = self.values.get(key), self.source.rpartition("/")[0]
        if isinstance(value, list) and names_files(key):
            names = (resolved(folder, item) for item in value)
        else:
            names = (name for name in (resolved(folder, value),))
        return tuple(name for name in names if name is not None)


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

    def pictures_in(self, key: str) -> list[str | None]:
        """What all rows name in `key`, relative to the dataset folder."""
        # in an archive each has its place
        if names_files(key) or (self.rows and self.rows[0].source != self.name):
            return [next(iter(row.named(key)), None) for row in self.rows]
        return list(all_resolved(self.entry.folder, [row.values.get(key) for row in self.rows]))

    @cached_property
    def pictures(self) -> list[str | None]:
        """What all rows name as what is learnt, by the names of the columns alone. (To be asked for
        once they are read.)"""
        return self.pictures_in(image_key(self.columns))

    @cached_property
    def mentioned(self) -> list[str]:
        """All files that rows name, in any column, once each."""
        keys = [key for key in self.columns if names_file(key) or names_files(key)]
        if len(keys) < 2:
            return [name for name in dict.fromkeys(self.pictures) if name is not None]
        return list(
            dict.fromkeys(name for row in self.rows for key in keys for name in row.named(key))
        )
