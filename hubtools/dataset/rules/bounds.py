"""D124 on, D515, D516: what is beyond the limits of `hubtools.limits`, and was not looked at."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.dataset.metadata import Kind
from hubtools.dataset.rules.book import DATASET_RULES
from hubtools.dataset.view import Dataset
from hubtools.files import human_bytes
from hubtools.findings import Problem, Severity
from hubtools.limits import CAPTION, SIDECAR


def _beyond(view: Dataset, kind: Kind) -> Iterator[Problem]:
    for file in view.metadata:
        for trouble in file.troubles:
            if trouble.kind is kind:
                yield Problem(trouble.message, trouble.fix, file.name, trouble.line, trouble.column)


@DATASET_RULES.rule("D124", "The metadata is larger than the limit", Severity.ERROR)
def too_much(view: Dataset) -> Iterator[Problem]:
    """The records of a dataset are held in memory: 150,000 of them, or about 128 MB as Python
    values, are read. What comes after is left out, and no rule has looked at it: other findings
    may say that pictures have no record. `fix` leaves such a file as it is.

    Parquet is measured as it unpacks: a few kilobytes can hold a text a million times.

    Example: a metadata.jsonl of 2 GB
    Fix: split the dataset; the Hub recommends no more than 100,000 files.
    """
    yield from _beyond(view, Kind.TOO_LARGE)


@DATASET_RULES.rule("D125", "A record is longer or deeper than the limit", Severity.ERROR)
def too_long_a_line(view: Dataset) -> Iterator[Problem]:
    """A line of more than 16 MB, or lists and objects more than 100 deep in each other, are no
    record about a picture, and readers fail on them. The record is left out; `fix` leaves the file
    as it is.

    Example: a log that was appended to metadata.jsonl without line ends
    Fix: remove the line, or write one flat record a line.
    """
    yield from _beyond(view, Kind.LIMIT)


@DATASET_RULES.rule("D126", "There are more columns than the limit", Severity.ERROR)
def too_many_columns(view: Dataset) -> Iterator[Problem]:
    """2,000 columns are read (the Hub's viewer shows 1,000). Others are left out; `fix` leaves the
    file as it is. Values that were written as names of columns are the usual cause.

    Example: {"file_name": "a.png", "tag_red": 1, "tag_blue": 1, ...}
    Fix: write the values into one column, as a text or a list.
    """
    yield from _beyond(view, Kind.COLUMNS)


@DATASET_RULES.rule("D515", "A caption is too long to be checked", Severity.WARNING)
def not_looked_at(view: Dataset) -> Iterator[Problem]:
    """Text encoders read 75 tokens, the widest 512. A caption of more than 100,000 characters is
    something else: a file that was pasted, or a reply that did not end. No other rule looks at it,
    and what a trainer does with it depends on its tokenizer.

    Fix: describe the picture in some words.
    """
    for row, caption in view.long_captions:
        yield Problem(
            f"the caption has {len(caption):,} characters; above {CAPTION:,} no rule looks at it",
            "describe the picture in some words",
            *view.where(row),
        )


@DATASET_RULES.rule("D516", "A sidecar caption is too long to be read", Severity.WARNING)
def sidecar_too_large(view: Dataset) -> Iterator[Problem]:
    """A caption file (a.txt, a.caption, a.json beside a.png) of more than 1 MB is no caption. `fix`
    and `caption --from` do not read it.

    Fix: write the caption into it, or move it out of the folder.
    """
    stems = {entry.name.rpartition(".")[0] for entry in view.listing.pictures}
    for entry in view.listing.entries:
        if entry.size > SIDECAR and entry.ending in (".txt", ".caption", ".json"):
            stem = entry.name.rpartition(".")[0]
            if stem in stems or stem in view.pictures:
                yield Problem(
                    f"it has {human_bytes(entry.size)}; above {human_bytes(SIDECAR)} it is not read"
                    " as a caption",
                    "write the caption into it, or move it out of the folder",
                    entry.name,
                )
