"""Discussions and pull requests: a thread of events, and for a pull request a ref."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from hubtools.localhub.accounts import User
from hubtools.localhub.commits import Header, add_commit, ref_target, set_ref
from hubtools.localhub.model import Commit, File, Repo, now
from hubtools.localhub.names import MAIN
from hubtools.localhub.problems import Problem
from hubtools.localhub.store import Store


def create(
    connection: sqlite3.Connection,
    repo: Repo,
    title: str,
    description: str,
    author: str,
    *,
    base: str | None,
    status: str,
) -> int:
    """Open a discussion, or with a `base` commit a pull request; its number."""
    row = connection.execute(
        "SELECT COALESCE(MAX(num), 0) + 1 AS num FROM discussions WHERE repo = ?", (repo.id,)
    ).fetchone()
    number = int(row["num"])
    connection.execute(
        "INSERT INTO discussions (repo, num, title, author, status, pull_request, created, base)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (repo.id, number, title[:200], author, status, base is not None, now(), base),
    )
    if base is not None:
        set_ref(connection, repo, f"refs/pr/{number}", base)
    add_comment(connection, repo, number, author, description)
    return number


def get(connection: sqlite3.Connection, repo: Repo, number: int) -> sqlite3.Row:
    """The row of a discussion. Raises `Problem` 404 if there is none."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM discussions WHERE repo = ? AND num = ?", (repo.id, number)
    ).fetchone()
    if row is None:
        raise Problem(404, f"{repo.full_name} has no discussion {number}")
    return row


def check_push(connection: sqlite3.Connection, repo: Repo, ref: str, user: User) -> int:
    """The number of the pull request behind `refs/pr/N` if `user` may add commits to it. Raises
    `Problem`: 404 if there is none, 403 if it is another's, 400 if it is over."""
    text = ref.removeprefix("refs/pr/")
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    row = get(connection, repo, number)
    if row["author"] != user.name and not user.may_write(repo.namespace):
        raise Problem(403, f"Pull request {number} belongs to {row['author']}")
    if row["status"] in ("closed", "merged"):
        raise Problem(400, f"Pull request {number} is {row['status']}")
    return number


def add_event(
    connection: sqlite3.Connection,
    repo: Repo,
    number: int,
    kind: str,
    author: str,
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """Append to the thread; the event as the API shows it."""
    cursor = connection.execute(
        "INSERT INTO events (repo, num, kind, author, created, data) VALUES (?, ?, ?, ?, ?, ?)",
        (repo.id, number, kind, author, now(), json.dumps(data)),
    )
    row = connection.execute("SELECT * FROM events WHERE id = ?", (cursor.lastrowid,)).fetchone()
    return event_item(row)


def add_comment(
    connection: sqlite3.Connection, repo: Repo, number: int, author: str, text: str
) -> dict[str, Any]:
    """Append a comment."""
    from html import escape

    moment = now()
    latest = {
        "raw": text,
        "html": f"<p>{escape(text)}</p>",
        "updatedAt": moment,
        "author": {"name": author},
    }
    data = {"edited": False, "hidden": False, "latest": latest, "history": [latest]}
    return add_event(connection, repo, number, "comment", author, data)


def edit_comment(
    connection: sqlite3.Connection,
    repo: Repo,
    number: int,
    event_id: str,
    author: str,
    *,
    text: str | None,
) -> dict[str, Any]:
    """Change a comment's text, or hide it (`text` None). Raises `Problem` 404 if there is none,
    403 if it is another's."""
    from html import escape

    row = None
    if len(event_id) == 24 and all(c in "0123456789abcdef" for c in event_id):
        row = connection.execute(
            "SELECT * FROM events WHERE id = ? AND repo = ? AND num = ? AND kind = 'comment'",
            (int(event_id, 16) % (1 << 62), repo.id, number),
        ).fetchone()
    if row is None:
        raise Problem(404, "There is no such comment")
    if row["author"] != author:
        raise Problem(403, "This comment is another's")
    data = json.loads(row["data"])
    if text is None:
        data["hidden"] = True
        text = "This comment has been hidden"
    latest = {
        "raw": text,
        "html": f"<p>{escape(text)}</p>",
        "updatedAt": now(),
        "author": {"name": author},
    }
    data |= {"edited": True, "latest": latest, "history": [*data["history"], latest]}
    connection.execute("UPDATE events SET data = ? WHERE id = ?", (json.dumps(data), row["id"]))
    row = connection.execute("SELECT * FROM events WHERE id = ?", (row["id"],)).fetchone()
    return event_item(row)


def event_item(row: sqlite3.Row) -> dict[str, Any]:
    """An event as the API shows it."""
    return {
        "id": f"{row['id']:024x}",
        "type": row["kind"],
        "author": {"name": row["author"], "type": "user"},
        "createdAt": row["created"],
        "data": json.loads(row["data"]),
    }


def set_status(
    connection: sqlite3.Connection, repo: Repo, number: int, status: str, author: str
) -> dict[str, Any]:
    """Open or close. Raises `Problem` 400 for another status, or if it is that already."""
    row = get(connection, repo, number)
    if status not in ("open", "closed"):
        raise Problem(400, '"status" must be one of [open, closed]')
    if row["status"] == "merged":
        raise Problem(400, f"Pull request {number} is merged")
    if row["status"] == status:
        raise Problem(400, f"Discussion {number} is {status} already")
    _write_status(connection, repo, number, status)
    return add_event(connection, repo, number, "status-change", author, {"status": status})


def _write_status(connection: sqlite3.Connection, repo: Repo, number: int, status: str) -> None:
    connection.execute(
        "UPDATE discussions SET status = ? WHERE repo = ? AND num = ?", (status, repo.id, number)
    )


def rename(
    connection: sqlite3.Connection, repo: Repo, number: int, title: str, author: str
) -> dict[str, Any]:
    """Give another title."""
    row = get(connection, repo, number)
    connection.execute(
        "UPDATE discussions SET title = ? WHERE repo = ? AND num = ?", (title, repo.id, number)
    )
    data = {"from": row["title"], "to": title}
    return add_event(connection, repo, number, "title-change", author, data)


def _files(
    store: Store, connection: sqlite3.Connection, repo: Repo, revision: str
) -> Mapping[str, File]:
    return store.snapshot_in(connection, repo, revision).files


def three_way(
    base: Mapping[str, File], ours: Mapping[str, File], theirs: Mapping[str, File]
) -> tuple[dict[str, File], list[str]]:
    """(merged files, paths both sides changed differently), file by file."""
    merged = dict(ours)
    conflicts = []
    for path in sorted({*base, *ours, *theirs}):
        old, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if other in (old, mine):
            continue
        if mine != old:
            conflicts.append(path)
        elif other is None:
            del merged[path]
        else:
            merged[path] = other
    return merged, conflicts


def conflicts_of(
    store: Store, connection: sqlite3.Connection, repo: Repo, row: sqlite3.Row
) -> list[str]:
    """The files that keep a pull request from being merged."""
    if row["status"] == "merged" or ref_target(connection, repo, MAIN) is None:
        return []
    sides = (row["base"], MAIN, f"refs/pr/{row['num']}")
    return three_way(*(_files(store, connection, repo, side) for side in sides))[1]


def merge(
    store: Store, connection: sqlite3.Connection, repo: Repo, number: int, author: str
) -> Commit:
    """Merge a pull request into main. Raises `Problem` 400 if it is none or not open, 409 if
    both sides changed a file."""
    row = get(connection, repo, number)
    if not row["pull_request"]:
        raise Problem(400, f"Discussion {number} is not a pull request")
    if row["status"] != "open":
        hint = " (change its status to open first)" if row["status"] == "draft" else ""
        raise Problem(400, f"Pull request {number} is {row['status']}{hint}")
    ref = f"refs/pr/{number}"
    files, conflicts = three_way(
        *(_files(store, connection, repo, side) for side in (row["base"], MAIN, ref))
    )
    if conflicts:
        raise Problem(409, f"Pull request {number} conflicts with main in {', '.join(conflicts)}")
    commit = add_commit(
        store,
        connection,
        repo,
        files,
        Header(f"{row['title']} (#{number})"),
        author,
        parent=ref_target(connection, repo, MAIN),
        merged=ref_target(connection, repo, ref),
    )
    set_ref(connection, repo, MAIN, commit.oid)
    connection.execute(
        "UPDATE discussions SET merge_commit = ? WHERE repo = ? AND num = ?",
        (commit.oid, repo.id, number),
    )
    _write_status(connection, repo, number, "merged")
    add_event(connection, repo, number, "status-change", author, {"status": "merged"})
    return commit
