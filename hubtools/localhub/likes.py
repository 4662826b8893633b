"""Who likes which repository."""

from __future__ import annotations

import sqlite3

from hubtools.localhub.model import Repo, now


def like(connection: sqlite3.Connection, repo: Repo, user: str) -> None:
    """Twice is once."""
    connection.execute("INSERT OR IGNORE INTO likes VALUES (?, ?, ?)", (repo.id, user, now()))


def unlike(connection: sqlite3.Connection, repo: Repo, user: str) -> None:
    """Like it no more, or still not."""
    connection.execute("DELETE FROM likes WHERE repo = ? AND user = ?", (repo.id, user))


def likers(connection: sqlite3.Connection, repo: Repo) -> list[str]:
    """The users who like it, the last first."""
    rows = connection.execute(
        "SELECT user FROM likes WHERE repo = ? ORDER BY created DESC, user", (repo.id,)
    )
    return [row["user"] for row in rows]


def liked_by(connection: sqlite3.Connection, user: str) -> list[tuple[int, str]]:
    """(number of the repository, when) of what a user likes, the last first."""
    rows = connection.execute(
        "SELECT repo, created FROM likes WHERE user = ? ORDER BY created DESC, repo DESC", (user,)
    )
    return [(row["repo"], row["created"]) for row in rows]


def count(connection: sqlite3.Connection, repo: Repo) -> int:
    """How many users like it."""
    row = connection.execute(
        "SELECT COUNT(*) AS number FROM likes WHERE repo = ?", (repo.id,)
    ).fetchone()
    return int(row["number"])
