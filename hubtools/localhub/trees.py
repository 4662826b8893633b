"""Folders as rows: flat {path: File} in, git-like trees out, and back. Equal folders are stored
once, whichever commit or repository they belong to."""

from __future__ import annotations

import heapq
import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from hubtools.localhub.gitids import tree_id
from hubtools.localhub.model import File, Tree

_Row = tuple[str, str, int | None, str | None]
_Folder = Mapping[str, File | str]  # by name: a file, or the id of a folder
_What = TypeVar("_What")
_MOST = 250_000  # entries; about 100 bytes each, and 300 more for a file that is in one tree only


def folders_of(files: Mapping[str, File]) -> tuple[str, dict[str, str], dict[str, list[_Row]]]:
    """(id of the root, {folder path: id}, {id: rows}) of a set of files. Root path is ''."""
    children: dict[str, list[_Row]] = {"": []}
    for path, file in files.items():
        folder, _, name = path.rpartition("/")
        parent = folder
        while parent not in children:
            children[parent] = []
            parent = parent.rpartition("/")[0]
        children[folder].append((name, file.oid, file.size, file.sha256))
    ids: dict[str, str] = {}
    rows_of: dict[str, list[_Row]] = {}
    # The deepest first, so that a folder's own id is known when its parent's is made.
    for folder in sorted(children, key=lambda path: (-path.count("/"), path), reverse=False):
        if folder == "":
            continue
        oid = _finish(children[folder], rows_of)
        ids[folder] = oid
        parent, _, name = folder.rpartition("/")
        children[parent].append((name, oid, None, None))
    return _finish(children[""], rows_of), ids, rows_of


def _finish(rows: list[_Row], rows_of: dict[str, list[_Row]]) -> str:
    rows.sort()
    oid = tree_id((name, row_oid, size is None) for name, row_oid, size, _ in rows)
    rows_of[oid] = rows
    return oid


def clash_of(files: Iterable[str]) -> str | None:
    """A path that is both a file and a folder of another; None if there is none."""
    paths = set(files)
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent:
            if parent in paths:
                return parent
            parent = parent.rpartition("/")[0]
    return None


class Trees:
    """Reads and writes trees in the database; remembers the last that it read or wrote.

    What is remembered is bounded by what it holds, not by how many trees it is: `most` files and
    folders in folders, and as many in trees (one tree is kept however large). Trees share the
    `File`s of the folders that they have in common.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._folders: _Remembered[_Folder] = _Remembered(most)
        self._trees: _Remembered[Tree] = _Remembered(most)

    def write(
        self, connection: sqlite3.Connection, files: Mapping[str, File], base: str | None = None
    ) -> str:
        """Store a set of files; the id of its root. `base`: a root that is stored and differs from
        it little; only folders that differ are made anew then."""
        before = self._trees.get(base) if base else None
        if base is not None and before is not None:
            root, folders, rows_of = self._changed(connection, files, base, before)
        else:
            root, folders, rows_of = folders_of(files)
        connection.executemany(
            "INSERT OR IGNORE INTO trees (oid, entries) VALUES (?, ?)",
            [(oid, json.dumps(rows)) for oid, rows in rows_of.items()],
        )
        if root != base:
            self._keep(root, Tree(dict(sorted(files.items())), dict(sorted(folders.items()))))
        return root

    def _changed(
        self, connection: sqlite3.Connection, files: Mapping[str, File], base: str, before: Tree
    ) -> tuple[str, dict[str, str], dict[str, list[_Row]]]:
        """`folders_of(files)`, less the rows of folders that `base` has as well."""
        changes = _Changes()
        for path, file in files.items():
            old = before.files.get(path)
            if old is not file and old != file:
                folder, _, name = path.rpartition("/")
                changes.of(folder)[name] = (name, file.oid, file.size, file.sha256)
        for path in before.files:
            if path not in files:
                folder, _, name = path.rpartition("/")
                changes.of(folder)[name] = None
        root, ids = base, dict(before.folders)
        rows_of: dict[str, list[_Row]] = {}
        for folder, rows in changes:
            oid = ids.get(folder) if folder else base
            there = _rows(self._folder(connection, oid)) if oid else {}
            left = [row for row in {**there, **rows}.values() if row is not None]
            if not folder:
                root = _finish(left, rows_of)
                break
            parent, _, name = folder.rpartition("/")
            if left:
                ids[folder] = _finish(left, rows_of)
                changes.of(parent)[name] = (name, ids[folder], None, None)
            else:
                ids.pop(folder, None)
                changes.of(parent).setdefault(name, None)  # unless a file has its name now
        return root, ids, rows_of

    def _folder(self, connection: sqlite3.Connection, oid: str) -> _Folder:
        """What lies in a folder."""
        found = self._folders.get(oid)
        if found is None:
            row = connection.execute("SELECT entries FROM trees WHERE oid = ?", (oid,)).fetchone()
            found = {
                name: child if size is None else File(child, size, sha256)
                for name, child, size, sha256 in json.loads(row["entries"])
            }
            self._folders.keep(oid, found, len(found))
        return found

    def read(self, connection: sqlite3.Connection, root: str) -> Tree:
        """Every file and folder below `root`."""
        flat = self._trees.get(root)
        if flat is not None:
            return flat
        files: dict[str, File] = {}
        folders: dict[str, str] = {}
        waiting = [("", root)]
        while waiting:
            prefix, oid = waiting.pop()
            for name, child in self._folder(connection, oid).items():
                if isinstance(child, File):
                    files[prefix + name] = child
                else:
                    folders[prefix + name] = child
                    waiting.append((f"{prefix}{name}/", child))
        return self._keep(root, Tree(dict(sorted(files.items())), dict(sorted(folders.items()))))

    def _keep(self, root: str, flat: Tree) -> Tree:
        self._trees.keep(root, flat, len(flat.files) + len(flat.folders))
        return flat

    def id_of(self, connection: sqlite3.Connection, root: str, path: str) -> str | None:
        """The git id of a file or folder below `root`, without looking at all of it."""
        here: File | str = root
        for name in path.split("/"):
            if isinstance(here, File):
                return None
            child = self._folder(connection, here).get(name)
            if child is None:
                return None
            here = child
        return here.oid if isinstance(here, File) else here


def sweep_trees(connection: sqlite3.Connection) -> None:
    """Delete the folders and small files that no commit of any repository holds."""
    kept: set[str] = set()
    files: set[str] = set()
    waiting = [row["tree"] for row in connection.execute("SELECT DISTINCT tree FROM commits")]
    while waiting:
        oid = waiting.pop()
        if oid in kept:
            continue
        kept.add(oid)
        row = connection.execute("SELECT entries FROM trees WHERE oid = ?", (oid,)).fetchone()
        for _, child, size, _ in json.loads(row["entries"]):
            (waiting.append if size is None else files.add)(child)
    for table, used in (("trees", kept), ("contents", files)):
        there = [row["oid"] for row in connection.execute(f"SELECT oid FROM {table}")]  # noqa: S608
        connection.executemany(
            f"DELETE FROM {table} WHERE oid = ?",  # noqa: S608
            [(oid,) for oid in there if oid not in used],
        )


class _Changes:
    """What is to change in which folder, name by name (None: it goes): given back the deepest
    folder first, since a folder's own id is an entry of its parent."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, _Row | None]] = {}
        self._order: list[tuple[int, str]] = []

    def of(self, folder: str) -> dict[str, _Row | None]:
        if folder not in self._waiting:
            self._waiting[folder] = {}
            heapq.heappush(self._order, (-folder.count("/") if folder else 1, folder))
        return self._waiting[folder]

    def __iter__(self) -> Iterator[tuple[str, dict[str, _Row | None]]]:
        while self._order:
            _, folder = heapq.heappop(self._order)
            yield folder, self._waiting.pop(folder)


def _rows(folder: _Folder) -> dict[str, _Row]:
    return {
        name: (name, child.oid, child.size, child.sha256)
        if isinstance(child, File)
        else (name, child, None, None)
        for name, child in folder.items()
    }


class _Remembered(Generic[_What]):
    """The last used things, of `most` entries in all, but never fewer than one thing."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[str, tuple[_What, int]] = OrderedDict()
        self._entries = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> _What | None:
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def keep(self, key: str, what: _What, entries: int) -> None:
        with self._lock:
            if key not in self._held:
                self._held[key] = (what, entries)
                self._entries += entries
            while self._entries > self._most and len(self._held) > 1:
                self._entries -= self._held.popitem(last=False)[1][1]
