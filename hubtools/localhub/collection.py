"""Collections: named lists of repositories, papers and other collections, kept by a namespace.

An item that is a repository follows it when it is renamed and goes with it when it is deleted; the
same holds for an item that is a collection.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hubtools.localhub.accounts import User
from hubtools.localhub.info import likes_of
from hubtools.localhub.model import Repo, now
from hubtools.localhub.names import KINDS
from hubtools.localhub.problems import Problem
from hubtools.localhub.store import Store

ITEM_KINDS = (*KINDS, "paper", "collection")
THEMES = ("orange", "blue", "green", "purple", "pink", "indigo")
_ID = re.compile(r"(?:.*-)?([0-9a-f]{24})")
_PAPER = re.compile(r"\d{4}\.\d{4,5}")

MaySee = Callable[[Repo], bool]


@dataclass(frozen=True)
class Target:
    """What an item stands for: exactly one of the three is set. `name`: a paper's number, or the
    id of a repository that is a mounted folder."""

    kind: str
    repo: int | None = None
    collection: int | None = None
    name: str | None = None


def may_open(user: User | None, row: sqlite3.Row) -> bool:
    """Public collections are for everybody, private ones for their owners."""
    return not row["private"] or (user is not None and user.may_read_private(row["owner"]))


def missing() -> Problem:
    """The answer for a collection that is not there or not for this caller."""
    return Problem(404, "Collection not found")


def find(connection: sqlite3.Connection, slug: str) -> sqlite3.Row:
    """The collection of `title-of-any-time-ID`. Raises `Problem` 404 if there is none."""
    match = _ID.fullmatch(slug)
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM collections WHERE key = ?", (match[1] if match else "",)
    ).fetchone()
    if row is None:
        raise missing()
    return row


def create(
    connection: sqlite3.Connection, owner: str, title: str, description: str | None, private: bool
) -> tuple[sqlite3.Row, bool]:
    """A new collection, the first in its owner's list, or the owner's one of that title; and
    whether it is new."""
    there: sqlite3.Row | None = connection.execute(
        "SELECT * FROM collections WHERE owner = ? AND title = ?", (owner, title)
    ).fetchone()
    if there is not None:
        return there, False
    key = secrets.token_hex(12)
    connection.execute(
        "INSERT INTO collections (key, owner, title, description, private, updated, rank)"
        " VALUES (?, ?, ?, ?, ?, ?,"
        " (SELECT COALESCE(MIN(rank), 0) - 1 FROM collections WHERE owner = ?))",
        (key, owner, title, description, private, now(), owner),
    )
    return find(connection, key), True


def change(connection: sqlite3.Connection, row: sqlite3.Row, values: dict[str, Any]) -> sqlite3.Row:
    """Give a collection other `title`, `description`, `private`, `theme` or `position`."""
    for name in ("title", "description", "private", "theme"):
        if name in values:
            connection.execute(
                f"UPDATE collections SET {name} = ? WHERE id = ?",  # noqa: S608
                (values[name], row["id"]),
            )
    if "position" in values:
        _move(connection, "collections", "owner", row, values["position"])
    _touch(connection, row)
    return find(connection, row["key"])


def _move(
    connection: sqlite3.Connection, table: str, among: str, row: sqlite3.Row, position: int
) -> None:
    """Put a row of `table` at another place of those that have its value in the column `among`."""
    others = connection.execute(
        f"SELECT id FROM {table} WHERE {among} = ? AND id <> ? ORDER BY rank",  # noqa: S608
        (row[among], row["id"]),
    )
    ids = [other["id"] for other in others]
    ids.insert(position, row["id"])
    connection.executemany(
        f"UPDATE {table} SET rank = ? WHERE id = ?",  # noqa: S608
        [(rank, number) for rank, number in enumerate(ids)],
    )


def _touch(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    connection.execute("UPDATE collections SET updated = ? WHERE id = ?", (now(), row["id"]))


def delete(connection: sqlite3.Connection, row: sqlite3.Row) -> None:
    """Delete a collection with its items; what they stand for stays."""
    connection.execute("DELETE FROM collections WHERE id = ?", (row["id"],))


def paper(name: str) -> Target:
    """The item of a paper. Raises `Problem` 404 for what is no number of arXiv."""
    if not _PAPER.fullmatch(name):
        raise Problem(404, f"There is no paper {name[:100]}")
    return Target("paper", name=name)


def add_item(
    connection: sqlite3.Connection, row: sqlite3.Row, target: Target, note: str | None
) -> None:
    """Append an item. Raises `Problem` 409 if the collection has it, 400 if it is itself."""
    if target.collection == row["id"]:
        raise Problem(400, "A collection cannot be an item of itself")
    same = connection.execute(
        "SELECT 1 FROM collection_items WHERE collection = ? AND kind = ?"
        " AND repo IS ? AND child IS ? AND name IS ?",
        (row["id"], target.kind, target.repo, target.collection, target.name),
    ).fetchone()
    if same:
        raise Problem(409, "This item is in the collection already")
    connection.execute(
        "INSERT INTO collection_items (key, collection, kind, repo, child, name, note, rank)"
        " VALUES (?, ?, ?, ?, ?, ?, ?,"
        " (SELECT COALESCE(MAX(rank), -1) + 1 FROM collection_items WHERE collection = ?))",
        (
            secrets.token_hex(12), row["id"], target.kind, target.repo, target.collection,
            target.name, note, row["id"],
        ),
    )  # fmt: skip
    _touch(connection, row)


def item_of(connection: sqlite3.Connection, row: sqlite3.Row, key: str) -> sqlite3.Row:
    """An item of a collection. Raises `Problem` 404 if it has none of that id."""
    item: sqlite3.Row | None = connection.execute(
        "SELECT * FROM collection_items WHERE collection = ? AND key = ?", (row["id"], key)
    ).fetchone()
    if item is None:
        raise Problem(404, "The collection has no such item")
    return item


def change_item(
    connection: sqlite3.Connection, row: sqlite3.Row, item: sqlite3.Row, values: dict[str, Any]
) -> None:
    """Give an item another `note` or `position`."""
    if "note" in values:
        connection.execute(
            "UPDATE collection_items SET note = ? WHERE id = ?", (values["note"], item["id"])
        )
    if "position" in values:
        _move(connection, "collection_items", "collection", item, values["position"])
    _touch(connection, row)


def delete_item(connection: sqlite3.Connection, row: sqlite3.Row, item: sqlite3.Row) -> None:
    """Take an item out."""
    connection.execute("DELETE FROM collection_items WHERE id = ?", (item["id"],))
    _touch(connection, row)


def slug_of(row: sqlite3.Row) -> str:
    """`owner/words-of-the-title-ID`."""
    plain = unicodedata.normalize("NFKD", row["title"]).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain[:200])
    return f"{row['owner']}/{'-'.join([*words, row['key']])}"


def describe(
    store: Store,
    connection: sqlite3.Connection,
    row: sqlite3.Row,
    may_see: MaySee,
    opens: Callable[[sqlite3.Row], bool],
    most: int | None = None,
) -> dict[str, Any]:
    """A collection as the API shows it, or as it shows it in a list, with `most` items and no
    position; without the items that this caller may not see."""
    items: list[dict[str, Any]] = []
    for item in connection.execute(
        "SELECT * FROM collection_items WHERE collection = ? ORDER BY rank", (row["id"],)
    ):
        if most is not None and len(items) >= most:
            break
        shown = _shown(store, connection, item, may_see, opens)
        if shown is not None:
            note = {"note": {"text": item["note"]}} if item["note"] else {}
            items.append(
                {"_id": item["key"], "type": item["kind"], "position": len(items), **shown, **note}
            )
    result = {
        "slug": slug_of(row),
        "title": row["title"],
        "gating": False,
        "lastUpdated": row["updated"],
        "owner": row["owner"],
        "items": items,
        "theme": row["theme"],
        "private": bool(row["private"]),
        "upvotes": 0,
        "isUpvotedByUser": False,
    }
    if most is None:
        before = connection.execute(
            "SELECT COUNT(*) AS number FROM collections WHERE owner = ? AND rank < ?",
            (row["owner"], row["rank"]),
        ).fetchone()
        result["position"] = before["number"]
    if row["description"] is not None:
        result["description"] = row["description"]
    return result


def _shown(
    store: Store,
    connection: sqlite3.Connection,
    item: sqlite3.Row,
    may_see: MaySee,
    opens: Callable[[sqlite3.Row], bool],
) -> dict[str, Any] | None:
    """What an item stands for, if it is there and for this caller."""
    if item["kind"] == "paper":
        return {"id": item["name"]}
    if item["kind"] == "collection":
        child = connection.execute(
            "SELECT * FROM collections WHERE id = ?", (item["child"],)
        ).fetchone()
        if not opens(child):
            return None
        return {"id": child["key"], "slug": slug_of(child), "title": child["title"]}
    if item["repo"] is not None:
        repo: Repo | None = store.repo_of_id(connection, item["repo"])
    else:
        repo = store.mount_of(item["kind"], item["name"])
    if repo is None or not may_see(repo):
        return None
    return {
        "id": repo.full_name,
        "author": repo.namespace,
        "private": repo.private,
        "gated": repo.gated or False,
        "likes": likes_of(store, repo),
        "downloads": 0,
    }


def listing(
    connection: sqlite3.Connection, owners: list[str], holding: list[Target]
) -> list[sqlite3.Row]:
    """The collections of any of `owners` (all without) that hold one of `holding` (if any), the
    last changed first."""
    rows = connection.execute("SELECT * FROM collections ORDER BY updated DESC, id DESC").fetchall()
    if owners:
        rows = [row for row in rows if row["owner"] in owners]
    for target in holding:
        found = {
            row["collection"]
            for row in connection.execute(
                "SELECT collection FROM collection_items WHERE kind = ?"
                " AND repo IS ? AND child IS ? AND name IS ?",
                (target.kind, target.repo, target.collection, target.name),
            )
        }
        rows = [row for row in rows if row["id"] in found]
    return rows
