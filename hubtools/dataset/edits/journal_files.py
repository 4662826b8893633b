"""The journals of a dataset: what they say, where they lie, and whose they are.

What is in their folders, and the order in which it is written, tells `journal`. Each journal is
sealed (`hubtools.trust`): one without a valid seal came with the folder, and is data.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hubtools.dataset.edits.closed import Action, check_operations, is_fingerprint
from hubtools.dataset.edits.plan import check_name
from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.layout import FIXES_DIR, WORK_DIR
from hubtools.limits import OWN_JSON_COST
from hubtools.printable import visible
from hubtools.rooted import Root
from hubtools.trust import is_sealed, seal

JOURNAL = "journal.json"
STAGING = "staging.json"  # says that nothing of the dataset has changed yet
FIXES = f"{WORK_DIR}/{FIXES_DIR}"
ORIGINALS = "originals"
UNFINISHED = ("removing", "placing", "undo-removing", "undo-placing")
_STATES = (*UNFINISHED, "done", "undone")
_SCHEMA = 1
_MOST_BYTES = 1 << 28


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
    """What one `fix` did to the dataset at `root`.

    `ours`: this user wrote it here. `keeps`: it was not, and a person trusted it: then nothing that
    is taken away is deleted. `folders`: the modes of the folders that the files lay in.
    """

    root: Path
    id: str
    state: str
    steps: tuple[Step, ...]
    ours: bool = True
    keeps: bool = False
    folders: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its folder, relative to the dataset."""
        return f"{FIXES}/{self.id}"

    @property
    def place(self) -> Path:
        """Its folder."""
        return self.root / self.name

    @property
    def unfinished(self) -> bool:
        """True if it was interrupted, or an undo of it."""
        return self.state in UNFINISHED

    @property
    def bytes(self) -> int:
        """Bytes of the originals that are kept."""
        with Root(self.root) as root:
            walked = root.walk(self.name)
            return sum(found.st_size for _, found in walked if stat.S_ISREG(found.st_mode))

    def original(self, path: str) -> str:
        """Where the original of a file is kept, relative to the dataset."""
        return f"{self.name}/{ORIGINALS}/{path}"

    def new(self, number: int) -> str:
        """Where the result of a step waits, relative to the dataset."""
        return f"{self.name}/new/{number}"

    def write(self, root: Root, state: str) -> Journal:
        """Write the journal with this state, sealed."""
        name = f"{self.name}/{JOURNAL}"
        content = {
            "schema": _SCHEMA,
            "id": self.id,
            "state": state,
            "keeps": self.keeps,
            "folders": self.folders,
            "steps": [vars(step) for step in self.steps],
        }
        root.write_json(name, seal(self.root, name, content))
        return replace(self, state=state, ours=True)

    def lines(self, most: int = 20) -> tuple[str, ...]:
        """What its steps do, to be read, at most so many."""
        found = [
            f"{step.action} {visible(step.path or step.target or '')}"
            + (f" -> {visible(step.target)}" if step.moves and step.target else "")
            for step in self.steps[:most]
        ]
        more = len(self.steps) - len(found)
        return (*found, f"... and {more} more") if more else tuple(found)


def journals(folder: Path) -> list[Journal]:
    """All journals of a dataset, oldest first, those of others too. Raises `HubtoolsError` for a
    damaged one."""
    if not folder.is_dir():
        return []
    with Root(folder) as root:
        names = [id for id in root.list_made(FIXES) if _is_folder(root, f"{FIXES}/{id}")]
        return [
            _read(root, id) for id in names if root.exists(f"{FIXES}/{id}/{JOURNAL}")
        ]  # fmt: skip


def lost(folder: Path) -> list[str]:
    """Folders of originals (relative to the dataset) whose journal is gone; nothing acts on them,
    and nothing removes them."""
    if not folder.is_dir():
        return []
    with Root(folder) as root:
        found = []
        for id in root.list_made(FIXES):
            name = f"{FIXES}/{id}"
            if not _is_folder(root, name) or root.exists(f"{name}/{JOURNAL}"):
                continue
            if root.list(f"{name}/{ORIGINALS}") and not is_staging(root, id):
                found.append(name)
        return found


def is_staging(root: Root, id: str) -> bool:
    """True for the folder of a fix of ours that was killed before anything was changed."""
    name = f"{FIXES}/{id}/{STAGING}"
    if root.exists(f"{FIXES}/{id}/{JOURNAL}") or not root.is_file(name):
        return False
    try:
        content = json_value(root.read(name, 1 << 16))
    except (ValueError, RecursionError, HubtoolsError):
        return False
    return is_sealed(root.path, name, content) and content.get("id") == id


def mark_staging(root: Root, id: str) -> None:
    """Say that the folder of a journal holds nothing yet that would be missed."""
    name = f"{FIXES}/{id}/{STAGING}"
    root.write_json(name, seal(root.path, name, {"schema": _SCHEMA, "id": id}))


def _is_folder(root: Root, name: str) -> bool:
    if root.is_link(name):
        root.list(name)  # raises `LeadsOut`, which says so
    return root.is_folder(name)


def _read(root: Root, id: str) -> Journal:
    name = f"{FIXES}/{id}/{JOURNAL}"
    damaged = HubtoolsError(
        f"{root.path / name} is damaged; nothing was touched.",
        hint=f"the originals in {root.path / FIXES / id / ORIGINALS} are as they were kept; move"
        f" {root.path / FIXES / id} to another place",
        code="file-damaged",
    )
    try:
        content = json_value(root.read(name, _MOST_BYTES), most=OWN_JSON_COST)
        if content["id"] != id or content["state"] not in _STATES:
            raise damaged
        steps = tuple(_step(item) for item in content["steps"])
        check_operations((Action(s.action), s.path, s.target, s.before) for s in steps)
        folders = {check_name(k): _mode(v) for k, v in content.get("folders", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise damaged from None
    ours = is_sealed(root.path, name, content)
    keeps = content.get("keeps") is True
    return Journal(root.path, id, content["state"], steps, ours, keeps, folders)


def _mode(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 0o7777:
        raise ValueError("a folder has no mode")
    return value & 0o777


def _step(item: dict[str, Any]) -> Step:
    for name in (item["path"], item["target"]):
        if name is not None:
            check_name(name)
    if (item["target"] is not None) != is_fingerprint(item["after"]):
        raise ValueError("a step does not say what the file is afterwards")
    pixels = item["pixels"]
    return Step(
        str(item["action"]), item["path"], item["target"], item["before"], item["after"],
        tuple(map(str, item["rules"])), tuple(map(str, item["why"])),
        str(pixels) if pixels is not None else None,
    )  # fmt: skip


def new_place(root: Root) -> str:
    """The id of a new journal, named after the time; its folder says that it is being filled."""
    # originals may hold what was to be removed
    root.write_new(f"{FIXES}/.gitignore", b"*\n")
    id = root.new_folder(FIXES).rpartition("/")[2]
    mark_staging(root, id)
    return id


@contextmanager
def locked(folder: Path) -> Iterator[Root]:
    """The dataset, opened; one fix at a time. The lock ends with the process, however that ends."""
    with Root(folder) as root, ExitStack() as stack:
        try:
            stack.enter_context(root.holding(f"{FIXES}/.lock"))
        except BlockingIOError:
            raise HubtoolsError(
                f"Another `hubtools fix` is at work in {folder}.", code="busy"
            ) from None
        yield root
