"""D702 and D708 to D710: the Hub's limits (hub-docs, storage limits, as of August 2026)."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.dataset.loaders import Mode
from hubtools.dataset.rules.book import DATASET_RULES
from hubtools.dataset.view import Dataset
from hubtools.files import human_bytes
from hubtools.findings import Problem, Severity
from hubtools.limits import IN_FOLDER, IN_REPO, LARGE_FILE, TOO_LARGE_FILE, crowded_folders

# What the viewer shows at most: bytes of a row, columns, splits.
_ROW, _COLUMNS, _SPLITS = 2_000_000, 1_000, 30


@DATASET_RULES.rule("D702", "A folder has too many files for the Hub", Severity.ERROR)
def too_many_files(view: Dataset) -> Iterator[Problem]:
    """The Hub rejects a push with more than 10,000 entries in one folder, at the end of the
    upload.

    Fix: spread the pictures over sub-folders (000/, 001/, ...), or make parquet shards.
    """
    for folder, count in crowded_folders(entry.name for entry in view.listing.entries).items():
        yield Problem(
            f"{folder or 'the folder'} has {count:,} files and folders; the Hub takes"
            f" {IN_FOLDER:,}",
            "spread them over sub-folders",
            folder or None,
        )


@DATASET_RULES.rule("D708", "There are more files than a repository should have", Severity.WARNING)
def crowded(view: Dataset) -> Iterator[Problem]:
    """The Hub recommends less than 100,000 files in a repository: beyond, pushing, listing and
    loading take hours, and commits fail.

    Fix: `hubtools shard` packs the pictures into parquet or WebDataset files of about a gigabyte.
    """
    count = len(view.listing.entries)
    if count > IN_REPO:
        yield Problem(
            f"{count:,} files; the Hub recommends less than {IN_REPO:,}",
            "pack them with `hubtools shard --to shards`",
        )


@DATASET_RULES.rule("D709", "A file is larger than the Hub takes", Severity.ERROR)
def huge(view: Dataset) -> Iterator[Problem]:
    """The Hub refuses files of more than 500 GB, and advises against those of more than 200 GB,
    which is a warning here.

    Fix: split it; `hubtools shard` writes files of about a gigabyte.
    """
    for entry in view.listing.entries:
        if entry.size > LARGE_FILE:
            refused = entry.size > TOO_LARGE_FILE
            yield Problem(
                f"{human_bytes(entry.size)}; the Hub"
                + (" takes 500 GB at most" if refused else " recommends 200 GB at most"),
                "split it",
                entry.name,
                severity=None if refused else Severity.WARNING,
            )


@DATASET_RULES.rule("D710", "The Hub's viewer would not show the whole dataset", Severity.WARNING)
def beyond_viewer(view: Dataset) -> Iterator[Problem]:
    """The page of a dataset shows a row up to about 2 MB (beside its picture), 1,000 columns and
    30 splits; more is cut off, or nothing is shown. Loading works all the same.

    Fix: keep long texts in files of their own, and nested columns in one; merge splits.
    """
    for file in view.metadata:
        if len(file.columns) > _COLUMNS:
            yield Problem(
                f"{len(file.columns):,} columns; the viewer shows {_COLUMNS:,}",
                "keep only those that are used",
                file.name,
                1,
            )
        if len(file.data) <= _ROW and file.entry.size <= _ROW:
            continue  # no row can be as long
        for row in file.rows:
            # a look at the texts alone: numbers are short
            size = sum(len(text) for text in row.values.values() if isinstance(text, str))
            if size > _ROW:
                yield Problem(
                    f"the record holds {human_bytes(size)} of text; the viewer shows about"
                    f" {human_bytes(_ROW)}",
                    "keep long texts in files of their own",
                    *view.where(row),
                )
    splits = view.loaders[Mode.AUTO].splits
    if len(splits) > _SPLITS:
        yield Problem(f"{len(splits)} splits; the viewer shows {_SPLITS}", "merge some of them")
