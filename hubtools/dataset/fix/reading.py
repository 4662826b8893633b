"""Metadata files as a draft begins with them: some rules are satisfied while they are read."""

from __future__ import annotations

from pathlib import Path

from hubtools.dataset.edits.load_tables import load_table
from hubtools.dataset.edits.tables import BEYOND, Form, Notes, Record, Table
from hubtools.dataset.fix.remedies import Unsafe, fixes
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata import MetadataFile
from hubtools.files import open_inside
from hubtools.settings import DatasetSettings


@fixes("D101", safe="repairs commas, quotes, brackets, comments and control characters")
@fixes("D102", safe="writes each record on one line")
@fixes("D103", safe="writes each record of the array on a line")
@fixes("D105", safe="keeps one of two equal values")
@fixes("D101", "D104", "D105", unsafe="drop-rows")
@fixes("D106", safe="writes UTF-8, where the encoding is certain", unsafe="guess-encoding")
@fixes("D108", safe="joins a caption that its commas have split; fills short rows")
@fixes("D109", safe="takes the open quote away")
@fixes("D110", safe="writes the names without spaces")
@fixes("D111", safe="separates by commas")
@fixes("D122", safe="removes columns that are empty, or say the same; names the others")
def read_table(
    root: Path,
    entry: Entry,
    settings: DatasetSettings,
    unsafe: Unsafe,
    *,
    wanted: frozenset[str],
    known: MetadataFile | None,
    left: dict[str, str],
) -> Table:
    """The metadata file `entry` of the dataset at `root`. A repair of a rule that is not `wanted`
    locks it, and so does what it is: `left` then says why. `known` is what was read of it before:
    all there is of a file beyond the limits."""
    if known is not None and known.partial:
        form: Form = "csv" if entry.ending == ".csv" else "jsonl"
        table = Table(entry.name, entry.name, "parquet" if entry.ending == ".parquet" else form)
        table.records = [Record(row.values) for row in known.rows]
        table.header, table.locked = list(known.columns), BEYOND
        left.setdefault(entry.name, table.locked)
        return table
    try:
        with open_inside(root, entry.name) as file:
            data, unreadable = file.read(), ""
    except OSError as error:
        data, unreadable = b"", f"it cannot be read: {error.strerror}"
    table = load_table(
        entry.name,
        data,
        caption=settings.caption_column,
        resolve_doubt="drop-rows" in unsafe.names and bool(wanted & {"D101", "D104", "D105"}),
        encoding=settings.caption_encoding,
        guess="guess-encoding" in unsafe.names,
        known=known,
    )
    unwanted = [rule for rule in table.notes.rules if rule not in wanted]
    if unreadable:
        table.locked = unreadable
        left.setdefault(entry.name, table.locked)
    elif unwanted or entry.link:
        # to write the file is to repair it: if that was not asked for, it stays as it is
        table.locked = "it is a link" if entry.link else f"{', '.join(unwanted)} not selected"
        table.changed, table.notes = False, Notes()
    elif table.locked is not None and table.form != "parquet":
        left.setdefault(entry.name, table.locked)
    return table
