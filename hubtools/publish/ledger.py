"""What was pushed from a folder, kept in its `.hubtools/pushed.json`.

It decides what a push may delete or replace in a repository, and with which pull request a push
that was stopped goes on. So it is sealed (see `trust`): a ledger that came with the folder is
shown and asked about, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_bytes, json_value
from hubtools.hub.client import RemoteFile
from hubtools.layout import PUSHED, new_replaced
from hubtools.limits import JSON_FILE
from hubtools.rooted import Root
from hubtools.trust import have_key, is_sealed, seal
from hubtools.whereabouts import from_here

NAME = PUSHED
_SCHEMA = 2


_MOST_BESIDE = 1000  # things that lie beside a folder


@dataclass(frozen=True)
class Sent:
    """What was sent to one repository.

    `files`: each name with the mark (`RemoteFile.mark`) of what lies there since; "" where it is
    not known. `offered`: hashes of what was on its way when last heard of: an answer that was lost,
    or a pull request. `commit`: of the last push to main; `before`: the commit that it was made on,
    and `earlier` what `files` was then. `pending`: the number of a pull request that was not
    finished; `opened`: its author, title and time, for a repository that is made again counts
    from 1. `collections`: slugs of those that pushes from here put the repository into. `undoing`:
    that push is being taken back, and `offered` are what its files were before. `undone`: that push
    was itself the undo of one.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    commit: str | None = None
    pending: int | None = None
    opened: str | None = None
    before: str | None = None
    earlier: Mapping[str, str] = field(default_factory=dict)
    collections: tuple[str, ...] = ()
    undoing: bool = False
    undone: bool = False

    def in_collection(self, slug: str) -> Sent:
        """The same, and that a push put the repository into this collection."""
        return replace(self, collections=(*self.collections, slug))

    def is_ours(self, remote: RemoteFile) -> bool:
        """True if what lies there is what was sent from here."""
        return remote.mark == self.files.get(remote.name) or remote.mark in self.offered.get(
            remote.name, ()
        )


def read_ledger(root: Root) -> tuple[dict[str, Sent], bool]:
    """(what was sent, by repository; whether this user wrote that). Unreadable is empty.

    Raises `LeadsOut` if the ledger or its folder is a symbolic link.
    """
    have_key()
    content = _content(root)
    if content is None:
        return {}, True
    repos = content.get("repos") if content.get("schema") == _SCHEMA else content
    found = {}
    for key, entry in repos.items() if isinstance(repos, dict) else ():
        if isinstance(entry, dict) and isinstance(key, str) and "/" in key:
            found[key] = _sent(entry)
    return found, is_sealed(root.path, NAME, content)


@dataclass(frozen=True)
class Beside:
    """A folder beside the one that is pushed, and what this user sent from there to the same
    repository."""

    folder: Path
    sent: Sent

    @property
    def shown(self) -> str:
        """The folder as one types it here."""
        return quote(from_here(self.folder))


def pushed_beside(folder: Path, key: str, there: Mapping[str, RemoteFile]) -> Beside | None:
    """The folder beside this one from which this user pushed to the repository `key` what lies
    `there` now, as the folder of an earlier run; None if there is none."""
    found, others = None, list[Path]()
    with suppress(OSError):  # this user may not list it
        others = sorted(islice(folder.absolute().parent.iterdir(), _MOST_BESIDE))
    for other in others:
        if other == folder.absolute() or other.is_symlink() or not other.is_dir():
            continue
        with suppress(HubtoolsError, OSError), Root(other) as root:
            if not root.is_file(NAME):
                continue
            known, own = read_ledger(root)
            sent = known.get(key, Sent())
            ours = [name for name in sent.files if name in there and sent.is_ours(there[name])]
            if own and ours and len(ours) > (len(found[1]) if found else 0):
                found = Beside(other, replace(sent, pending=None, opened=None, offered={})), ours
    return found[0] if found else None


def _content(root: Root) -> dict[str, Any] | None:
    if not root.exists(NAME):
        return None
    try:
        content = json_value(root.read(NAME, JSON_FILE))
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _sent(entry: dict[str, Any]) -> Sent:
    files = entry.get("files")
    if isinstance(files, list):  # as earlier versions wrote them: names only
        files = {name: "" for name in files if isinstance(name, str)}
    offered = entry.get("offered")
    commit, pending = entry.get("commit"), entry.get("pending")
    opened, before = entry.get("opened"), entry.get("before")
    return Sent(
        _texts(files),
        {
            name: tuple(mark for mark in marks if isinstance(mark, str))
            for name, marks in (offered.items() if isinstance(offered, dict) else ())
            if isinstance(marks, list)
        },
        commit if isinstance(commit, str) else None,
        pending if isinstance(pending, int) and not isinstance(pending, bool) else None,
        opened if isinstance(opened, str) else None,
        before if isinstance(before, str) else None,
        _texts(entry.get("earlier")),
        tuple(one for one in _list(entry.get("collections")) if isinstance(one, str)),
        entry.get("undoing") is True,
        entry.get("undone") is True,
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {name: mark for name, mark in value.items() if isinstance(mark, str)}


def write_ledger(root: Root, key: str, sent: Sent) -> None:
    """Note what was sent to the repository `key`, sealed. A ledger of somebody else is set aside
    in `.hubtools/replaced`, not lost, and so is one that cannot be read."""
    known, own = read_ledger(root)
    if not own:
        known = {}

    def check() -> None:
        content = _content(root)
        ours = content is not None and is_sealed(root.path, NAME, content)
        if root.exists(NAME) and not ours:
            root.rename(NAME, f"{new_replaced()}/pushed-of-others.json")

    known[key] = sent
    repos = {
        key: {
            "files": dict(sent.files),
            "offered": {name: list(marks) for name, marks in sent.offered.items()},
            "commit": sent.commit,
            "pending": sent.pending,
            "opened": sent.opened,
            "before": sent.before,
            "earlier": dict(sent.earlier),
            **({"undoing": True} if sent.undoing else {}),
            **({"undone": True} if sent.undone else {}),
            "collections": list(sent.collections),
        }
        for key, sent in known.items()
    }
    sealed = seal(root.path, NAME, {"schema": _SCHEMA, "repos": repos})
    root.write(NAME, json_bytes(sealed), check=check)
