"""The journals of a dataset: what they say, and where they lie.

What is in their folders, and the order in which it is written, tells `journal`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.dataset.fix.plan import check_name
from hubtools.errors import HubtoolsError
from hubtools.files import no_link, stamped_folder, write_bytes, write_json
from hubtools.layout import FIXES_DIR, WORK_DIR

JOURNAL = "journal.json"
_SCHEMA = 1


@dataclass(frozen=True)
class Step:
    """One operation as the journal has it. `pixels` is the hash that proves an edit lossless."""

    action: str
    path: str | None
    target: str | None
    before: str | None
    after: str | None
    rules: tuple[str, ...]
    why: tuple[str, ...]
    pixels: str | None = None

    @property
    def moves(self) -> bool:
        """True if `path` will not be there afterwards under its name."""
        return self.path is not None and self.path != self.target


@dataclass(frozen=True)
class Journal:
    """What one `fix` did."""

    place: Path
    id: str
    state: str
    steps: tuple[Step, ...]

    @property
    def bytes(self) -> int:
        """Bytes of the originals that are kept."""
        return sum(p.lstat().st_size for p in self.place.rglob("*") if p.is_file())

    def write(self, state: str) -> Journal:
        """Write the journal with this state."""
        steps = [vars(step) for step in self.steps]
        write_json(
            self.place / JOURNAL,
            {"schema": _SCHEMA, "id": self.id, "state": state, "steps": steps},
        )
        return Journal(self.place, self.id, state, self.steps)


def journals(root: Path) -> list[Journal]:
    """All journals of a dataset, oldest first. Raises `HubtoolsError` for a damaged one."""
    found = []
    for path in sorted(place_of(root).glob(f"*/{JOURNAL}")):
        try:
            content = json.loads(path.read_bytes())
            steps = tuple(_step(item) for item in content["steps"])
            found.append(Journal(path.parent, str(content["id"]), str(content["state"]), steps))
        except (ValueError, KeyError, TypeError):
            raise HubtoolsError(f"{path} is damaged; nothing was touched.") from None
    return found


def _step(item: dict[str, Any]) -> Step:
    for name in (item["path"], item["target"]):
        if name is not None:
            check_name(name)
    return Step(
        item["action"], item["path"], item["target"], item["before"], item["after"],
        tuple(item["rules"]), tuple(item["why"]), item["pixels"],
    )  # fmt: skip


def place_of(root: Path) -> Path:
    """Where the journals of a dataset lie. Raises `HubtoolsError` if a link leads elsewhere."""
    return no_link(root / WORK_DIR / FIXES_DIR)


def new_place(root: Path) -> Path:
    """A new folder for a journal, named after the time."""
    parent = place_of(root)
    parent.mkdir(parents=True, exist_ok=True)
    if not (parent / ".gitignore").exists():
        write_bytes(parent / ".gitignore", b"*\n")  # originals may hold what was to be removed
    return stamped_folder(parent, digits=3)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """One fix at a time; the lock ends with the process, however that ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    place = place_of(root)
    if not root.is_dir():
        raise HubtoolsError(f"There is no folder {root}.")
    place.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(place / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HubtoolsError(f"Another `hubtools fix` is at work in {root}.") from None
        yield
    finally:
        os.close(descriptor)
