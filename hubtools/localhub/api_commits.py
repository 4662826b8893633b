"""Commits, branches, tags, history."""

from __future__ import annotations

import html
import sqlite3
from collections.abc import Iterator
from typing import IO, Any

from starlette.responses import Response

from hubtools.localhub import discussions, history
from hubtools.localhub.access import check_contribute, check_write, repo_of, writable_repo_of
from hubtools.localhub.commits import branch_ref, commit_operations, ref_target, set_ref
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.names import MAIN, check_ref
from hubtools.localhub.problems import Problem, revision_not_found

_PAGE = 100
# Bytes of an operation: a regular file in base64 takes 14 MiB, in escapes 60.
_LONGEST = 64 << 20


def _lines(body: IO[bytes]) -> Iterator[bytes]:
    """The operations of a commit. Raises `Problem` 413 for one that no client sends."""
    while line := body.readline(_LONGEST + 1):
        if len(line) > _LONGEST:
            raise Problem(413, f"An operation of a commit has at most {_LONGEST >> 20} MiB.")
        yield line


def commit(call: Call) -> Response:
    """Apply an ndjson commit to a branch or pull request, or open a pull request with it."""
    repo = repo_of(call)
    revision, as_request = call.params["rev"], call.flag("create_pr")
    contributor = as_request or revision.startswith("refs/pr/")
    if contributor:
        user = check_contribute(call, repo)
    else:
        check_write(call, repo)
        user = call.require_user()
    ref = branch_ref(revision)
    store = call.hub.store
    if call.body is None:
        raise Problem(400, "The first line of a commit must be its header.")
    call.body.seek(0)
    number = None
    with store.database.writing() as connection:
        if ref_target(connection, repo, ref) is None:
            raise revision_not_found(revision)
        if ref.startswith("refs/pr/") and not as_request:
            number = discussions.check_push(connection, repo, ref, user)
        lines = _lines(call.body)
        header, parent, made = commit_operations(store, connection, repo, ref, user.name, lines)
        if as_request:
            number = discussions.create(
                connection,
                repo,
                header.summary,
                header.description,
                user.name,
                base=parent,
                status="open",
            )
            ref = f"refs/pr/{number}"
        set_ref(connection, repo, ref, made.oid)
        if number is not None and made.oid != parent:
            discussions.add_event(
                connection,
                repo,
                number,
                "commit",
                user.name,
                {"subject": header.summary, "oid": made.oid},
            )
    result = {
        "success": True,
        "commitOid": made.oid,
        "commitUrl": call.url(f"{repo.url_path}/commit/{made.oid}"),
        "hookOutput": "",
    }
    if as_request:
        result["pullRequestUrl"] = call.url(f"{repo.url_path}/discussions/{number}")
    return answer(result)


def refs(call: Call) -> Response:
    repo = repo_of(call)
    result: dict[str, list[dict[str, str]]] = {"branches": [], "converts": [], "tags": []}
    lists = {"heads": "branches", "tags": "tags", "convert": "converts"}
    if call.flag("include_prs"):
        result["pullRequests"] = []
        lists["pr"] = "pullRequests"
    if repo.mount is not None:
        target = call.hub.store.snapshot(repo).commit.oid
        pairs = [(MAIN, target)]
    else:
        with call.hub.store.database.reading() as connection:
            rows = connection.execute(
                "SELECT name, target FROM refs WHERE repo = ? ORDER BY name", (repo.id,)
            ).fetchall()
        pairs = [(row["name"], row["target"]) for row in rows]
    for ref, target in pairs:
        _, group, name = ref.split("/", 2)
        if group in lists:
            result[lists[group]].append({"name": name, "ref": ref, "targetCommit": target})
    return answer(result)


def _new_ref(connection: sqlite3.Connection, call: Call, ref: str, revision: str) -> str:
    repo = repo_of(call)
    if ref_target(connection, repo, ref) is not None:
        raise Problem(409, f"Reference {ref} already exists")
    target = call.hub.store.resolve(connection, repo, revision)
    set_ref(connection, repo, ref, target)
    return target


def create_branch(call: Call) -> Response:
    writable_repo_of(call)
    name = check_ref(call.params["ref"].removeprefix("refs/heads/"), "branch")
    if name.startswith("refs/"):
        raise Problem(400, f"Invalid reference for a branch: {name}")
    start = call.json().get("startingPoint") or "main"
    with call.hub.store.database.writing() as connection:
        _new_ref(connection, call, f"refs/heads/{name}", str(start))
    return answer({})


def create_tag(call: Call) -> Response:
    writable_repo_of(call)
    name = call.json().get("tag")
    if not isinstance(name, str):
        raise Problem(400, '"tag" must be a string')
    with call.hub.store.database.writing() as connection:
        call.hub.store.resolve(connection, repo_of(call), call.params["rev"])
        check_ref(name, "tag")
        _new_ref(connection, call, f"refs/tags/{name}", call.params["rev"])
    return answer({})


def delete_branch(call: Call) -> Response:
    name = call.params["ref"].removeprefix("refs/heads/")
    if name == "main":
        raise Problem(403, "Cannot delete refs/heads/main: it is the default branch")
    return _delete_ref(call, f"refs/heads/{name}")


def delete_tag(call: Call) -> Response:
    return _delete_ref(call, f"refs/tags/{call.params['ref'].removeprefix('refs/tags/')}")


def _delete_ref(call: Call, ref: str) -> Response:
    repo = writable_repo_of(call)
    with call.hub.store.database.writing() as connection:
        gone = connection.execute(
            "DELETE FROM refs WHERE repo = ? AND name = ?", (repo.id, ref)
        ).rowcount
        if not gone:
            raise revision_not_found(ref)
    return answer({})


def commits(call: Call) -> Response:
    store = call.hub.store
    found = history.log(store, store.snapshot(repo_of(call), call.params["rev"]))
    page = call.number("p", 0, 1 << 30)
    size = call.number("limit", _PAGE, 1000) or _PAGE
    formatted = "formatted" in call.values("expand")
    items = []
    for item in found[page * size : (page + 1) * size]:
        row: dict[str, Any] = {
            "id": item.oid,
            "title": item.title,
            "message": item.message,
            "authors": [{"user": item.author, "avatar": ""}],
            "date": item.date,
        }
        if formatted:
            row["formatted"] = {
                "title": html.escape(item.title),
                "message": html.escape(item.message),
            }
        items.append(row)
    headers = {"X-Total-Count": str(len(found))}
    if (page + 1) * size < len(found):
        headers["Link"] = call.link({**call.query, "p": [str(page + 1)]})
    return answer(items, headers=headers)


def super_squash(call: Call) -> Response:
    repo = writable_repo_of(call)
    message = call.json().get("message")
    if not isinstance(message, str) or not message.strip():
        raise Problem(400, '"message" must be a string')
    made = history.squash(
        call.hub.store, repo, call.params["ref"], message.strip(), call.require_user().name
    )
    return answer({"oid": made.oid})


def add_routes(router: Router) -> None:
    repo = "api/{kinds}/{ns}/{name}"
    router.add("POST", f"{repo}/commit/{{rev}}", commit)
    router.add("GET", f"{repo}/refs", refs)
    router.add("POST", f"{repo}/branch/{{ref}}", create_branch)
    router.add("DELETE", f"{repo}/branch/{{ref}}", delete_branch)
    router.add("POST", f"{repo}/tag/{{rev}}", create_tag)
    router.add("DELETE", f"{repo}/tag/{{ref}}", delete_tag)
    router.add("GET", f"{repo}/commits/{{rev}}", commits)
    router.add("POST", f"{repo}/super-squash/{{ref}}", super_squash)
