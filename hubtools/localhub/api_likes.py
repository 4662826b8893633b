"""Likes over HTTP."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from starlette.responses import Response

from hubtools.localhub import likes
from hubtools.localhub.access import check_contribute, may_see, repo_of
from hubtools.localhub.http import Call, Router, answer
from hubtools.localhub.model import Repo
from hubtools.localhub.problems import Problem


def like(call: Call) -> Response:
    return _changed(call, likes.like)


def unlike(call: Call) -> Response:
    return _changed(call, likes.unlike)


def _changed(call: Call, change: Callable[[sqlite3.Connection, Repo, str], None]) -> Response:
    repo = repo_of(call)
    user = check_contribute(call, repo)
    with call.hub.store.database.writing() as connection:
        change(connection, repo, user.name)
    return answer({"success": True})


def likers(call: Call) -> Response:
    repo = repo_of(call)
    with call.hub.store.database.reading() as connection:
        names = likes.likers(connection, repo)
    return answer(
        [
            {"user": name, "fullname": call.hub.accounts.fullname(name), "avatarUrl": ""}
            for name in names
        ]
    )


def liked(call: Call) -> Response:
    """What a user likes, as far as the caller may see it."""
    name = call.params["user"]
    if not any(user.name == name for user in call.hub.accounts.users):
        raise Problem(404, f"There is no user {name}")
    store, found = call.hub.store, []
    with store.database.reading() as connection:
        for number, created in likes.liked_by(connection, name):
            repo = store.repo_of_id(connection, number)
            if repo is not None and may_see(call.user, repo):
                what = {"name": repo.full_name, "type": repo.kind}
                found.append({"createdAt": created, "repo": what})
    return answer(found)


def add_routes(router: Router) -> None:
    repo = "api/{kinds}/{ns}/{name}"
    router.add("POST", f"{repo}/like", like)
    router.add("DELETE", f"{repo}/like", unlike)
    router.add("GET", f"{repo}/likers", likers)
    router.add("GET", "api/users/{user}/likes", liked)
