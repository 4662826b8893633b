"""The page of a collection: what is in it, and why."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from hubtools.localhub import collection
from hubtools.localhub.http import Call
from hubtools.localhub.model import Moved, Repo
from hubtools.localhub.names import KINDS
from hubtools.localhub.pages.frame import moment, shows
from hubtools.localhub.pages.home import repo_item
from hubtools.localhub.pages.html import Html, document, link, path, tag


def show(call: Call) -> Response:
    opens = call.hub.open_pages
    with call.hub.store.database.reading() as connection:
        row = collection.find(connection, call.params["slug"])
        if not opens and not collection.may_open(call.user, row):
            raise collection.missing()
        found = collection.describe(
            call.hub.store,
            connection,
            row,
            lambda repo: shows(call, repo),
            lambda child: opens or collection.may_open(call.user, child),
        )
    items = [_item(call, item) for item in found["items"]]
    shown = tag("div", tag("ul", *items, class_="repos"), class_="sheet flush")
    said = found.get("description")
    return document(
        found["title"],
        tag(
            "h1", found["title"], tag("span", "private", class_="badge") if row["private"] else None
        ),
        tag(
            "p",
            "a collection of ",
            link(path(row["owner"]), row["owner"]),
            f" · {moment(row['updated'])}",
            class_="soft",
        ),
        tag("p", said) if said else None,
        shown if items else tag("div", "Nothing yet.", class_="sheet"),
    )


def _item(call: Call, item: dict[str, Any]) -> Html | None:
    note = item["note"]["text"] if "note" in item else None
    said = tag("div", note) if note else None
    if item["type"] in KINDS:
        repo = _repo(call, item)
        return repo_item(call, repo, said) if repo is not None else None
    if item["type"] == "collection":
        name = link(path("collections", *item["slug"].split("/")), tag("strong", item["title"]))
        return tag("li", tag("div", name, " · collection", said))
    where = f"https://arxiv.org/abs/{item['id']}"
    return tag(
        "li", tag("div", link(where, tag("strong", f"arXiv:{item['id']}")), " · paper", said)
    )


def _repo(call: Call, item: dict[str, Any]) -> Repo | None:
    namespace, _, name = item["id"].partition("/")
    try:
        return call.hub.store.find(item["type"], namespace, name)
    except Moved as moved:  # in this moment
        return moved.repo
