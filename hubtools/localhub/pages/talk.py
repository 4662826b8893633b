"""The pages of discussions and pull requests."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from starlette.responses import Response

from hubtools.localhub import discussions
from hubtools.localhub.diff import diff_of
from hubtools.localhub.http import Call
from hubtools.localhub.pages.card import rendered
from hubtools.localhub.pages.files import changes
from hubtools.localhub.pages.frame import View, moment, paged
from hubtools.localhub.pages.html import Html, join, link, tag
from hubtools.localhub.problems import Problem

_PAGE = 50
_MOST_CONFLICTS = 20  # files that are named


def listing(call: Call) -> Response:
    view = View.of(call)
    with call.hub.store.database.reading() as connection:
        rows = connection.execute(
            "SELECT * FROM discussions WHERE repo = ? ORDER BY num DESC", (view.repo.id,)
        ).fetchall()
    here, others = paged(call, rows, _PAGE)
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
        for row in here
    ]
    empty = tag("div", "No discussions and no pull requests yet.", class_="empty")
    return view.document(
        "talk",
        tag("div", tag("ul", *items, class_="repos") if items else empty, class_="sheet flush"),
        others,
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
        clash = discussions.conflicts_of(store, connection, view.repo, row) if _waits(row) else []
    diff: Html | None = None
    if row["pull_request"]:
        before = store.snapshot(view.repo, row["base"])
        after = store.snapshot(view.repo, f"refs/pr/{row['num']}")
        views = (View(call, view.repo, before), View(call, view.repo, after))
        diff = join(tag("h2", "Changes"), changes(*views, diff_of(store, before, after)))
    return view.document(
        "talk",
        tag("h2", row["title"], " ", tag("span", row["status"], class_=f"badge {row['status']}")),
        tag("p", _about(row), class_="soft"),
        *(_event(view, event) for event in events),
        _conflicts(clash),
        _merging(view, row["num"])
        if row["status"] == "open" and _waits(row) and not clash
        else None,
        diff,
    )


def _waits(row: sqlite3.Row) -> bool:
    """True for a pull request that may still be merged."""
    return bool(row["pull_request"]) and row["status"] in ("open", "draft")


def _conflicts(paths: Sequence[str]) -> Html | None:
    """What keeps a pull request from being merged."""
    if not paths:
        return None
    names = ", ".join(paths[:_MOST_CONFLICTS])
    more = f" and {len(paths) - _MOST_CONFLICTS} more" if len(paths) > _MOST_CONFLICTS else ""
    said = f"main has changed them too since: {names}{more}. It cannot be merged like this."
    return tag("div", tag("strong", "Conflicts with main. "), said, class_="sheet wrong")


def _merging(view: View, number: int) -> Html:
    """How a pull request is merged: pages change nothing, as they know nobody's token."""
    repo = view.repo
    typed = (
        f"export HF_ENDPOINT={view.call.base}\n"
        "export HF_TOKEN=...\n"
        f"hf discussions merge {repo.full_name} {number} --type {repo.kind}"
    )
    return tag("div", tag("p", "To merge it, type"), tag("pre", typed), class_="sheet")


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
            tag("bdi", data["subject"]),
        )
    elif event["kind"] == "status-change":
        what = f"set the status to {data['status']}"
    else:
        what = join("renamed it to ", tag("bdi", data["to"]))
    return tag("p", what, " · ", tag("span", who, class_="soft"))
