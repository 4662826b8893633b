"""The groups of copies in a folder: reads what has to be compared, remembers the answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hubtools.dataset.crew import Crew, Failure, Limits, cpus
from hubtools.dataset.duplicates import Group, find_groups
from hubtools.dataset.memory import place_of
from hubtools.dataset.probe import ENGINE
from hubtools.dataset.scan import MOST_WORKERS, POOL_BYTES, POOL_FILES, WORTH_KEEPING
from hubtools.dataset.table import PictureTable
from hubtools.dataset.worker import TASKS
from hubtools.files import write_text
from hubtools.layout import COPIES_CACHE


def groups_below(
    root: Path,
    table: PictureTable,
    *,
    radius: int,
    turns: bool,
    captioned: Collection[str] = (),
    workers: int | None = None,
    limits: Limits | None = None,
) -> tuple[Group, ...]:
    """`find_groups` for the pictures of `table`, which lie below `root`. What was compared is
    kept beside the memory of the scan."""
    place = place_of(root).with_name(COPIES_CACHE)
    found = find_groups(
        table,
        reader(root, table, workers, limits),
        radius=radius,
        turns=turns,
        captioned=captioned,
        notes=_notes(place),
    )
    if found.compared >= WORTH_KEEPING:
        text = json.dumps({"engine": ENGINE, "groups": found.notes})
        with contextlib.suppress(OSError):  # a disk that takes no more is no reason to fail
            write_text(place, text)
    return tuple(found.groups)


def _notes(place: Path) -> dict[str, Any]:
    try:
        notes = json.loads(place.read_bytes())
        groups = notes["groups"] if notes["engine"] == ENGINE else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return groups if isinstance(groups, dict) else {}


def reader(
    root: Path,
    table: PictureTable,
    workers: int | None = None,
    limits: Limits | None = None,
) -> Callable[[str, Sequence[str]], Iterator[tuple[str, Any]]]:
    """How `find_groups` reads pictures: a few right here, many by worker processes."""
    sizes = table.column("bytes")

    def read(task: str, names: Sequence[str]) -> Iterator[tuple[str, Any]]:
        paths = [str(root / name) for name in names]
        bytes_of = [int(sizes[table.rows[name]]) for name in names]
        count = workers
        if count is None:
            many = len(names) >= POOL_FILES or sum(bytes_of) >= POOL_BYTES
            count = min(cpus(), MOST_WORKERS, len(names)) if many else 0
        if not count:
            for name, path in zip(names, paths, strict=True):
                yield name, TASKS[task](path, None)
            return
        with Crew(count, limits) as crew:
            for number, result in crew.run(task, [(path, None) for path in paths], bytes_of):
                yield names[number], None if isinstance(result, Failure) else result

    return read
