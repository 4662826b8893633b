"""The groups of copies in a folder: reads what has to be compared, remembers the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hubtools.dataset.copies.duplicates import Group, find_groups
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.pictures.probe import ENGINE
from hubtools.dataset.pictures.reading import Unreadable, read_picture
from hubtools.dataset.pictures.table import PictureTable
from hubtools.dataset.scan.scanning import MOST_WORKERS, POOL_BYTES, POOL_FILES, WORTH_KEEPING
from hubtools.dataset.sources.local import LocalFolder
from hubtools.dataset.sources.model import Source
from hubtools.dataset.workers.guarded import run_guarded
from hubtools.dataset.workers.pool import Failure, Job, Limits, WorkerPool, cpus
from hubtools.files import json_value
from hubtools.kept import read_kept, write_kept
from hubtools.layout import COPIES_CACHE


def groups_below(
    source: Path | Source,
    table: PictureTable,
    *,
    radius: int,
    turns: bool,
    captioned: Collection[str] = (),
    workers: int | None = None,
    limits: Limits | None = None,
) -> tuple[Group, ...]:
    """`find_groups` for the pictures of `table`, which a source (or a folder) has. What was
    compared is kept beside the memory of the scan."""
    if isinstance(source, Path):
        source = LocalFolder(source)
    place = source.memory_place.with_suffix(f".{COPIES_CACHE}")
    found = find_groups(
        table,
        reader(source, table, workers, limits),
        radius=radius,
        turns=turns,
        captioned=captioned,
        notes=_notes(place),
    )
    if found.compared >= WORTH_KEEPING:
        text = json.dumps({"engine": ENGINE, "groups": found.notes})
        write_kept(place, [text.encode()])
    return tuple(found.groups)


def _notes(place: Path) -> dict[str, Any]:
    try:
        notes = json_value(read_kept(place) or b"")
        groups = notes["groups"] if notes["engine"] == ENGINE else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return groups if isinstance(groups, dict) else {}


def reader(
    source: Path | Source,
    table: PictureTable,
    workers: int | None = None,
    limits: Limits | None = None,
) -> Callable[[str, Sequence[str]], Iterator[tuple[str, Any]]]:
    """How `find_groups` reads pictures: a few right here, many by worker processes."""
    sizes = table.column("bytes")
    where = LocalFolder(source) if isinstance(source, Path) else source

    def read(task: str, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        bytes_of = {name: int(sizes[table.rows[name]]) for name in names}
        stream = (
            (entry, what)
            for entry, what in where.stream(
                [Entry(name, size, 0) for name, size in bytes_of.items()]
            )
            if not isinstance(what, Unreadable)
        )
        count = workers
        if count is None:
            many = len(names) >= POOL_FILES or sum(bytes_of.values()) >= POOL_BYTES
            count = min(cpus(), MOST_WORKERS, len(names)) if many else 0
        if not count:
            for entry, what in stream:
                yield entry.name, _one(task, what)
            return
        listed: list[Entry] = []
        lengths: list[int] = []

        def jobs() -> Iterator[Job]:
            for entry, what in stream:
                listed.append(entry)
                lengths.append(entry.size)
                yield what, None

        with WorkerPool(count, limits) as crew:
            for number, result in crew.run(task, jobs(), lengths):
                yield listed[number].name, None if isinstance(result, Failure) else result

    return read


def _one(task: str, what: str | bytes) -> Any:
    try:
        result = run_guarded(task, read_picture(what))
    except Unreadable:
        return None
    return None if isinstance(result, Failure) else result
