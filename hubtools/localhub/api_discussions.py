"""Discussions and pull requests over HTTP."""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import Response

from hubtools.localhub import discussions
from hubtools.localhub.access import check_contribute, check_gate, check_write, repo_of
from hubtools.localhub.accounts import User
from hubtools.localhub.diff import diff_of
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.model import Repo
from hubtools.localhub.names import MAIN
from hubtools.localhub.problems import Problem

_PAGE = 50


def _number(call: Call) -> int:
    text = call.params["num"]
    if not text.isdecimal() or len(text) > 9:
        raise Problem(404, f"There is no discussion {text}")
    return int(text)


def _string(value: Any, name: str, least: int = 1) -> str:
    if not isinstance(value, str) or len(value.strip()) < least:
        raise Problem(400, f'"{name}" must be a string of at least {least} characters')
    return value.strip()


def _summary(repo: Repo, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "num": row["num"],
        "title": row["title"],
        "author": {"name": row["author"], "type": "user"},
        "status": row["status"],
        "createdAt": row["created"],
        "isPullRequest": bool(row["pull_request"]),
        "repo": {"name": repo.full_name, "type": repo.kind},
        "pinned": False,
        "numComments": 0,
    }


def listing(call: Call) -> Response:
    repo = repo_of(call)
    with call.hub.store.database.reading() as connection:
        rows = connection.execute(
            "SELECT * FROM discussions WHERE repo = ? ORDER BY num DESC", (repo.id,)
        ).fetchall()
    author, kind, status = call.text("author"), call.text("type"), call.text("status")
    wanted = [
        row
        for row in rows
        if author in ("", row["author"])
        and kind in ("", "all", "pull_request" if row["pull_request"] else "discussion")
        and (status in ("", "all") or (row["status"] in ("open", "draft")) == (status == "open"))
    ]
    start = call.number("p", 0, 1 << 30) * _PAGE
    return answer(
        {
            "count": len(wanted),
            "start": start,
            "discussions": [_summary(repo, row) for row in wanted[start : start + _PAGE]],
            "numClosedDiscussions": sum(row["status"] in ("closed", "merged") for row in rows),
        }
    )


def create(call: Call) -> Response:
    repo = repo_of(call)
    user = check_contribute(call, repo)
    body = call.json()
    title = _string(body.get("title"), "title", 3)
    description = _string(body.get("description"), "description")
    is_request = bool(body.get("pullRequest"))
    store = call.hub.store
    with store.database.writing() as connection:
        number = discussions.create(
            connection,
            repo,
            title,
            description,
            user.name,
            base=store.resolve(connection, repo, MAIN) if is_request else None,
            status="draft" if is_request else "open",
        )
    return answer(
        {
            "num": number,
            "url": call.url(f"{repo.url_path}/discussions/{number}"),
            "pullRequest": is_request,
        }
    )


def details(call: Call) -> Response:
    repo, number, store = repo_of(call), _number(call), call.hub.store
    if call.flag("diff"):
        check_gate(call, repo)
    with store.database.reading() as connection:
        row = discussions.get(connection, repo, number)
        events = connection.execute(
            "SELECT * FROM events WHERE repo = ? AND num = ? ORDER BY id", (repo.id, number)
        ).fetchall()
        result = _summary(repo, row) | {"events": [discussions.event_item(e) for e in events]}
        if row["pull_request"]:
            result["changes"] = {"base": MAIN}
            if row["merge_commit"]:
                result["changes"]["mergeCommitId"] = row["merge_commit"]
            result["filesWithConflicts"] = discussions.conflicts_of(store, connection, repo, row)
    if row["pull_request"] and call.flag("diff"):
        before = store.snapshot(repo, row["base"])
        after = store.snapshot(repo, f"refs/pr/{number}")
        result["diff"] = diff_of(store, before, after)
    return answer(result)


def _with_rights(call: Call) -> tuple[Repo, int, User]:
    """The repository, the number and who asks: the author, or somebody who may write."""
    repo, number = repo_of(call), _number(call)
    user = check_contribute(call, repo)
    with call.hub.store.database.reading() as connection:
        row = discussions.get(connection, repo, number)
    if row["author"] != user.name:
        check_write(call, repo)
    return repo, number, user


def comment(call: Call) -> Response:
    repo, number = repo_of(call), _number(call)
    user = check_contribute(call, repo)
    text = _string(call.json().get("comment"), "comment")
    with call.hub.store.database.writing() as connection:
        discussions.get(connection, repo, number)
        event = discussions.add_comment(connection, repo, number, user.name, text)
    return answer({"newMessage": event})


def edit_comment(call: Call) -> Response:
    repo, number = repo_of(call), _number(call)
    user = check_contribute(call, repo)
    text = _string(call.json().get("content"), "content")
    return _edited(call, repo, number, user, text)


def hide_comment(call: Call) -> Response:
    repo, number = repo_of(call), _number(call)
    return _edited(call, repo, number, check_contribute(call, repo), None)


def _edited(call: Call, repo: Repo, number: int, user: User, text: str | None) -> Response:
    with call.hub.store.database.writing() as connection:
        event = discussions.edit_comment(
            connection, repo, number, call.params["event"], user.name, text=text
        )
    return answer({"updatedComment": event})


def title(call: Call) -> Response:
    repo, number, user = _with_rights(call)
    text = _string(call.json().get("title"), "title", 3)
    with call.hub.store.database.writing() as connection:
        event = discussions.rename(connection, repo, number, text, user.name)
    return answer({"newTitle": event})


def status(call: Call) -> Response:
    repo, number, user = _with_rights(call)
    body = call.json()
    wanted = _string(body.get("status"), "status")
    with call.hub.store.database.writing() as connection:
        event = discussions.set_status(connection, repo, number, wanted, user.name)
        if body.get("comment"):
            discussions.add_comment(connection, repo, number, user.name, str(body["comment"]))
    return answer({"newStatus": event})


def merge(call: Call) -> Response:
    repo, number = repo_of(call), _number(call)
    check_write(call, repo)
    user, body = call.require_user(), call.json()
    with call.hub.store.database.writing() as connection:
        commit = discussions.merge(call.hub.store, connection, repo, number, user.name)
        if body.get("comment"):
            discussions.add_comment(connection, repo, number, user.name, str(body["comment"]))
    return answer({"success": True, "commitOid": commit.oid})


def add_routes(router: Router) -> None:
    thread = "api/{kinds}/{ns}/{name}/discussions"
    router.add("GET", thread, listing)
    router.add("POST", thread, create)
    router.add("GET", f"{thread}/{{num}}", details)
    router.add("POST", f"{thread}/{{num}}/comment", comment)
    router.add("POST", f"{thread}/{{num}}/comment/{{event}}/edit", edit_comment)
    router.add("POST", f"{thread}/{{num}}/comment/{{event}}/hide", hide_comment)
    router.add("POST", f"{thread}/{{num}}/title", title)
    router.add("POST", f"{thread}/{{num}}/status", status)
    router.add("POST", f"{thread}/{{num}}/merge", merge)
