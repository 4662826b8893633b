"""Who may read the files of a gated repository: requests for access, and what became of them."""

from __future__ import annotations

import secrets
import sqlite3
from typing import Literal, get_args

from hubtools.localhub.model import Repo, now
from hubtools.localhub.problems import Problem

Status = Literal["pending", "accepted", "rejected"]
STATUSES: tuple[str, ...] = get_args(Status)


def is_accepted(connection: sqlite3.Connection, repo: Repo, user: str) -> bool:
    """True if `user` was let in."""
    row = _of_user(connection, repo, user)
    return row is not None and row["status"] == "accepted"


def _of_user(connection: sqlite3.Connection, repo: Repo, user: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM access_requests WHERE repo = ? AND user = ?", (repo.id, user)
    ).fetchone()
    return row


def requests(connection: sqlite3.Connection, repo: Repo, status: str) -> list[sqlite3.Row]:
    """The requests with that status, the last changed first."""
    return connection.execute(
        "SELECT * FROM access_requests WHERE repo = ? AND status = ? ORDER BY changed DESC, key",
        (repo.id, status),
    ).fetchall()


def _put(
    connection: sqlite3.Connection, repo: Repo, user: str, status: Status, *, asked: bool
) -> None:
    connection.execute(
        "INSERT INTO access_requests (repo, user, key, status, asked, changed)"
        " VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (repo, user) DO UPDATE SET status = excluded.status,"
        " changed = excluded.changed",
        (repo.id, user, secrets.token_hex(12), status, asked, now()),
    )


def ask(connection: sqlite3.Connection, repo: Repo, user: str) -> Status:
    """A user asks for access; what becomes of it. Asking again changes nothing. Raises `Problem`
    400 if the repository is not gated."""
    _check_gated(repo)
    there = _of_user(connection, repo, user)
    if there is not None:
        found: Status = there["status"]
        return found
    status: Status = "accepted" if repo.gated == "auto" else "pending"
    _put(connection, repo, user, status, asked=True)
    return status


def grant(connection: sqlite3.Connection, repo: Repo, user: str) -> None:
    """Let a user in who may not have asked. Raises `Problem` 400 if the repository is not gated or
    the user is in."""
    _check_gated(repo)
    if is_accepted(connection, repo, user):
        raise Problem(400, f"{user} already has access to {repo.full_name}")
    _put(connection, repo, user, "accepted", asked=False)


def handle(
    connection: sqlite3.Connection, repo: Repo, *, user: str | None, key: str | None, status: Status
) -> None:
    """Decide on a request, found by its user or its id. Raises `Problem` 400 if the repository is
    not gated, 404 if there is no such request or it has that status already."""
    _check_gated(repo)
    row = connection.execute(
        "SELECT * FROM access_requests WHERE repo = ? AND (user = ? OR key = ?)",
        (repo.id, user, key),
    ).fetchone()
    if row is None:
        raise Problem(404, f"There is no such access request to {repo.full_name}")
    if row["status"] == status:
        raise Problem(404, f"The access request of {row['user']} is {status} already")
    _put(connection, repo, row["user"], status, asked=bool(row["asked"]))


def _check_gated(repo: Repo) -> None:
    if not repo.gated:
        raise Problem(400, f"{repo.full_name} is not gated")
