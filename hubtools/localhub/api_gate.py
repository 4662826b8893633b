"""Access to gated repositories over HTTP: asked for, granted, decided on."""

from __future__ import annotations

from typing import Any, cast

from starlette.responses import Response

from hubtools.localhub import gate
from hubtools.localhub.access import refuse_mount, repo_of, writable_repo_of
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.names import KINDS, repo_prefix
from hubtools.localhub.problems import Problem


def listing(call: Call) -> Response:
    repo = writable_repo_of(call)
    status = call.params["status"]
    if status not in gate.STATUSES:
        raise Problem(404, f'"{status}" is not one of [{", ".join(gate.STATUSES)}]')
    with call.hub.store.database.reading() as connection:
        rows = gate.requests(connection, repo, status)
    accounts, found = call.hub.accounts, []
    for row in rows:
        user = {"_id": row["user"], "user": row["user"], "fullname": accounts.fullname(row["user"])}
        if row["asked"]:
            user["email"] = accounts.email(row["user"])  # who asks, says it
        found.append(
            {
                "requestId": row["key"],
                "user": user,
                "status": row["status"],
                "timestamp": row["changed"],
            }
        )
    return answer(found)


def _user(call: Call, body: dict[str, Any]) -> str | None:
    name = body.get("user", body.get("userId"))
    if name is None:
        return None
    if not any(user.name == name for user in call.hub.accounts.users):
        raise Problem(404, f"There is no user {str(name)[:100]}")
    return str(name)


def grant(call: Call) -> Response:
    repo = writable_repo_of(call)
    user = _user(call, call.json())
    if user is None:
        raise Problem(400, '"user" must be a string')
    with call.hub.store.database.writing() as connection:
        gate.grant(connection, repo, user)
    return answer({"success": True})


def handle(call: Call) -> Response:
    repo, body = writable_repo_of(call), call.json()
    status, key = body.get("status"), body.get("requestId")
    if status not in gate.STATUSES:
        raise Problem(400, f'"status" must be one of [{", ".join(gate.STATUSES)}]')
    with call.hub.store.database.writing() as connection:
        gate.handle(
            connection,
            repo,
            user=_user(call, body),
            key=str(key) if key else None,
            status=cast(gate.Status, status),
        )
    return answer({"success": True})


def ask(call: Call) -> Response:
    repo, user = repo_of(call), call.require_user()
    refuse_mount(repo)
    if user.scope is not None:
        raise Problem(403, f"This token is for {user.scope[1]} only")
    with call.hub.store.database.writing() as connection:
        return answer({"status": gate.ask(connection, repo, user.name)})


def add_routes(router: Router) -> None:
    requests = "api/{kinds}/{ns}/{name}/user-access-request"
    router.add("GET", f"{requests}/{{status}}", listing)
    router.add("POST", f"{requests}/grant", grant)
    router.add("POST", f"{requests}/handle", handle)
    for kind in KINDS:

        def of(call: Call, kind: str = kind) -> Response:
            call.params["kind"] = kind
            return ask(call)

        router.add("POST", f"{repo_prefix(kind)}{{ns}}/{{name}}/ask-access", of)
