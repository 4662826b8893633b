"""What the checks say of a repository, for the pages of the embedded Hub, which has none itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from hubtools.cards.rules import check_card
from hubtools.dataset.loaders import Loaded, Mode, simulate_path
from hubtools.dataset.loaders.card import declared
from hubtools.dataset.loaders.kinds import Kind
from hubtools.dataset.loaders.model import LoadError, Split
from hubtools.dataset.loaders.shards import splits_of_shards
from hubtools.dataset.loaders.tables import read_table
from hubtools.dataset.metadata import MetadataFile, Row, read_metadata
from hubtools.dataset.metadata.roles import column_of, names_file, names_files
from hubtools.dataset.sources.opening import open_source
from hubtools.dataset.validate import validate_project
from hubtools.dataset.view import Dataset, view
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.findings import Finding
from hubtools.frontmatter import parse_card
from hubtools.layout import CARD
from hubtools.limits import FRONT_MATTER
from hubtools.localhub.outlook import Cells, Column, Reading
from hubtools.project import Project
from hubtools.publish.options import PushOptions
from hubtools.publish.plan import judge_alone
from hubtools.settings import DatasetSettings

_CONFIGS = 50  # that are read for a page: each is a dataset of its own
# Names of columns that hold captions, the likeliest first.
_CAPTIONS = ("text", "prompt", "caption", "caption_text", "description")


class Judgement:
    """The checks of `validate` and `card --check`, as they would answer for a folder. `project`:
    whose settings they judge by; without one the column of captions is guessed by its name.
    `unpublished`: how these folders would be pushed, which are not yet."""

    def __init__(
        self,
        project: Project | None = None,
        unpublished: Mapping[Path, PushOptions] | None = None,
    ) -> None:
        self._project = project if project is not None and project.file is not None else None
        self._unpublished = unpublished or {}

    def card(self, folder: Path, kind: str) -> Sequence[Finding]:
        """What `card --check` finds."""
        if kind not in ("model", "dataset") or not (folder / CARD).is_file():
            return ()
        rules = (self._project or Project()).rules_of("C")
        report = check_card(folder, "model" if kind == "model" else "dataset", **rules)
        return report.sorted()

    @shared_guard()
    def dataset(self, folder: Path) -> Reading:
        """What `validate` finds, and the rows that it predicts."""
        project = self._project or Project(dataset=DatasetSettings())
        source = open_source(folder)
        looked = view(source, project.dataset, resolution=project.resolution, base=project.base)
        if self._project is None and (column := _captions(looked)) is not None:
            settings = project.dataset.model_copy(update={"caption_column": column})
            looked = replace(looked, settings=settings)
        report = validate_project(project, looked)
        loaded = looked.loaders[Mode.AUTO]
        return Reading(
            outcome=loaded.outcome.value,
            reason=loaded.reason,
            module=loaded.module,
            tables=[*_tables(looked)],
            lost=[*_unread(looked), *((lost.name, lost.reason) for lost in loaded.lost)],
            findings=report.sorted(),
            sizes={
                name: looked.table[name].upright_size
                for name, whole in zip(looked.table.names, looked.table.whole, strict=True)
                if whole
            },
            opener=looked.listing.open,
        )

    def files(self, folder: Path, kind: str) -> Sequence[Finding]:
        """What a push of the folder would object to; nothing of what is on a Hub already."""
        options = self._unpublished.get(folder)
        if options is None:
            return ()
        report = judge_alone(folder, "model" if kind == "model" else "dataset", options)
        return [one for one in report.sorted() if one.rule.startswith("P")]


def _captions(looked: Dataset) -> str | None:
    """The column that is most likely the captions'; None if it is the default one, or none is."""
    there = {column for file in looked.metadata for column in file.columns}
    return next((name for name in _CAPTIONS if name in there and _CAPTIONS[0] not in there), None)


def _tables(looked: Dataset) -> Iterator[_Table]:
    """All splits of all configurations."""
    known = {file.name: file for file in looked.metadata}
    for config, loaded in _configs(looked):
        for split in loaded.splits:
            yield _Table(config, split, looked, known)


def _configs(looked: Dataset) -> Iterator[tuple[str, Loaded]]:
    """(name, what the loader makes of it) of every configuration that the card declares."""
    default = looked.loaders[Mode.AUTO]
    text = _card(looked)
    try:
        configs = declared(text).configs if text else ()
    except LoadError:
        configs = ()
    if len(configs) < 2 or looked.contents.shards is not None:
        yield (configs[0].name if configs else "default"), default
        return
    front = parse_card((text or "").encode("utf-8")).data
    entries: dict[str, list[dict[str, Any]]] = {}
    for one in front.get("configs") or []:
        if isinstance(one, dict):
            entries.setdefault(str(one.get("config_name", "default")), []).append(one)
    whole = [name for name in looked.table.names if looked.table[name].problem is None]
    for config in configs[:_CONFIGS]:
        own = {"configs": entries.get(config.name, [])}
        card = f"---\n{yaml.safe_dump(own, allow_unicode=True)}---\n"
        yield config.name, simulate_path(looked.listing, looked.metadata, whole, card=card)


def _unread(looked: Dataset) -> Iterator[tuple[str, str]]:
    """What is not shown of very many configurations."""
    text = _card(looked)
    with suppress(LoadError):
        more = len(declared(text).configs) - _CONFIGS if text else 0
        if more > 0:
            yield f"{more:,} further configurations", "this viewer reads the first ones only"


def _card(looked: Dataset) -> str | None:
    if CARD not in looked.listing.names:
        return None
    try:
        with looked.listing.open(CARD) as file:
            return file.read(FRONT_MATTER).decode("utf-8", "replace")
    except OSError:
        return None


@dataclass(frozen=True)
class _Table:
    """A split, its rows as the loader has them. Meets `localhub.outlook.Table`."""

    config: str
    loaded: Split
    looked: Dataset
    known: Mapping[str, MetadataFile]

    @property
    def split(self) -> str:
        return self.loaded.name

    @property
    def count(self) -> int | None:
        return self.loaded.rows

    @property
    def told(self) -> bool:
        return bool(self._rows or (self.loaded.files and not self.loaded.records))

    @cached_property
    def _files(self) -> list[MetadataFile]:
        """Where the rows come from, in their order."""
        if self.loaded.records:
            entries = {entry.name: entry for entry in self.looked.listing.entries}
            return [
                self.known.get(name) or read_metadata(self.looked.listing, entries[name])
                for name, _ in self.loaded.records
                if name in self.known or name in entries
            ]
        if self.looked.contents.shards is None:
            return []
        try:
            inside = splits_of_shards(tuple(self.known), _card(self.looked)).get(self.split, ())
        except LoadError:
            return []
        return [self.known[name] for name in inside if name in self.known]

    @cached_property
    def _rows(self) -> list[Row]:
        rows = [row for file in self._files for row in file.rows]
        # of a table that the loader reads in another way, no row is better than a wrong one
        return rows if len(rows) == self.count else []

    @cached_property
    def _keys(self) -> dict[str, str]:
        """{column: key of the record}."""
        keys = [key for file in self._files for key in file.columns]
        files = {key for key in keys if names_file(key) or names_files(key)}
        return {column_of(key) if key in files else key: key for key in reversed(keys)}

    @cached_property
    def _broken(self) -> dict[int, str]:
        return {one.row: one.reason for one in self.loaded.broken}

    @cached_property
    def columns(self) -> Sequence[Column]:
        kinds: dict[str, str] = {}
        for file in self._files[:1]:
            kinds = dict(file.types) or {
                key: _said(kind) for key, kind in (read_table(file).columns or {}).items()
            }
        pictures = set(self.loaded.pictures)
        return [
            Column(
                name,
                "image" if name in pictures else kinds.get(self._keys.get(name, name), "string"),
                name in pictures,
            )
            for name in self.loaded.columns
        ]

    def row(self, number: int) -> Cells:
        values: dict[str, Any] = {}
        if number < len(self._rows):
            record = self._rows[number].values
            values = {name: record.get(self._keys.get(name, name)) for name in self.loaded.columns}
        files = self.loaded.files
        if not values and "label" in self.loaded.columns and files:
            values = {"label": (files[number] or "").rpartition("/")[0].rpartition("/")[2]}
        pictures = (
            {name: self.loaded.files_in(number, name) for name in self.loaded.pictures}
            if files
            else {}
        )
        return Cells(values, pictures, self._broken.get(number))


def _said(kind: Kind) -> str:
    """A type as `datasets` calls it."""
    if isinstance(kind, str):
        return {"double": "float64", "large_string": "string"}.get(kind, kind)
    return f"list of {_said(kind[1])}" if kind[0] == "list" else str(kind[0])
