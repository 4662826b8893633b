"""Collections over HTTP."""

from __future__ import annotations

import sqlite3
from typing import Any

from starlette.responses import Response

from hubtools.localhub import collection
from hubtools.localhub.access import find_named, may_see
from hubtools.localhub.collection import Target
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.names import KINDS
from hubtools.localhub.problems import Problem

_PAGE = 100
_FIRST_ITEMS = 4  # of each collection in a list, as the Hub does
_LONGEST = {"title": 200, "description": 150, "note": 500}  # characters


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST[name]:
        raise Problem(400, f'"{name}" must be a string of at most {_LONGEST[name]} characters')
    return value.strip()


def _title(body: dict[str, Any]) -> str | None:
    title = _text(body, "title")
    if title == "":
        raise Problem(400, '"title" must not be empty')
    return title


def _flag(body: dict[str, Any], name: str) -> bool | None:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise Problem(400, f'"{name}" must be true or false')
    return value


def _position(body: dict[str, Any]) -> int | None:
    value = body.get("position")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise Problem(400, '"position" must be a whole number')
    return value


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _found(call: Call, connection: sqlite3.Connection) -> sqlite3.Row:
    row = collection.find(connection, call.params["slug"])
    if not collection.may_open(call.user, row):
        raise collection.missing()
    return row


def _mine(call: Call, connection: sqlite3.Connection) -> sqlite3.Row:
    """The collection of the address, if the caller may change it."""
    user = call.require_user()
    row = _found(call, connection)
    if not user.may_write(row["owner"]):
        raise Problem(403, f"You do not have write access to the collections of {row['owner']}")
    return row


def _described(
    call: Call, connection: sqlite3.Connection, row: sqlite3.Row, most: int | None = None
) -> dict[str, Any]:
    return collection.describe(
        call.hub.store,
        connection,
        row,
        lambda repo: may_see(call.user, repo),
        lambda child: collection.may_open(call.user, child),
        most,
    )


def listing(call: Call) -> Response:
    """`/api/collections?owner=&item=models/owner/name&sort=&limit=`, in pages."""
    if call.text("sort") not in ("", "lastModified", "trending", "upvotes"):
        raise Problem(400, '"sort" must be one of [lastModified, trending, upvotes]')
    start = call.number("skip", 0, 1 << 30)
    limit = call.number("limit", _PAGE, _PAGE) or _PAGE
    with call.hub.store.database.reading() as connection:
        holding = [_wanted(call, connection, text) for text in call.values("item")]
        rows = collection.listing(
            connection, call.values("owner"), [target for target in holding if target]
        )
        rows = [row for row in rows if collection.may_open(call.user, row)] if all(holding) else []
        page = rows[start : start + limit]
        shown = [_described(call, connection, row, _FIRST_ITEMS) for row in page]
    headers = {}
    if start + limit < len(rows):
        headers["Link"] = call.link({**call.query, "skip": [str(start + limit)]})
    return answer(shown, headers=headers)


def _wanted(call: Call, connection: sqlite3.Connection, text: str) -> Target | None:
    """What `models/owner/name` stands for; None for what is not there."""
    plural, _, name = text.partition("/")
    try:
        return _target(call, connection, plural.removesuffix("s"), name)
    except Problem as problem:
        if problem.status == 400:
            raise
        return None


def _target(call: Call, connection: sqlite3.Connection, kind: str, name: str) -> Target:
    """Raises `Problem` 400 for an unknown kind, 404 for what is not there (for this caller)."""
    if kind in KINDS:
        namespace, _, rest = name.partition("/")
        try:
            repo = find_named(call, kind, namespace, rest)
        except Problem:
            raise Problem(404, f"There is no {kind} {name[:200]}") from None
        if repo.mount is not None:
            return Target(kind, name=repo.full_name)
        return Target(kind, repo=repo.id)
    if kind == "paper":
        return collection.paper(name)
    if kind == "collection":
        child = collection.find(connection, name)
        if not collection.may_open(call.user, child):
            raise collection.missing()
        return Target(kind, collection=child["id"])
    raise Problem(400, f'"type" must be one of [{", ".join(collection.ITEM_KINDS)}]')


def create(call: Call) -> Response:
    user, body = call.require_user(), call.json()
    owner, title = body.get("namespace") or user.name, _title(body)
    if title is None or not isinstance(owner, str):
        raise Problem(400, '"title" must be a string')
    if not user.may_write(owner):
        raise Problem(403, f'You cannot create a collection under the namespace "{owner[:100]}"')
    with call.hub.store.database.writing() as connection:
        row, new = collection.create(
            connection, owner, title, _text(body, "description"), _flag(body, "private") or False
        )
        if not new:
            slug = collection.slug_of(row)
            raise Problem(409, f"{owner} has a collection of that title", body={"slug": slug})
        return answer(_described(call, connection, row))


def show(call: Call) -> Response:
    with call.hub.store.database.reading() as connection:
        return answer(_described(call, connection, _found(call, connection)))


def change(call: Call) -> Response:
    body = call.json()
    theme = body.get("theme")
    if theme is not None and theme not in collection.THEMES:
        raise Problem(400, f'"theme" must be one of [{", ".join(collection.THEMES)}]')
    values = _given(
        title=_title(body),
        description=_text(body, "description"),
        private=_flag(body, "private"),
        theme=theme,
        position=_position(body),
    )
    with call.hub.store.database.writing() as connection:
        row = collection.change(connection, _mine(call, connection), values)
        return answer({"success": True, "data": _described(call, connection, row)})


def delete(call: Call) -> Response:
    with call.hub.store.database.writing() as connection:
        collection.delete(connection, _mine(call, connection))
    return answer({"success": True})


def add_item(call: Call) -> Response:
    body = call.json()
    item = body.get("item")
    kind, name = (item.get("type"), item.get("id")) if isinstance(item, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(name, str):
        raise Problem(400, '"item" must have an id and a type')
    with call.hub.store.database.writing() as connection:
        row = _mine(call, connection)
        target = _target(call, connection, kind, name)
        collection.add_item(connection, row, target, _text(body, "note"))
        return answer(_described(call, connection, row))


def change_item(call: Call) -> Response:
    body = call.json()
    values = _given(note=_text(body, "note"), position=_position(body))
    with call.hub.store.database.writing() as connection:
        row = _mine(call, connection)
        item = collection.item_of(connection, row, call.params["item"])
        collection.change_item(connection, row, item, values)
    return answer({"success": True})


def delete_item(call: Call) -> Response:
    with call.hub.store.database.writing() as connection:
        row = _mine(call, connection)
        item = collection.item_of(connection, row, call.params["item"])
        collection.delete_item(connection, row, item)
    return answer({"success": True})


def add_routes(router: Router) -> None:
    router.add("GET", "api/collections", listing)
    router.add("POST", "api/collections", create)
    one = "api/collections/{ns}/{slug}"
    router.add("GET", one, show)
    router.add("PATCH", one, change)
    router.add("DELETE", one, delete)
    router.add("POST", f"{one}/items", add_item)
    router.add("POST", f"{one}/item", add_item)
    router.add("PATCH", f"{one}/items/{{item}}", change_item)
    router.add("DELETE", f"{one}/items/{{item}}", delete_item)
