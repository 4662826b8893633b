"""A file of a draft: where it was, and what it would be."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hubtools.dataset.edits.tables import Notes
from hubtools.dataset.folder.listing import Entry


@dataclass
class File:
    """A file that is no metadata. `origin` is its name on the disk."""

    origin: str
    entry: Entry
    edits: tuple[str, ...] = ()
    notes: Notes = field(default_factory=Notes)
    draft: Path | None = None  # its content, once its pixels or its text are others
    text: str | None = None  # what it says, once that is written anew
