"""The list of a trash: what was moved there, and what has taken its place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubtools.dataset.folder.names import is_unentered
from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.layout import TRASH_DIR, WORK_DIR
from hubtools.publish.halving import Written
from hubtools.rooted import LeadsOut, Root, parts_of
from hubtools.trust import is_sealed

LIST = "files.json"
FILES = "files"
BEGUN = "unfinished"  # lies in a trash until all is moved that its list names
ALL = f"{WORK_DIR}/{TRASH_DIR}"
_MAX_LIST = 200_000_000  # bytes of a list: a million files


@dataclass(frozen=True)
class Folder:
    """A folder that files were moved out of, as it was; "" is the run folder."""

    name: str
    mode: int
    mtime_ns: int


@dataclass(frozen=True)
class Listed:
    """What a list says: (where a file is now, where it was), the folders, and what was promoted."""

    moves: tuple[tuple[str, str], ...]
    folders: tuple[Folder, ...]
    promoted: dict[str, str | None]  # name now -> SHA-256 it had
    written: dict[str, Written]  # by the name that the original had
    sealed: bool


def folders_of(names: Iterable[str]) -> set[str]:
    """All folders that these lie in; "" is the run folder."""
    found = {""}
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def trashes_of(root: Root) -> list[str]:
    """All trashes of a run folder, oldest first."""
    found = []
    for entry in root.list_made(ALL):
        trash = f"{ALL}/{entry}"
        if (root.is_folder(trash) or root.is_link(trash)) and root.exists(f"{trash}/{LIST}"):
            found.append(trash)
    return found


def read_list(root: Root, trash: str) -> Listed:
    """The list of a trash. Raises `HubtoolsError` if it is damaged, names something twice or leads
    out of the folder."""
    name = f"{trash}/{LIST}"
    try:
        content = json_value(root.read(name, _MAX_LIST))
        promoted = [(m["to"], m["from"]) for m in content["promoted"]]
        moved = [(m["to"], m["from"]) for m in content["moves"]]
        digests = {m["to"]: m.get("sha256") for m in content["promoted"]}
        written = {
            m["from"]: Written(m["to"], str(m["sha256"]), str(m.get("was", "")))
            for m in content.get("written", [])
        }
        folders = [Folder(f["name"], f["mode"], f["mtime_ns"]) for f in content.get("folders", [])]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise HubtoolsError(
            f"{root.path / name} is damaged; nothing was moved.", code="file-damaged"
        ) from None
    names = [one for pair in promoted + moved for one in pair] + [f.name for f in folders if f.name]
    names += [one for was, new in written.items() for one in (was, new.name)]
    sealed = is_sealed(root.path, name, content)
    for one in names:
        _check(root, name, one)
        if not sealed and any(map(is_unentered, parts_of(one))):
            raise _leads_to_git(root, name, one)
    numbers = [number for folder in folders for number in (folder.mode, folder.mtime_ns)]
    if not all(type(n) is int and -(1 << 62) < n < 1 << 62 for n in numbers):
        raise HubtoolsError(
            f"{root.path / name} is damaged; nothing was moved.", code="file-damaged"
        )
    _check_apart(root, name, [was for _, was in promoted + moved])
    moves = [*promoted, *((f"{trash}/{FILES}/{now}", was) for now, was in moved)]
    return Listed(tuple(moves), tuple(folders), digests, written, sealed)


def _check(root: Root, listed: str, name: object) -> None:
    try:
        if isinstance(name, str) and WORK_DIR not in parts_of(name):
            return
    except LeadsOut:
        pass
    raise HubtoolsError(
        f"{root.path / listed} names {name!r}, which is not in {root.path}; nothing was moved.",
        code="file-damaged",
    )


def _leads_to_git(root: Root, listed: str, name: str) -> HubtoolsError:
    return HubtoolsError(
        f"{root.path / listed} was not written by you here, and names {name!r}: a file in a folder"
        " of git may run programs. Nothing was moved.",
        hint="look what is in that trash, and move by hand what you want of it; `hubtools prune"
        " --purge --yes --trust-state` deletes it",
        code="file-damaged",
    )


def _check_apart(root: Root, listed: str, names: list[str]) -> None:
    """Each file once, and none where another has its folder."""
    seen = set(names)
    twice = len(seen) < len(names)
    if twice or seen & folders_of(names):
        raise HubtoolsError(
            f"{root.path / listed} puts two files in one place; nothing was moved.",
            code="file-damaged",
        )


__all__ = [
    "ALL",
    "BEGUN",
    "FILES",
    "LIST",
    "Folder",
    "Listed",
    "folders_of",
    "read_list",
    "trashes_of",
]
