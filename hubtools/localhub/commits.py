"""Making commits: from the client's operations, as a merge, as a new repository's first."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hubtools.files import json_value
from hubtools.localhub.cardyaml import check_card
from hubtools.localhub.gitids import blob_id, commit_id, lfs_pointer
from hubtools.localhub.model import Commit, File, Repo, now
from hubtools.localhub.names import MAIN, check_path, is_sha256
from hubtools.localhub.problems import Problem, entry_not_found
from hubtools.localhub.store import Store
from hubtools.localhub.trees import clash_of

MAX_REGULAR = 10 * 1024 * 1024  # larger files must come through Git LFS, as on the Hub
STALE_PARENT = (
    "The branch was updated since you opened this page. Please refresh and try again."
    " (Its head is {head}, not {parent}.)"
)


@dataclass(frozen=True)
class Header:
    """What a commit is called and what it must build on."""

    summary: str
    description: str = ""
    parent: str | None = None


@dataclass
class Changes:
    """What a commit does to the files of its parent, applied operation by operation."""

    store: Store
    repo: Repo
    connection: sqlite3.Connection
    files: dict[str, File]
    objects: dict[str, str] = field(default_factory=dict)  # SHA-256 -> path
    card: bytes | None = None

    def apply(self, key: str, value: Mapping[str, Any]) -> None:
        """One operation of the client. Raises `Problem` if it cannot be done."""
        actions = {
            "file": self._file,
            "lfsFile": self._lfs_file,
            "deletedFile": self._deleted_file,
            "deletedFolder": self._deleted_folder,
        }
        if key not in actions:
            raise Problem(400, f'Unknown operation "{key[:40]}" in a commit.')
        actions[key](value)

    def add(self, path: str, data: bytes) -> None:
        """Put a regular file."""
        oid = blob_id(data)
        self.connection.execute(
            "INSERT OR IGNORE INTO contents (oid, data) VALUES (?, ?)", (oid, data)
        )
        self.files[path] = File(oid, len(data))
        if path == "README.md":
            self.card = data

    def _file(self, value: Mapping[str, Any]) -> None:
        path = check_path(value.get("path"))
        content = value.get("content")
        if not isinstance(content, str):
            raise Problem(400, f'"{path}" comes without content.')
        if value.get("encoding", "utf-8") == "base64":
            try:
                data = base64.b64decode(content, validate=True)
            except (binascii.Error, ValueError):
                raise Problem(400, f'The content of "{path}" is not base64.') from None
        else:
            data = content.encode("utf-8", "surrogatepass")
        if len(data) > MAX_REGULAR:
            raise Problem(
                400,
                f'Your push was rejected because "{path}" is larger than 10 MiB and not in'
                " Git LFS.",
            )
        self.add(path, data)

    def _lfs_file(self, value: Mapping[str, Any]) -> None:
        path, sha256 = check_path(value.get("path")), value.get("oid")
        if not is_sha256(sha256) or value.get("algo", "sha256") != "sha256":
            raise Problem(400, f'The Git LFS id of "{path}" is not a SHA-256.')
        assert isinstance(sha256, str)
        row = self.connection.execute(
            "SELECT size FROM lfs_objects WHERE repo = ? AND sha256 = ?", (self.repo.id, sha256)
        ).fetchone()
        size = row["size"] if row else -1
        if not self.store.blobs.has(sha256, size):
            raise Problem(
                400,
                f'Your push was rejected because the Git LFS object of "{path}" ({sha256}) was not'
                " uploaded.",
            )
        if value.get("size") not in (None, size):
            raise Problem(400, f'"{path}" has {size} bytes, not {value.get("size")}.')
        self.files[path] = File(blob_id(lfs_pointer(sha256, size)), size, sha256)
        self.objects[sha256] = path

    def _deleted_file(self, value: Mapping[str, Any]) -> None:
        path = check_path(value.get("path"))
        if self.files.pop(path, None) is None and not self._drop_below(path):
            raise entry_not_found(f'A file with the name "{path}" does not exist')

    def _deleted_folder(self, value: Mapping[str, Any]) -> None:
        text = value.get("path")
        path = check_path(text.rstrip("/") if isinstance(text, str) else text)
        if not self._drop_below(path):
            raise entry_not_found(f'A folder with the name "{path}" does not exist')

    def _drop_below(self, folder: str) -> bool:
        below = [name for name in self.files if name.startswith(folder + "/")]
        for name in below:
            del self.files[name]
        return bool(below)

    def finish(self) -> None:
        """Check what only the whole can tell. Raises `Problem`."""
        if clash := clash_of(self.files):
            raise Problem(422, f'"{clash}" cannot be a file and a folder at once.')
        if self.card is not None:
            check_card(self.card, self.repo.kind)


def parse_lines(lines: Iterable[bytes]) -> Iterable[tuple[str, dict[str, Any]]]:
    """(key, value) of each line of an ndjson commit. Raises `Problem` 400 for any other line."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            item = json_value(line)
            key, value = item["key"], item["value"]
        except (ValueError, KeyError, TypeError):
            raise Problem(400, f"Line {number} of the commit is no operation.") from None
        if not isinstance(key, str) or not isinstance(value, dict):
            raise Problem(400, f"Line {number} of the commit is no operation.")
        yield key, value


def header_of(value: Mapping[str, Any]) -> Header:
    """The header operation. Raises `Problem` 400 without a summary."""
    summary, description = value.get("summary"), value.get("description") or ""
    parent = value.get("parentCommit")
    if not isinstance(summary, str) or not summary.strip() or not isinstance(description, str):
        raise Problem(400, "A commit needs a summary.")
    if parent is not None and not isinstance(parent, str):
        raise Problem(400, "parentCommit must be a commit id.")
    return Header(summary.strip(), description, parent)


def branch_ref(revision: str) -> str:
    """The ref a commit to `revision` moves: a branch or a pull request."""
    if revision.startswith(("refs/heads/", "refs/pr/")):
        return revision
    if revision.startswith("refs/"):
        raise Problem(400, f"Cannot commit to {revision}: it is not a branch.")
    return f"refs/heads/{revision}"


def add_commit(
    store: Store,
    connection: sqlite3.Connection,
    repo: Repo,
    files: Mapping[str, File],
    header: Header,
    author: str,
    *,
    parent: str | None,
    merged: str | None = None,
    date: str | None = None,
    base: str | None = None,
) -> Commit:
    """Write a commit, dated now unless `date` is given; no ref moves yet. `base`: a tree that the
    new one differs from little."""
    tree = store.trees.write(connection, files, base)
    date = date or now()
    parents = [oid for oid in (parent, merged) if oid]
    text = f"{header.summary}\n\n{header.description}"
    oid = commit_id(tree, parents, author, date, text)
    # Twice the same within one millisecond: one commit then.
    connection.execute(
        "INSERT OR IGNORE INTO commits (repo, oid, parent, merged, tree, title, message, author,"
        " date) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (repo.id, oid, parent, merged, tree, header.summary, header.description, author, date),
    )
    return Commit(oid, tree, header.summary, header.description, author, date, parent, merged)


def set_ref(connection: sqlite3.Connection, repo: Repo, name: str, target: str) -> None:
    """Point a ref at a commit, making it if need be."""
    connection.execute(
        "INSERT OR REPLACE INTO refs (repo, name, target) VALUES (?, ?, ?)",
        (repo.id, name, target),
    )


def ref_target(connection: sqlite3.Connection, repo: Repo, name: str) -> str | None:
    """The commit a ref points at; None if there is no such ref."""
    row = connection.execute(
        "SELECT target FROM refs WHERE repo = ? AND name = ?", (repo.id, name)
    ).fetchone()
    return row["target"] if row else None


def first_commit(
    store: Store, connection: sqlite3.Connection, repo: Repo, author: str, files: dict[str, str]
) -> None:
    """Give a new repository its main branch with a few text files."""
    changes = Changes(store, repo, connection, {})
    for path, text in files.items():
        changes.add(path, text.encode())
    header = Header("initial commit")
    commit = add_commit(store, connection, repo, changes.files, header, author, parent=None)
    set_ref(connection, repo, MAIN, commit.oid)


def commit_operations(
    store: Store,
    connection: sqlite3.Connection,
    repo: Repo,
    revision: str,
    author: str,
    lines: Iterable[bytes],
) -> tuple[Header, str, Commit]:
    """Apply an ndjson commit on top of `revision`: (header, id of the parent, commit).

    The branch is not moved. A commit that changes nothing is the parent itself, so that a client
    which lost an answer and repeats the request does no harm. Raises `Problem`: 412 if the header
    names a parent the branch has left behind, 4xx for an operation that cannot be done.
    """
    operations = iter(parse_lines(lines))
    key, value = next(operations, ("", {}))
    if key != "header":
        raise Problem(400, "The first line of a commit must be its header.")
    header = header_of(value)
    head = store.snapshot_in(connection, repo, revision)
    if header.parent is not None and header.parent != head.commit.oid:
        raise Problem(412, STALE_PARENT.format(head=head.commit.oid, parent=header.parent))
    changes = Changes(store, repo, connection, dict(head.files))
    for key, value in operations:
        changes.apply(key, value)
    changes.finish()
    if changes.files == head.files:
        return header, head.commit.oid, head.commit
    commit = add_commit(
        store, connection, repo, changes.files, header, author, parent=head.commit.oid,
        base=head.commit.tree,
    )  # fmt: skip
    connection.executemany(
        "UPDATE lfs_objects SET filename = ?, ref = ? WHERE repo = ? AND sha256 = ?"
        " AND filename = ''",
        [(path, revision, repo.id, sha256) for sha256, path in changes.objects.items()],
    )
    return header, head.commit.oid, commit
