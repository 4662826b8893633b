"""The lists of repositories."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from hubtools.localhub.http import Call
from hubtools.localhub.model import Repo
from hubtools.localhub.pages.frame import badges, moment, shows
from hubtools.localhub.pages.html import Html, document, join, link, path, tag
from hubtools.localhub.problems import Problem


def index(call: Call) -> Response:
    """Everything on this Hub."""
    repos = [repo for repo in call.hub.store.repos() if shows(call, repo)]
    if not repos:
        return document(
            "Embedded Hub",
            tag("h1", "No repositories yet"),
            tag(
                "div",
                tag("p", "Point a client at this Hub and push something:"),
                tag(
                    "pre",
                    f"export HF_ENDPOINT={call.base}\n"
                    f"export HF_TOKEN=...\n"
                    f"export HF_HUB_DISABLE_XET=1\n"
                    f"hf upload me/first-repo .",
                ),
                class_="sheet",
            ),
        )
    return document("Embedded Hub", tag("h1", "Repositories"), _lists(call, repos))


def owner(call: Call) -> Response:
    """Everything of one owner."""
    name = call.params["ns"]
    repos = [
        repo for repo in call.hub.store.repos() if repo.namespace == name and shows(call, repo)
    ]
    if not repos and name not in call.hub.accounts.namespaces:
        raise Problem(404, f"There is nobody called {name} here.")
    return document(name, tag("h1", name), _lists(call, repos))


def _lists(call: Call, repos: Sequence[Repo]) -> Html:
    parts: list[Html] = []
    for kind, title in (("model", "Models"), ("dataset", "Datasets"), ("space", "Spaces")):
        some = [repo for repo in repos if repo.kind == kind]
        if some:
            items = [_item(call, repo) for repo in some]
            parts.append(tag("h2", title))
            parts.append(tag("div", tag("ul", *items, class_="repos"), class_="sheet flush"))
    return join(*parts) if parts else tag("div", "Nothing yet.", class_="sheet")


def _item(call: Call, repo: Repo) -> Html:
    try:
        commit = call.hub.store.snapshot(repo).commit
        note = f"{commit.title} · {moment(commit.date)}"
    except Problem:
        note = "no main branch"
    return tag(
        "li",
        link(path(repo.url_path), tag("strong", repo.full_name)),
        badges(repo, kind=False),
        tag("span", note, class_="soft"),
    )
