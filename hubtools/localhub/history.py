"""Looking back: the commits of a branch, who changed what last; and rewriting the past."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from hubtools.localhub.commits import Header, add_commit, branch_ref, ref_target, set_ref
from hubtools.localhub.model import Commit, File, Repo, Snapshot
from hubtools.localhub.problems import Problem, revision_not_found
from hubtools.localhub.store import Store, commit_from

_REACHABLE = """
WITH RECURSIVE reached (oid) AS (
    SELECT :head
    UNION SELECT c.parent FROM commits c JOIN reached r ON c.oid = r.oid
        WHERE c.repo = :repo AND c.parent IS NOT NULL
    UNION SELECT c.merged FROM commits c JOIN reached r ON c.oid = r.oid
        WHERE c.repo = :repo AND c.merged IS NOT NULL
)
SELECT c.* FROM commits c JOIN reached USING (oid) WHERE c.repo = :repo ORDER BY c.seq DESC
"""


def log_in(connection: sqlite3.Connection, repo: Repo, head: str) -> list[Commit]:
    """`head` and everything it builds on, the newest first."""
    rows = connection.execute(_REACHABLE, {"repo": repo.id, "head": head}).fetchall()
    return [commit_from(row) for row in rows]


def log(store: Store, snapshot: Snapshot) -> list[Commit]:
    """The history of a snapshot, the newest first. A mounted folder has one commit."""
    if snapshot.repo.mount is not None:
        return [snapshot.commit]
    with store.database.reading() as connection:
        return log_in(connection, snapshot.repo, snapshot.commit.oid)


def last_changes(store: Store, snapshot: Snapshot, paths: Iterable[str]) -> dict[str, Commit]:
    """{path: the commit that last changed that file or something in that folder}."""
    waiting = set(paths)
    found: dict[str, Commit] = {}
    if snapshot.repo.mount is not None:
        return dict.fromkeys(waiting, snapshot.commit)
    with store.database.reading() as connection:
        by_oid = {
            commit.oid: commit for commit in log_in(connection, snapshot.repo, snapshot.commit.oid)
        }

        def ids(commit: Commit) -> dict[str, str | None]:
            return {path: store.trees.id_of(connection, commit.tree, path) for path in waiting}

        commit: Commit | None = snapshot.commit
        here = ids(snapshot.commit)
        while commit is not None and waiting:
            parent = by_oid.get(commit.parent or "")
            before = ids(parent) if parent else {}
            for path in [path for path in waiting if before.get(path) != here[path]]:
                found[path] = commit
                waiting.discard(path)
            commit, here = parent, before
    return found


def squash(store: Store, repo: Repo, branch: str, message: str, author: str) -> Commit:
    """Replace the history of a branch by one commit with the same files. Raises `Problem` 404
    if there is no such branch."""
    name = branch_ref(branch)
    with store.database.writing() as connection:
        if ref_target(connection, repo, name) is None:
            raise revision_not_found(branch)
        head = store.snapshot_in(connection, repo, name)
        commit = add_commit(
            store, connection, repo, head.files, Header(message), author, parent=None
        )
        set_ref(connection, repo, name, commit.oid)
        return commit


def purge_objects(store: Store, repo: Repo, hashes: Sequence[str], rewrite: bool) -> None:
    """Take Git LFS objects from a repository for good; `rewrite` removes the files that point at
    them from every commit. Raises `Problem` 404 if it has no such object."""
    doomed = set(hashes)
    with store.database.writing() as connection:
        for sha256 in doomed:
            gone = connection.execute(
                "DELETE FROM lfs_objects WHERE repo = ? AND sha256 = ?", (repo.id, sha256)
            )
            if gone.rowcount == 0:
                raise Problem(404, f"The repository has no Git LFS object {sha256}")
        if rewrite:
            _rewrite(store, connection, repo, doomed)
    store.sweep_all()


def _rewrite(store: Store, connection: sqlite3.Connection, repo: Repo, doomed: set[str]) -> None:
    """Make every commit anew without the doomed files; the old ones are forgotten."""
    rows = connection.execute(
        "SELECT * FROM commits WHERE repo = ? ORDER BY seq", (repo.id,)
    ).fetchall()
    new: dict[str, str] = {}
    for commit in map(commit_from, rows):
        files = store.trees.read(connection, commit.tree).files
        kept: dict[str, File] = {
            path: file for path, file in files.items() if file.sha256 not in doomed
        }
        parent = new.get(commit.parent or "", commit.parent)
        merged = new.get(commit.merged or "", commit.merged)
        if len(kept) == len(files) and (parent, merged) == (commit.parent, commit.merged):
            continue
        made = add_commit(
            store,
            connection,
            repo,
            kept,
            Header(commit.title, commit.message),
            commit.author,
            parent=parent,
            merged=merged,
            date=commit.date,
        )
        new[commit.oid] = made.oid
    for old, oid in new.items():
        connection.execute(
            "UPDATE refs SET target = ? WHERE repo = ? AND target = ?", (oid, repo.id, old)
        )
        for column in ("base", "merge_commit"):
            connection.execute(
                f"UPDATE discussions SET {column} = ? WHERE repo = ? AND {column} = ?",  # noqa: S608
                (oid, repo.id, old),
            )
        connection.execute("DELETE FROM commits WHERE repo = ? AND oid = ?", (repo.id, old))
