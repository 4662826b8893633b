"""The sqlite file: schema, connections, transactions.

WAL mode: a reader sees the state between two transactions, a process killed at any moment leaves
the last committed one. One transaction writes at a time; `writing()` serialises them.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubtools.errors import HubtoolsError
from hubtools.localhub.disk import disk_errors
from hubtools.localhub.lock import not_ours

_VERSION = 1
_MUCH = 32 << 20  # bytes of the file that hold nothing
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE repos (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    folded TEXT NOT NULL,              -- lower-case id: names differing in case only collide
    visibility TEXT NOT NULL, gated TEXT NOT NULL DEFAULT '', sdk TEXT, created TEXT NOT NULL,
    UNIQUE (kind, folded)
);
CREATE TABLE moved (
    kind TEXT NOT NULL, folded TEXT NOT NULL,
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE,
    PRIMARY KEY (kind, folded)
);
CREATE TABLE refs (
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE,
    name TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY (repo, name)
);
CREATE TABLE commits (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE,
    oid TEXT NOT NULL, parent TEXT, merged TEXT, tree TEXT NOT NULL,
    title TEXT NOT NULL, message TEXT NOT NULL, author TEXT NOT NULL, date TEXT NOT NULL,
    UNIQUE (repo, oid)
);
-- one row a folder: JSON [[name, id, size | null for a folder, sha256 if Git LFS], ...]
CREATE TABLE trees (oid TEXT PRIMARY KEY, entries TEXT NOT NULL) WITHOUT ROWID;
-- files of regular (not Git LFS) size, by their git id
CREATE TABLE contents (oid TEXT PRIMARY KEY, data BLOB NOT NULL);
-- the Git LFS objects a repository may use; the bytes are in the blob folder, shared by all
CREATE TABLE lfs_objects (
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL,
    filename TEXT NOT NULL DEFAULT '', ref TEXT, pushed TEXT NOT NULL,
    PRIMARY KEY (repo, sha256)
);
CREATE INDEX lfs_by_hash ON lfs_objects (sha256);
CREATE TABLE discussions (
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE,
    num INTEGER NOT NULL, title TEXT NOT NULL, author TEXT NOT NULL, status TEXT NOT NULL,
    pull_request INTEGER NOT NULL, created TEXT NOT NULL, base TEXT, merge_commit TEXT,
    PRIMARY KEY (repo, num)
);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    repo INTEGER NOT NULL, num INTEGER NOT NULL,
    kind TEXT NOT NULL, author TEXT NOT NULL, created TEXT NOT NULL, data TEXT NOT NULL,
    FOREIGN KEY (repo, num) REFERENCES discussions ON DELETE CASCADE
);
CREATE INDEX events_of ON events (repo, num);
-- hashes of mounted files, valid while size and modification time stay the same
CREATE TABLE hashes (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    sha1 TEXT NOT NULL, sha256 TEXT NOT NULL
);
"""
# What came later: a database of before gets it when it is opened, and serves both.
_ADDED = """
CREATE TABLE IF NOT EXISTS collections (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL, title TEXT NOT NULL, description TEXT, private INTEGER NOT NULL,
    theme TEXT NOT NULL DEFAULT 'blue', updated TEXT NOT NULL,
    rank INTEGER NOT NULL              -- in its owner's list, the lowest first
);
CREATE INDEX IF NOT EXISTS collections_of ON collections (owner, title);
CREATE TABLE IF NOT EXISTS collection_items (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
    collection INTEGER NOT NULL REFERENCES collections ON DELETE CASCADE,
    kind TEXT NOT NULL,
    repo INTEGER REFERENCES repos ON DELETE CASCADE,         -- one of these three
    child INTEGER REFERENCES collections ON DELETE CASCADE,
    name TEXT,
    note TEXT, rank INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS items_of ON collection_items (collection);
CREATE TABLE IF NOT EXISTS likes (
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE,
    user TEXT NOT NULL, created TEXT NOT NULL,
    PRIMARY KEY (repo, user)
);
CREATE TABLE IF NOT EXISTS access_requests (
    repo INTEGER NOT NULL REFERENCES repos ON DELETE CASCADE,
    user TEXT NOT NULL, key TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
    asked INTEGER NOT NULL,            -- by themselves; granted unasked otherwise
    changed TEXT NOT NULL,
    PRIMARY KEY (repo, user)
);
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, user TEXT NOT NULL,
    url TEXT NOT NULL, watched TEXT NOT NULL, domains TEXT NOT NULL, secret TEXT,
    disabled INTEGER NOT NULL DEFAULT 0
);
"""


def _check_own(path: Path) -> None:
    """Raises `HubtoolsError` if this is a link, another name of some file, or no file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or (os.name != "nt" and found.st_nlink > 1):
        raise not_ours(path)


class Database:
    """Connections to one sqlite file, shared by the threads of one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._closed = False
        self._first: os.stat_result | None = None
        try:
            with disk_errors(path):
                connection = self._open()
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                script = _ADDED
                if version == 0:
                    script = f"{_SCHEMA}{_ADDED}PRAGMA user_version = {_VERSION};"
                # One script, one transaction: a kill in between leaves the file as it was.
                if version in (0, _VERSION):
                    connection.executescript(f"BEGIN IMMEDIATE;{script}COMMIT;")
        except sqlite3.DatabaseError as error:
            raise HubtoolsError(
                f"{path} is not the database of an embedded Hub: {error}.",
                hint="choose another folder with --root",
                code="wrong-kind",
            ) from error
        if version not in (0, _VERSION):
            connection.close()
            raise HubtoolsError(
                f"{path} was written by another version of hubtools (format {version}).",
                hint="choose another folder with --root",
                code="other-version",
            )
        self._first = path.stat()
        self._idle.append(connection)

    def _open(self) -> sqlite3.Connection:
        # sqlite follows links and opens what it finds: what lies there may have come with a folder
        for suffix in ("", "-wal", "-shm", "-journal"):
            _check_own(self.path.with_name(self.path.name + suffix))
        # nor is another one made, or used, where the folder was exchanged since
        place = str(self.path)
        if self._first is not None:
            if not os.path.samestat(self._first, self.path.stat()):
                raise not_ours(self.path)
            place = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(
            place, timeout=30, isolation_level=None, check_same_thread=False,
            uri=self._first is not None,
        )  # fmt: skip
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing; a power cut may lose the last transactions, never more.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
        return connection

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        with disk_errors(self.path):
            connection = connection or self._open()
        try:
            with disk_errors(self.path):
                yield connection
        finally:
            with self._idle_lock:
                if self._closed:
                    connection.close()
                else:
                    self._idle.append(connection)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection whose queries all see one and the same state."""
        with self._borrowed() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed at the end, rolled back if anything is raised."""
        with self._write_lock, self._borrowed() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has ended it already
                    connection.execute("ROLLBACK")
                raise

    def shrink(self) -> None:
        """Give the room of what was deleted back, if it is much, and empty the journal. Does
        nothing while somebody reads what was there before."""
        with self._write_lock, self._borrowed() as connection, suppress(sqlite3.OperationalError):
            free, page = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("freelist_count", "page_size")
            )
            if free * page > _MUCH:
                connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the idle connections now, busy ones as they come back."""
        with self._idle_lock:
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()
