"""The pages of discussions and pull requests."""

from __future__ import annotations

import json
import sqlite3

from starlette.responses import Response

from hubtools.localhub import discussions
from hubtools.localhub.diff import diff_of
from hubtools.localhub.http import Call
from hubtools.localhub.pages.card import rendered
from hubtools.localhub.pages.files import show_diff
from hubtools.localhub.pages.frame import View, moment
from hubtools.localhub.pages.html import Html, join, link, tag
from hubtools.localhub.problems import Problem


def listing(call: Call) -> Response:
    view = View.of(call)
    with call.hub.store.database.reading() as connection:
        rows = connection.execute(
            "SELECT * FROM discussions WHERE repo = ? ORDER BY num DESC", (view.repo.id,)
        ).fetchall()
    items = [
        tag(
            "li",
            tag(
                "div",
                link(view.href("discussions", str(row["num"])), tag("strong", row["title"])),
                tag("span", row["status"], class_=f"badge {row['status']}"),
                tag("span", _about(row), class_="soft"),
            ),
        )
        for row in rows
    ]
    empty = tag("div", "No discussions and no pull requests yet.", class_="empty")
    return view.document(
        "talk",
        tag("div", tag("ul", *items, class_="repos") if items else empty, class_="sheet flush"),
    )


def _about(row: sqlite3.Row) -> str:
    kind = "pull request" if row["pull_request"] else "discussion"
    return f"{kind} #{row['num']} by {row['author']} · {moment(row['created'])}"


def show(call: Call) -> Response:
    view = View.within(call)
    number = call.params["num"]
    if not number.isdecimal() or len(number) > 9:
        raise Problem(404, f"There is no discussion {number}.")
    store = call.hub.store
    with store.database.reading() as connection:
        row = discussions.get(connection, view.repo, int(number))
        events = connection.execute(
            "SELECT * FROM events WHERE repo = ? AND num = ? ORDER BY id",
            (view.repo.id, row["num"]),
        ).fetchall()
    diff: Html | None = None
    if row["pull_request"]:
        before = store.snapshot(view.repo, row["base"])
        after = store.snapshot(view.repo, f"refs/pr/{row['num']}")
        diff = join(tag("h2", "Changes"), show_diff(diff_of(store, before, after)))
    return view.document(
        "talk",
        tag("h2", row["title"], " ", tag("span", row["status"], class_=f"badge {row['status']}")),
        tag("p", _about(row), class_="soft"),
        *(_event(view, event) for event in events),
        diff,
    )


def _event(view: View, event: sqlite3.Row) -> Html:
    data = json.loads(event["data"])
    who = f"{event['author']} · {moment(event['created'])}"
    if event["kind"] == "comment":
        said = str(data["latest"]["raw"])
        if not said.strip():
            return tag("p", tag("span", f"opened by {who}", class_="soft"))
        shown = rendered(said, view.place)
        return tag("div", tag("p", who, class_="soft"), shown, class_="sheet card")
    if event["kind"] == "commit":
        what: object = join(
            "added ",
            link(view.href("commit", data["oid"]), tag("code", data["oid"][:8])),
            " ",
            data["subject"],
        )
    elif event["kind"] == "status-change":
        what = f"set the status to {data['status']}"
    else:
        what = f"renamed it to {data['to']}"
    return tag("p", what, " · ", tag("span", who, class_="soft"))
