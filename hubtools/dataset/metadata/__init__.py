"""Metadata files: their records, and everything that is wrong with them."""

from hubtools.dataset.metadata.delimited import column_names, swallows_rows
from hubtools.dataset.metadata.jsonl import objects
from hubtools.dataset.metadata.model import LIMITS, Kind, MetadataFile, Row, Trouble
from hubtools.dataset.metadata.named import FILE_NAME
from hubtools.dataset.metadata.reading import (
    known_or_read,
    parse_metadata,
    read_all_metadata,
    read_metadata,
)

__all__ = [
    "FILE_NAME",
    "LIMITS",
    "Kind",
    "MetadataFile",
    "Row",
    "Trouble",
    "column_names",
    "known_or_read",
    "objects",
    "parse_metadata",
    "read_all_metadata",
    "read_metadata",
    "swallows_rows",
]
