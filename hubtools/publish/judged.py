"""What `validate` says of exactly the files that are sent, where a loader would stop at it.

The rules of `validate` are asked, not written again: those on records, layout, loaders, damaged
pictures and the card. They read the files as they were hashed. Whether pictures and captions are
good enough to train on is for whoever trains; only errors stop a push.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import BaseModel, ConfigDict

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.pictures.scan_cache import place_of
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.rules import DATASET_RULES
from hubtools.dataset.scan.scanning import scan_source
from hubtools.dataset.sources.local import pictures_of
from hubtools.dataset.sources.model import Contents, Read, Source
from hubtools.dataset.sources.opening import shards_of
from hubtools.dataset.validate import validate
from hubtools.findings import Finding, Rule, Severity
from hubtools.limits import STREAMED
from hubtools.project import Project
from hubtools.publish.commit_tree import Comparison
from hubtools.publish.release import Decoded
from hubtools.settings import DatasetSettings

_JUDGED = ("D1", "D2", "D301", "D302", "D602", "D605", "D705", "D8")
# a folder of pictures alone may be published; P135 says what no record may name
_PASSED = ("D120", "D201")


class PublishChoice(BaseModel):
    """Which P rules count; what guards secrets and the work of others always does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: dict[str, tuple[str, ...]] = {}

    @property
    def left_out(self) -> tuple[str, ...]:
        """All prefixes that are left out, anywhere."""
        return (*self.ignore, *(id for ids in self.per_file_ignores.values() for id in ids))


class RuleChoice(BaseModel):
    """Which rules count, as the section [rules] says: those of `validate` and, in `publishing`,
    the P rules; and the settings that they go by. None of those that are judged here asks for the
    base or the training resolution."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: dict[str, tuple[str, ...]] = {}
    baseline: Path | None = None
    publishing: PublishChoice = PublishChoice()
    dataset: DatasetSettings = DatasetSettings()

    @classmethod
    def of(cls, project: Project) -> RuleChoice:
        """Those of a project."""
        of_push = project.rules_of("P")
        del of_push["baseline"]  # one for all
        return cls(
            **project.rule_choice,
            publishing=PublishChoice(**of_push),
            # where the pictures lie is told by the release
            dataset=project.dataset.model_copy(update={"path": "dataset"}),
        )


class _Sent:
    """The release as a source: its files are opened as they were hashed."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison

    @property
    def name(self) -> str:
        """The folder's."""
        return self._comparison.release.root.name

    @property
    def memory_place(self) -> Path:
        """That of the folder: what `validate` has seen need not be seen again."""
        return place_of(self._comparison.release.root)

    def first(self) -> Iterator[Read] | None:
        """It can be listed."""
        return None

    def look(self) -> Contents:
        """What is sent."""
        listing = self._comparison.release_only
        known = self._comparison.metadata
        metadata = tuple(known[entry.name] for entry in listing.metadata)
        return Contents(listing, metadata, pictures_of(listing, metadata))

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """The bytes, one file at a time."""
        listing = self._comparison.release_only
        for entry in entries:
            with listing.open(entry.name) as file:
                data = file.read(min(entry.size, STREAMED) + 1)
            if len(data) > STREAMED:
                said = f"it has more than {STREAMED:,} bytes; no picture is that large"
                yield entry, Unreadable(entry.size, said)
            else:
                yield entry, data


class _SentStore:
    """The same as files in which pictures may be: shards."""

    single = False

    def __init__(self, comparison: Comparison) -> None:
        self._listing = comparison.release_only
        self.name = comparison.release.root.name

    def entries(self) -> list[Entry]:
        """What is sent."""
        return list(self._listing.entries)

    def open(self, name: str) -> BinaryIO:
        """A file as it was hashed."""
        return self._listing.open(name)

    def read(self, entry: Entry) -> bytes | str:
        """The bytes of a file."""
        with self.open(entry.name) as file:
            return file.read()


def _scan_decoded(
    decoded: Decoded | None, source: Source, begun_ns: int, **options: Any
) -> tuple[Contents, PictureTable]:
    """`scan_source`, but for what was decoded before."""
    if decoded is None:
        return scan_source(source, begun_ns, **options)
    # what changed since is not what was decoded, and must not be remembered as it
    return scan_source(source, decoded.begun_ns, seen=decoded.facts, **options)


def chosen(choice: RuleChoice, ignore: Sequence[str] = ()) -> tuple[Rule, ...]:
    """The rules of `validate` that a dataset must pass to be pushed. `ignore`: id prefixes."""
    wanted = set(DATASET_RULES.chosen(choice.select, (*choice.ignore, *ignore)))
    judged = DATASET_RULES.chosen(_JUDGED, _PASSED)
    return tuple(rule for rule in judged if rule in wanted)


def findings(
    comparison: Comparison, choice: RuleChoice, ignore: Sequence[str] = ()
) -> list[Finding]:
    """The errors among what these rules find."""
    rules = [rule.id for rule in chosen(choice, ignore)]
    listing = comparison.release_only
    if comparison.release.repo_type != "dataset" or not rules:
        return []
    source: Source = _Sent(comparison)
    if not listing.pictures and not listing.metadata:
        shards = shards_of(_SentStore(comparison), listing)
        if shards is None:
            return []  # a card alone
        source = shards
    report = validate(
        source,
        choice.dataset,
        select=rules,
        per_file_ignores=choice.per_file_ignores,
        baseline=choice.baseline,
        scan=partial(_scan_decoded, comparison.release.decoded),
    )
    return [finding for finding in report.findings if finding.severity is Severity.ERROR]
