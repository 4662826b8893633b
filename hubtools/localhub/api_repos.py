"""Creating, moving, deleting, describing and listing repositories."""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import Response

from hubtools.localhub.access import (
    find_repo,
    not_mine,
    refuse_mount,
    repo_of,
    writable_repo_of,
)
from hubtools.localhub.commits import first_commit
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.info import describe
from hubtools.localhub.model import Moved, Repo, now
from hubtools.localhub.names import KINDS, check_repo_name, repo_prefix
from hubtools.localhub.patterns import default_gitattributes
from hubtools.localhub.problems import Problem


def _kind(body: dict[str, Any]) -> str:
    kind = body.get("type") or "model"
    if kind not in KINDS:
        raise Problem(400, f"This Hub has models, datasets and spaces, no {kind}.")
    return str(kind)


def _visibility(body: dict[str, Any], kind: str) -> str | None:
    value = body.get("visibility")
    if value is None and isinstance(body.get("private"), bool):
        value = "private" if body["private"] else "public"
    allowed = ("public", "private", "protected") if kind == "space" else ("public", "private")
    if value is not None and value not in allowed:
        raise Problem(400, f'"visibility" must be one of [{", ".join(allowed)}]')
    return value


def _name_in(call: Call, body: dict[str, Any]) -> tuple[str, str]:
    name = body.get("name")
    namespace = body.get("organization") or call.require_user().name
    if not isinstance(name, str) or not isinstance(namespace, str):
        raise Problem(400, '"name" must be a string')
    return namespace, name


def _check_owner(call: Call, kind: str, namespace: str) -> None:
    user = call.require_user()
    if not user.may_write(namespace):
        raise not_mine(call, kind, namespace)


def _by_its_name(call: Call, kind: str, namespace: str, name: str) -> Repo:
    """What is to go or to be renamed, by the name that it has: who says an old one may be
    mistaken. Raises `Problem` 404."""
    try:
        return find_repo(call, kind, namespace, name)
    except Moved as moved:
        now = f"{namespace}/{name} is called {moved.repo.full_name} now"
        raise Problem(404, now, code="RepoNotFound") from None


def create(call: Call) -> Response:
    call.require_user()
    body = call.json()
    kind = _kind(body)
    namespace, name = _name_in(call, body)
    usual = "private" if call.hub.accounts.private_by_default(namespace) else "public"
    visibility = _visibility(body, kind) or usual
    check_repo_name(namespace, name)
    _check_owner(call, kind, namespace)
    url = call.url(f"{repo_prefix(kind)}{namespace}/{name}")
    folded = f"{namespace}/{name}".lower()
    store = call.hub.store
    with store.database.writing() as connection:
        row = connection.execute(
            "SELECT namespace, name FROM repos WHERE kind = ? AND folded = ?", (kind, folded)
        ).fetchone()
        if row or store.mounted(kind, folded):
            if row:
                url = call.url(f"{repo_prefix(kind)}{row['namespace']}/{row['name']}")
            raise Problem(409, f"You already created this {kind} repo", body={"url": url})
        connection.execute("DELETE FROM moved WHERE kind = ? AND folded = ?", (kind, folded))
        sdk = body.get("sdk") if isinstance(body.get("sdk"), str) else None
        created = now()
        cursor = connection.execute(
            "INSERT INTO repos (kind, namespace, name, folded, visibility, sdk, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (kind, namespace, name, folded, visibility, sdk, created),
        )
        repo = Repo(cursor.lastrowid or 0, kind, namespace, name, created=created)
        files = {".gitattributes": default_gitattributes(kind)}
        if kind == "space":
            files["README.md"] = f"---\ntitle: {name}\nsdk: {sdk or 'static'}\n---\n"
        first_commit(store, connection, repo, call.require_user().name, files)
    return answer({"url": url, "name": f"{namespace}/{name}", "id": f"{namespace}/{name}"})


def delete(call: Call) -> Response:
    call.require_user()
    body = call.json()
    kind = _kind(body)
    namespace, name = _name_in(call, body)
    repo = _by_its_name(call, kind, namespace, name)
    refuse_mount(repo)
    _check_owner(call, kind, namespace)
    with call.hub.store.database.writing() as connection:
        connection.execute("DELETE FROM repos WHERE id = ?", (repo.id,))
    call.hub.store.sweep_all()
    return answer({})


def move(call: Call) -> Response:
    call.require_user()
    body = call.json()
    kind = _kind(body)
    source, target = body.get("fromRepo"), body.get("toRepo")
    for name in (source, target):
        if not isinstance(name, str) or name.count("/") != 1:
            raise Problem(400, "fromRepo and toRepo must be namespace/name")
    repo = _by_its_name(call, kind, *str(source).split("/"))
    refuse_mount(repo)
    namespace, name = str(target).split("/")
    check_repo_name(namespace, name)
    _check_owner(call, kind, repo.namespace)
    _check_owner(call, kind, namespace)
    folded, old = str(target).lower(), repo.full_name.lower()
    store = call.hub.store
    with store.database.writing() as connection:
        try:
            if store.mounted(kind, folded):
                raise sqlite3.IntegrityError
            connection.execute(
                "UPDATE repos SET namespace = ?, name = ?, folded = ? WHERE id = ?",
                (namespace, name, folded, repo.id),
            )
        except sqlite3.IntegrityError:
            raise Problem(409, f"A {kind} repository called {target} already exists") from None
        connection.execute("DELETE FROM moved WHERE kind = ? AND folded = ?", (kind, folded))
        if folded != old:
            connection.execute(
                "INSERT OR REPLACE INTO moved VALUES (?, ?, ?)", (kind, old, repo.id)
            )
    return answer({"url": call.url(f"{repo_prefix(kind)}{target}")})


def settings(call: Call) -> Response:
    repo = writable_repo_of(call)
    body = call.json()
    visibility = _visibility(body, repo.kind)
    gated = body.get("gated")
    if gated not in (None, False, "auto", "manual"):
        raise Problem(400, '"gated" must be one of [auto, manual, false]')
    with call.hub.store.database.writing() as connection:
        if visibility is not None:
            connection.execute(
                "UPDATE repos SET visibility = ? WHERE id = ?", (visibility, repo.id)
            )
        if gated is not None:
            connection.execute("UPDATE repos SET gated = ? WHERE id = ?", (gated or "", repo.id))
    return answer({"visibility": visibility or repo.visibility, "gated": gated})


def info(call: Call) -> Response:
    repo = repo_of(call)
    snapshot = call.hub.store.snapshot(repo, call.params.get("rev", "main"))
    described = describe(
        call.hub.store, snapshot, blobs=call.flag("blobs"), expand=call.values("expand")
    )
    if call.flag("securityStatus"):
        described["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": []}
    return answer(described)


def add_routes(router: Router) -> None:
    router.add("POST", "api/repos/create", create)
    router.add("DELETE", "api/repos/delete", delete)
    router.add("POST", "api/repos/move", move)
    router.add("GET", "api/{kinds}/{ns}/{name}", info)
    router.add("GET", "api/{kinds}/{ns}/{name}/revision/{rev}", info)
    router.add("PUT", "api/{kinds}/{ns}/{name}/settings", settings)
