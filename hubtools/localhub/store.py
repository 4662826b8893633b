"""Repositories, revisions and files: what a Hub knows, kept in one folder.

    ROOT/hub.sqlite3   repositories, commits, trees, small files, discussions
    ROOT/blobs/        Git LFS objects by SHA-256
    ROOT/incoming/     uploads on their way
    ROOT/xet/          what Xet clients send, until its files are put together
    ROOT/lock          held while a server runs
    ROOT/owner.json    sealed: who made the folder

Everything that takes a `sqlite3.Connection` runs inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import cast

from hubtools.causes import is_absent
from hubtools.errors import UsageError
from hubtools.localhub.blobs import Blobs, Incoming
from hubtools.localhub.database import Database
from hubtools.localhub.lock import RootLock
from hubtools.localhub.model import Commit, Content, File, Moved, Repo, Snapshot, Visibility, now
from hubtools.localhub.mounts import Mount, opened
from hubtools.localhub.names import KINDS, MAIN, check_repo_name, is_commit
from hubtools.localhub.problems import Problem, entry_not_found, revision_not_found
from hubtools.localhub.trees import Trees, sweep_trees
from hubtools.localhub.xet import Areas
from hubtools.owned import claim, is_own
from hubtools.rooted import Root
from hubtools.trust import ForeignState

_OWN_NAMES = {
    "hub.sqlite3",
    "hub.sqlite3-wal",
    "hub.sqlite3-shm",
    "hub.sqlite3-journal",
    "blobs",
    "incoming",
    "xet",
    "lock",
    "owner.json",
}
_OWNER = "owner.json"
_DATABASE = ("hub.sqlite3", "hub.sqlite3-wal", "hub.sqlite3-journal")


def _claim(place: Root, trust_state: bool) -> None:
    """Raises `ForeignState` for the Hub of somebody else, which may have come with a folder: what
    sqlite carries on from a journal may name any file."""
    if is_own(place, _OWNER):
        return
    if not trust_state and any(map(place.exists, _DATABASE)):
        raise ForeignState(
            place.path,
            "be served as your own",
            hint="give another folder with --root, or look at it first and add --trust-state",
        )
    claim(place, _OWNER, "hubtools hub serve")


class Store:
    """One Hub's state. Safe to use from many threads; one process at a time."""

    def __init__(self, root: Path, *, trust_state: bool = False) -> None:
        self.root = root
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is not a folder.")
        is_new = not root.exists()
        place = Root(root, create=True)
        if is_new:
            root.chmod(0o700)  # private repositories lie in it, and what signs its addresses
        strangers = sorted({path.name for path in root.iterdir()} - _OWN_NAMES)
        if strangers and not (root / "hub.sqlite3").exists():
            raise UsageError(
                f"{root} holds other things ({strangers[0]}): the embedded Hub needs a folder of"
                " its own.",
                hint="give an empty or new folder with --root",
                code="file-exists",
            )
        self.lock = RootLock(root / "lock")
        try:
            _claim(place, trust_state)
            self.database = Database(root / "hub.sqlite3")
            self.blobs = Blobs(place)
            self.xet = Areas(place)
            self.trees = Trees()
            self.secret = self._secret()
        except BaseException:
            self.lock.release()
            place.close()
            raise
        self._place = place
        self._mounts: dict[tuple[str, str], Repo] = {}
        self._blob_lock = threading.Lock()
        self.sweep()

    def close(self) -> None:
        """Close the database and let go of the folder."""
        self.database.close()
        self.xet.clear()
        self.lock.release()
        self._place.close()

    def clear(self) -> None:
        """Forget every repository and mount. For tests that want an empty Hub."""
        self._mounts.clear()
        with self.database.writing() as connection:
            for table in ("repos", "trees", "contents", "collections", "webhooks"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
        self.trees = Trees()
        self.xet.clear()
        self.sweep()

    def _secret(self) -> bytes:
        with self.database.writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO meta VALUES ('secret', ?)", (secrets.token_hex(32),)
            )
            row = connection.execute("SELECT value FROM meta WHERE key = 'secret'").fetchone()
        return bytes.fromhex(row["value"])

    def sign(self, *words: object) -> str:
        """A signature nobody without the root folder can make; links that carry one need no
        token."""
        text = "\x00".join(str(word) for word in words).encode()
        return hmac.new(self.secret, text, hashlib.sha256).hexdigest()

    def signed(self, signature: str, *words: object) -> bool:
        """True if `signature` was made by `sign(*words)`."""
        return hmac.compare_digest(self.sign(*words).encode(), signature.encode())

    # -- repositories ---------------------------------------------------------------------------

    def mount(
        self,
        repo_type: str,
        repo_id: str,
        folder: Path,
        *,
        commit: str | None = None,
        pick: Callable[[], Mapping[str, Path]] | None = None,
    ) -> None:
        """Offer `folder` read-only and public as the repository `repo_id` while this store is
        open. `repo_type`: model, dataset or space. Nothing is copied; see `Mount`.

        Raises `UsageError` if the name is not one, is taken, or the folder is none.
        """
        kind = repo_type.removesuffix("s")
        namespace, slash, name = repo_id.partition("/")
        if kind not in KINDS or not slash:
            raise UsageError(
                f"Cannot mount {repo_type}/{repo_id}.",
                hint="a repository is named like models/owner/name or datasets/owner/name",
            )
        try:
            check_repo_name(namespace, name)
        except Problem as problem:
            raise UsageError(f"Cannot mount: {problem.message}.") from None
        key = (kind, repo_id.lower())
        with self.database.reading() as connection:
            taken = connection.execute(
                "SELECT 1 FROM repos WHERE kind = ? AND folded = ?", key
            ).fetchone()
        if taken or key in self._mounts:
            raise UsageError(
                f"The embedded Hub in {self.root} already has a {kind} {repo_id}.",
                code="file-exists",
            )
        bare = Repo(-len(self._mounts) - 1, kind, namespace, name, created=now())
        mount = Mount(bare, Path(folder), self.database, commit, pick)
        self._mounts[key] = Repo(**{**bare.__dict__, "mount": mount})

    def find(self, kind: str, namespace: str, name: str) -> Repo | None:
        """The repository, or None. Upper and lower case are the same. Raises `Moved` if it has
        another name by now."""
        folded = f"{namespace}/{name}".lower()
        mounted = self._mounts.get((kind, folded))
        if mounted:
            return mounted
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT * FROM repos WHERE kind = ? AND folded = ?", (kind, folded)
            ).fetchone()
            if row:
                return _repo(row)
            row = connection.execute(
                "SELECT repos.* FROM moved JOIN repos ON repos.id = moved.repo"
                " WHERE moved.kind = ? AND moved.folded = ?",
                (kind, folded),
            ).fetchone()
        if row:
            raise Moved(_repo(row))
        return None

    def repos(self, kind: str | None = None) -> list[Repo]:
        """Every repository (of a kind), the last created first."""
        with self.database.reading() as connection:
            rows = connection.execute("SELECT * FROM repos ORDER BY id DESC").fetchall()
        everything = [_repo(row) for row in rows] + list(self._mounts.values())
        return [repo for repo in everything if kind in (None, repo.kind)]

    def repo_of_id(self, connection: sqlite3.Connection, number: int) -> Repo | None:
        """The repository of that number in the database; no mount has one."""
        row = connection.execute("SELECT * FROM repos WHERE id = ?", (number,)).fetchone()
        return _repo(row) if row else None

    def mount_of(self, kind: str, full_name: str) -> Repo | None:
        """The mount of that name."""
        return self._mounts.get((kind, full_name.lower()))

    def mounted(self, kind: str, folded: str) -> bool:
        """True if a mount has that (lower-case) name."""
        return (kind, folded) in self._mounts

    # -- revisions ------------------------------------------------------------------------------

    def snapshot(self, repo: Repo, revision: str = "main") -> Snapshot:
        """`repo` at a branch, tag, ref, or commit id. Raises `Problem` 404 if there is none."""
        if repo.mount is not None:
            snapshot = repo.mount.snapshot(repo)
            if revision not in ("main", MAIN, "HEAD", snapshot.commit.oid):
                raise revision_not_found(revision)
            return snapshot
        with self.database.reading() as connection:
            return self.snapshot_in(connection, repo, revision)

    def snapshot_in(self, connection: sqlite3.Connection, repo: Repo, revision: str) -> Snapshot:
        """`snapshot` within a transaction; not for mounts."""
        commit = self.commit_of(connection, repo, self.resolve(connection, repo, revision))
        return Snapshot(repo, commit, self.trees.read(connection, commit.tree))

    def resolve(self, connection: sqlite3.Connection, repo: Repo, revision: str) -> str:
        """The commit id of a revision. Raises `Problem` 404 if there is none."""
        if revision == "HEAD":
            revision = MAIN
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}", f"refs/convert/{revision}"]
        if revision.startswith("refs/"):
            names = [revision]
        for name in names:
            row = connection.execute(
                "SELECT target FROM refs WHERE repo = ? AND name = ?", (repo.id, name)
            ).fetchone()
            if row:
                return str(row["target"])
        # A shortened id, as git takes it, if there is only one it can be.
        if 7 <= len(revision) <= 40 and all(c in "0123456789abcdef" for c in revision):
            end = revision + "g"
            rows = connection.execute(
                "SELECT oid FROM commits WHERE repo = ? AND oid >= ? AND oid < ? LIMIT 2",
                (repo.id, revision, end),
            ).fetchall()
            if len(rows) == 1:
                return str(rows[0]["oid"])
        raise revision_not_found(revision)

    def commit_of(self, connection: sqlite3.Connection, repo: Repo, oid: str) -> Commit:
        """The commit with that full id. Raises `Problem` 404 if there is none."""
        row = connection.execute(
            "SELECT * FROM commits WHERE repo = ? AND oid = ?", (repo.id, oid)
        ).fetchone()
        if row is None or not is_commit(oid):
            raise revision_not_found(oid)
        return commit_from(row)

    # -- files ----------------------------------------------------------------------------------

    def open(self, snapshot: Snapshot, path: str) -> tuple[File, Content]:
        """A file and its bytes. Raises `Problem` 404 if the commit has no such file, 410 if its
        Git LFS object was deleted for good."""
        file = snapshot.files.get(path)
        if file is None:
            raise entry_not_found(commit=snapshot.commit.oid)
        if snapshot.repo.mount is not None:
            where = snapshot.repo.mount.open(path)
            if where is None:
                raise entry_not_found(commit=snapshot.commit.oid)
            return file, Content(file.size, opener=partial(opened, where))
        if file.sha256 is not None:
            if not self.blobs.has(file.sha256, file.size):
                raise Problem(
                    410,
                    f"The Git LFS object of {path} was permanently deleted.",
                    headers={"X-Repo-Commit": snapshot.commit.oid},
                )
            return file, Content(file.size, opener=partial(self.blobs.open, file.sha256))
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT data FROM contents WHERE oid = ?", (file.oid,)
            ).fetchone()
        return file, Content(file.size, data=row["data"])

    def read_small(self, snapshot: Snapshot, path: str, limit: int = 1 << 20) -> bytes | None:
        """The bytes of a file that is there and not larger than `limit`; None otherwise."""
        file = snapshot.files.get(path)
        if file is None or file.size > limit:
            return None
        try:
            return self.open(snapshot, path)[1].read_all()
        except Problem:
            return None
        except OSError as error:
            if not is_absent(error):
                raise
            return None

    # -- Git LFS objects ------------------------------------------------------------------------

    def has_object(self, repo_id: int, sha256: str, size: int) -> bool:
        """True if the repository may use the object and its bytes are there."""
        with self.database.reading() as connection:
            row = connection.execute(
                "SELECT size FROM lfs_objects WHERE repo = ? AND sha256 = ?", (repo_id, sha256)
            ).fetchone()
        return row is not None and row["size"] == size and self.blobs.has(sha256, size)

    def keep_object(self, repo_id: int, incoming: Incoming) -> None:
        """Make an upload, whole and checked, an object of a repository."""
        # Blob first, row second, and no sweep in between: a kill leaves at most an unused blob.
        with self._blob_lock:
            sha256, size = incoming.sha256, incoming.size
            incoming.keep()
            self._add_object(repo_id, sha256, size)

    def share_object(self, source: Repo, target: Repo, sha256: str) -> bool:
        """Let `target` use an object of `source`; False if `source` has none such."""
        with self._blob_lock, self.database.reading() as connection:
            row = connection.execute(
                "SELECT size FROM lfs_objects WHERE repo = ? AND sha256 = ?", (source.id, sha256)
            ).fetchone()
            if row is not None:
                self._add_object(target.id, sha256, row["size"])
        return row is not None

    def _add_object(self, repo_id: int, sha256: str, size: int) -> None:
        with self.database.writing() as connection:
            exists = connection.execute("SELECT 1 FROM repos WHERE id = ?", (repo_id,)).fetchone()
            if exists:  # it may have been deleted while the upload ran
                connection.execute(
                    "INSERT OR IGNORE INTO lfs_objects (repo, sha256, size, pushed)"
                    " VALUES (?, ?, ?, ?)",
                    (repo_id, sha256, size, now()),
                )

    def sweep_all(self) -> None:
        """`sweep`, and delete the folders and small files that no commit holds any more, so that
        their bytes are nowhere in the Hub's folder."""
        self.sweep()
        with self.database.writing() as connection:
            sweep_trees(connection)
        self.database.shrink()

    def sweep(self) -> None:
        """Delete the blobs no repository may use any more."""
        with self._blob_lock:
            with self.database.reading() as connection:
                rows = connection.execute("SELECT DISTINCT sha256 FROM lfs_objects").fetchall()
            used = {row["sha256"] for row in rows}
            for sha256 in self.blobs.all():
                if sha256 not in used:
                    self.blobs.drop(sha256)


def _repo(row: sqlite3.Row) -> Repo:
    return Repo(
        row["id"],
        row["kind"],
        row["namespace"],
        row["name"],
        cast(Visibility, row["visibility"]),
        row["gated"],
        row["sdk"],
        row["created"],
    )


def commit_from(row: sqlite3.Row) -> Commit:
    """A row of `commits`."""
    return Commit(
        row["oid"],
        row["tree"],
        row["title"],
        row["message"],
        row["author"],
        row["date"],
        row["parent"],
        row["merged"],
    )
