"""Everything the dataset rules look at, gathered once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hubtools.dataset.folder import Entry, Listing, walk
from hubtools.dataset.load import resolve
from hubtools.dataset.loaders import Loaded, Mode, simulate
from hubtools.dataset.metadata import MetadataFile, Row, read_metadata
from hubtools.dataset.probe import PictureFacts, probe_bytes
from hubtools.dataset.tokens import TokenCounter, token_counter
from hubtools.layout import CARD
from hubtools.project import DatasetSettings

# Beyond this many pictures worker processes pay for their start.
_POOL_FROM = 400


@dataclass(frozen=True)
class Card:
    """The front matter of README.md. `error` is why it cannot be read, with its line."""

    data: dict[str, Any]
    error: str | None = None
    line: int | None = None
    exists: bool = True


@dataclass(frozen=True)
class DatasetView:
    """One dataset folder, read. Rules only look; nothing here changes."""

    root: Path
    listing: Listing
    metadata: tuple[MetadataFile, ...]
    pictures: dict[str, PictureFacts]  # by name; every file that a row names or that has the ending
    settings: DatasetSettings
    resolution: int
    card: Card
    counter: TokenCounter

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Rows of all metadata files, in order."""
        return tuple(row for file in self.metadata for row in file.rows)

    @cached_property
    def named(self) -> tuple[tuple[Row, str], ...]:
        """Rows that name a file inside the folder, with that name."""
        pairs = ((row, resolve(row)) for row in self.rows)
        return tuple((row, name) for row, name in pairs if name and not escapes(name))

    @cached_property
    def rows_of(self) -> dict[str, list[Row]]:
        """Rows by the picture they name."""
        found: dict[str, list[Row]] = {}
        for row, name in self.named:
            found.setdefault(name, []).append(row)
        return found

    @cached_property
    def captions(self) -> tuple[tuple[Row, str], ...]:
        """Rows whose caption is a text with something in it."""
        column = self.settings.caption_column
        pairs = ((row, row.values.get(column)) for row in self.rows)
        return tuple(
            (row, caption)
            for row, caption in pairs
            if isinstance(caption, str) and not is_blank(caption)
        )

    @cached_property
    def loaders(self) -> dict[Mode, Loaded]:
        """What each loader makes of the folder."""
        sound = (f.name for f in self.pictures.values() if f.problem is None and not f.too_large)
        return {loaded.mode: loaded for loaded in simulate(self.listing, self.metadata, sound)}

    @property
    def license(self) -> tuple[str | None, str]:
        """(licence id, where it is written): the card's if it has one, else the settings'."""
        value = self.card.data.get("license")
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, str) and value:
            return value, CARD
        return self.settings.license, "hubtools.toml"

    def where(self, row: Row) -> tuple[str, int | None]:
        """Path and line of a row, for a problem."""
        return row.source, row.line


# Words that a spreadsheet writes for nothing.
_NOTHING = frozenset({"", "na", "n/a", "nan", "none", "null", "#n/a", "<na>"})


def is_blank(caption: str) -> bool:
    """True for white space and for what programs write in place of nothing."""
    return caption.strip().lower() in _NOTHING


def escapes(name: str) -> bool:
    """True for a name that leads out of the dataset folder, or to another machine."""
    return name.startswith(("../", "/", "~")) or name == ".." or "://" in name or ":/" in name


def view(
    folder: Path,
    settings: DatasetSettings,
    *,
    resolution: int = 512,
    base: Path | None = None,
    on_picture: Callable[[int, int], None] | None = None,
) -> DatasetView:
    """Read a dataset folder. `base`: local pipeline whose tokenizer counts caption tokens.
    `on_picture(done, total)` is called as pictures are read.

    Raises `HubtoolsError` if `folder` is no folder.
    """
    listing = walk(folder)
    metadata = tuple(read_metadata(folder, entry) for entry in listing.metadata)
    wanted = {entry.name: entry for entry in listing.pictures}
    by_name = {entry.name: entry for entry in listing.entries}
    for file in metadata:
        for row in file.rows:
            name = resolve(row)
            if name is not None and name in by_name:
                wanted.setdefault(name, by_name[name])
    return DatasetView(
        folder,
        listing,
        metadata,
        {facts.name: facts for facts in _probe_all(folder, list(wanted.values()), on_picture)},
        settings,
        resolution,
        read_card(folder / CARD),
        token_counter(base),
    )


def _probe_all(
    root: Path, entries: list[Entry], on_picture: Callable[[int, int], None] | None
) -> Iterator[PictureFacts]:
    jobs = [(str(root / entry.name), entry.name) for entry in entries]
    results: Iterable[PictureFacts]
    workers = min(os.cpu_count() or 1, 8)
    if len(jobs) >= _POOL_FROM and workers > 1:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from _counted(pool.map(probe_file, jobs, chunksize=32), len(jobs), on_picture)
        return
    results = map(probe_file, jobs)
    yield from _counted(results, len(jobs), on_picture)


def _counted(
    results: Iterable[PictureFacts],
    total: int,
    on_picture: Callable[[int, int], None] | None,
) -> Iterator[PictureFacts]:
    for done, facts in enumerate(results, start=1):
        if on_picture is not None:
            on_picture(done, total)
        yield facts


def probe_file(job: tuple[str, str]) -> PictureFacts:
    """`probe_bytes` of a file: (path, name)."""
    path, name = job
    try:
        return probe_bytes(Path(path).read_bytes(), name)
    except OSError as error:
        return PictureFacts(name, 0, "", problem=f"it cannot be read: {error.strerror}")


def read_card(path: Path) -> Card:
    """The YAML between the first two `---` lines of a card."""
    try:
        return parse_card(path.read_bytes())
    except OSError:
        return Card({}, exists=False)


def parse_card(card: bytes) -> Card:
    """`read_card`, of the bytes of a card."""
    import yaml

    text = card.decode("utf-8-sig", errors="replace")
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return Card({})
    end = next((n for n, line in enumerate(lines[1:], start=1) if line.strip() == "---"), None)
    if end is None:
        return Card({}, "the front matter is opened with --- but never closed", 1)
    try:
        data = yaml.safe_load("\n".join(lines[1:end]))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        return Card({}, str(problem), mark.line + 2 if mark else 1)
    if data is None:
        return Card({})
    if not isinstance(data, dict):
        return Card({}, "the front matter is no mapping of keys to values", 2)
    return Card(data)
