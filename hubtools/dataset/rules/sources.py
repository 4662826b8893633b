"""D8xx: archives and shards themselves."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.dataset.rules.book import DATASET_RULES
from hubtools.dataset.view import Dataset
from hubtools.findings import Problem, Severity


def _told(view: Dataset, rule: str, fix: str) -> Iterator[Problem]:
    for trouble in view.contents.troubles:
        if trouble.rule == rule:
            yield Problem(trouble.message, fix, trouble.path)


@DATASET_RULES.rule("D801", "A shard or archive cannot be read whole", Severity.ERROR)
def broken_shard(view: Dataset) -> Iterator[Problem]:
    """A download that broke off, a disk that was full: the loader stops there, at once or after
    hours. What could be read was checked.

    Fix: fetch or write it again.
    """
    yield from _told(view, "D801", "fetch or write it again")


@DATASET_RULES.rule("D802", "A row of a shard has no picture", Severity.ERROR)
def empty_row(view: Dataset) -> Iterator[Problem]:
    """In a shard the picture lies in the row, or beside its texts. A row without one gives the
    trainer None, and stops it.

    Fix: write the shards again from the pictures (`hubtools shard`).
    """
    yield from _told(view, "D802", "write the shards again from the pictures")


@DATASET_RULES.rule("D803", "An archive has names that cannot be unpacked", Severity.ERROR)
def bad_member(view: Dataset) -> Iterator[Problem]:
    """Absolute names and names with .. would be written outside of the folder in which somebody
    unpacks the archive; of two files with one name only one is left. Careful programs refuse the
    whole archive.

    Fix: pack the folder again.
    """
    yield from _told(view, "D803", "pack the folder again")


@DATASET_RULES.rule("D804", "Files in an archive are encrypted", Severity.ERROR)
def encrypted(view: Dataset) -> Iterator[Problem]:
    """No loader asks for a password.

    Fix: pack the folder again without one.
    """
    yield from _told(view, "D804", "pack the folder again without a password")
