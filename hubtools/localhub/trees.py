"""Folders as rows: flat {path: File} in, git-like trees out, and back. Equal folders are stored
once, whichever commit or repository they belong to."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from hubtools.localhub.gitids import tree_id
from hubtools.localhub.model import File

Flat = tuple[Mapping[str, File], Mapping[str, str]]
_Row = tuple[str, str, int | None, str | None]

_CACHED_TREES = 32


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
    """Reads and writes trees in the database; remembers the last few it read."""

    def __init__(self) -> None:
        self._cache: OrderedDict[str, Flat] = OrderedDict()
        self._lock = threading.Lock()

    def write(self, connection: sqlite3.Connection, files: Mapping[str, File]) -> str:
        """Store a set of files; the id of its root."""
        root, _, rows_of = folders_of(files)
        connection.executemany(
            "INSERT OR IGNORE INTO trees (oid, entries) VALUES (?, ?)",
            [(oid, json.dumps(rows)) for oid, rows in rows_of.items()],
        )
        return root

    def read(self, connection: sqlite3.Connection, root: str) -> Flat:
        """({path: File}, {folder path: id}) below `root`, sorted by path."""
        with self._lock:
            if root in self._cache:
                self._cache.move_to_end(root)
                return self._cache[root]
        files: dict[str, File] = {}
        folders: dict[str, str] = {}
        waiting = [("", root)]
        while waiting:
            prefix, oid = waiting.pop()
            row = connection.execute("SELECT entries FROM trees WHERE oid = ?", (oid,)).fetchone()
            for name, child, size, sha256 in json.loads(row["entries"]):
                if size is None:
                    folders[prefix + name] = child
                    waiting.append((f"{prefix}{name}/", child))
                else:
                    files[prefix + name] = File(child, size, sha256)
        flat = (dict(sorted(files.items())), dict(sorted(folders.items())))
        with self._lock:
            self._cache[root] = flat
            while len(self._cache) > _CACHED_TREES:
                self._cache.popitem(last=False)
        return flat
