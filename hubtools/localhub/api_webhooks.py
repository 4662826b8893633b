"""Webhooks over HTTP: kept for whoever sets them up. This Hub calls nobody; no address is asked."""

from __future__ import annotations

import json
import secrets
import sqlite3
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.problems import Problem

_DOMAINS = ("repo", "discussion")
_WATCHED = ("bucket", "dataset", "model", "org", "space", "user")
_LONGEST = 2000  # characters of an address or a secret
_MOST = 100  # things that one webhook watches


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["key"],
        "url": row["url"],
        "watched": json.loads(row["watched"]),
        "domains": json.loads(row["domains"]),
        "secret": row["secret"],
        "disabled": bool(row["disabled"]),
    }


def _values(body: dict[str, Any]) -> dict[str, Any]:
    """The columns that a request names, checked. Raises `Problem` 400."""
    found: dict[str, Any] = {}
    if "jobSourceId" in body:
        raise Problem(501, "Webhooks of the embedded Hub start no jobs.")
    if (url := body.get("url")) is not None:
        if not isinstance(url, str) or len(url) > _LONGEST or not _is_web(url):
            raise Problem(400, '"url" must be an http or https address')
        found["url"] = url
    if (watched := body.get("watched")) is not None:
        fits = isinstance(watched, list) and len(watched) <= _MOST and all(map(_is_item, watched))
        if not fits:
            raise Problem(400, '"watched" must be an array of things with a type and a name')
        found["watched"] = json.dumps([{k: item[k] for k in ("type", "name")} for item in watched])
    if (domains := body.get("domains")) is not None:
        if not isinstance(domains, list) or not all(domain in _DOMAINS for domain in domains):
            raise Problem(400, f'"domains" must be among [{", ".join(_DOMAINS)}]')
        found["domains"] = json.dumps(domains)
    if (secret := body.get("secret")) is not None:
        if not isinstance(secret, str) or len(secret) > _LONGEST:
            raise Problem(400, '"secret" must be a string')
        found["secret"] = secret
    return found


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _is_item(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and item.get("type") in _WATCHED
        and isinstance(item.get("name"), str)
        and 0 < len(item["name"]) <= _LONGEST
    )


def _owner(call: Call) -> str:
    user = call.require_user()
    if user.role != "write" or user.scope is not None:
        raise Problem(403, "Webhooks need a token of a user that may write")
    return user.name


def _one(call: Call, connection: sqlite3.Connection, key: str) -> sqlite3.Row:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM webhooks WHERE key = ? AND user = ?", (key, _owner(call))
    ).fetchone()
    if row is None:
        raise Problem(404, "There is no such webhook")
    return row


def listing(call: Call) -> Response:
    with call.hub.store.database.reading() as connection:
        rows = connection.execute(
            "SELECT * FROM webhooks WHERE user = ? ORDER BY id", (_owner(call),)
        ).fetchall()
    return answer([_shown(row) for row in rows])


def create(call: Call) -> Response:
    owner, values = _owner(call), _values(call.json())
    if "url" not in values or "watched" not in values:
        raise Problem(400, 'A webhook needs "url" and "watched"')
    key = secrets.token_hex(12)
    with call.hub.store.database.writing() as connection:
        connection.execute(
            "INSERT INTO webhooks (key, user, url, watched, domains, secret) VALUES"
            " (?, ?, ?, ?, ?, ?)",
            (
                key, owner, values["url"], values["watched"],
                values.get("domains", json.dumps(_DOMAINS)), values.get("secret"),
            ),
        )  # fmt: skip
        return answer({"webhook": _shown(_one(call, connection, key))})


def show(call: Call) -> Response:
    with call.hub.store.database.reading() as connection:
        return answer({"webhook": _shown(_one(call, connection, call.params["key"]))})


def _changed(call: Call, values: dict[str, Any]) -> Response:
    with call.hub.store.database.writing() as connection:
        row = _one(call, connection, call.params["key"])
        for name, value in values.items():
            connection.execute(
                f"UPDATE webhooks SET {name} = ? WHERE id = ?",  # noqa: S608
                (value, row["id"]),
            )
        return answer({"webhook": _shown(_one(call, connection, row["key"]))})


def change(call: Call) -> Response:
    return _changed(call, _values(call.json()))


def enable(call: Call) -> Response:
    return _changed(call, {"disabled": 0})


def disable(call: Call) -> Response:
    return _changed(call, {"disabled": 1})


def delete(call: Call) -> Response:
    with call.hub.store.database.writing() as connection:
        row = _one(call, connection, call.params["key"])
        connection.execute("DELETE FROM webhooks WHERE id = ?", (row["id"],))
    return answer({"success": True})


def add_routes(router: Router) -> None:
    every = "api/settings/webhooks"
    router.add("GET", every, listing)
    router.add("POST", every, create)
    router.add("GET", f"{every}/{{key}}", show)
    router.add("POST", f"{every}/{{key}}", change)
    router.add("DELETE", f"{every}/{{key}}", delete)
    router.add("POST", f"{every}/{{key}}/enable", enable)
    router.add("POST", f"{every}/{{key}}/disable", disable)
