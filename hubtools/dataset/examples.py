"""The pictures and captions a trainer sees, in the order of the metadata."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubtools.dataset.folder.listing import Listing, walk
from hubtools.dataset.folder.splits import HELD_OUT
from hubtools.dataset.metadata import FILE_NAME, MetadataFile, Row, read_metadata
from hubtools.errors import HubtoolsError
from hubtools.files import read_within
from hubtools.limits import PICTURE


@dataclass(frozen=True)
class Example:
    """A picture with its caption. `line` is that of its record, where the format has lines."""

    image: Path
    caption: str
    file_name: str  # relative to the dataset folder, with /
    line: int | None = None


def read_examples(folder: Path, caption_column: str) -> list[Example]:
    """All training pictures of an imagefolder with metadata.

    Metadata at the root and in sub-folders both count; sub-folders that the loaders would take for
    a test or validation split are left out. Raises `HubtoolsError` with file and line for a record
    that cannot be trained on: it is never skipped.
    """
    listing = walk(folder)
    files = [read_metadata(folder, entry) for entry in listing.metadata]
    files = [file for file in files if file.name.split("/")[0].lower() not in HELD_OUT]
    if not files:
        raise HubtoolsError(
            f"{folder} has no metadata.jsonl: there are no captions to train on.",
            hint="write one JSON object a line with file_name and a caption;"
            f" `hubtools validate {folder}` tells more",
            code="file-not-found",
        )
    for file in files:
        for trouble in file.troubles[:1]:
            place = f"{folder / file.name}:{trouble.line}" if trouble.line else folder / file.name
            raise HubtoolsError(
                f"{place}: {trouble.message}.",
                hint=f"`hubtools validate {folder}` tells more",
                code="file-damaged",
            )
    examples = [
        _example(folder, listing, file, row, caption_column) for file in files for row in file.rows
    ]
    if not examples:
        raise HubtoolsError(
            f"{folder} holds no records.", hint="write one record a picture", code="nothing-there"
        )
    return examples


def _example(
    folder: Path, listing: Listing, file: MetadataFile, row: Row, caption_column: str
) -> Example:
    place = f"{folder / file.name}" + (f":{row.line}" if row.line else "")
    name = row.picture
    if name is None:
        raise HubtoolsError(
            f"{place}: the record has no {FILE_NAME}.", hint="name its picture", code="file-damaged"
        )
    if name.startswith(("../", "/")) or os.path.isabs(name):
        raise HubtoolsError(
            f"{place}: {name} lies outside the dataset folder.", code="link-refused"
        )
    if name not in listing.names:
        raise HubtoolsError(
            f"{place}: there is no picture {name}.",
            hint="correct the name or add the picture",
            code="file-damaged",
        )
    caption = row.values.get(caption_column)
    if caption_column not in row.values:
        columns = [column for column in file.columns if column != FILE_NAME]
        raise HubtoolsError(
            f"{place}: there is no column {caption_column!r}.",
            hint=f"columns: {', '.join(columns) or 'none'}; choose with --caption-column",
            code="file-damaged",
        )
    if not isinstance(caption, str):
        raise HubtoolsError(
            f"{place}: {caption_column} is {caption!r}, not a text.",
            hint="write a caption",
            code="file-damaged",
        )
    return Example(folder / name, caption, name, row.line)


def fingerprint(examples: Sequence[Example]) -> str:
    """SHA-256 over each picture's bytes and caption, in order: equal data, equal fingerprint."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(hashlib.sha256(read_within(example.image, PICTURE)).digest())
        digest.update(hashlib.sha256(example.caption.encode()).digest())
    return digest.hexdigest()
