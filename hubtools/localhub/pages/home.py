"""The lists of repositories."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from hubtools.findings import plural
from hubtools.localhub import cardyaml, collection
from hubtools.localhub.http import Call
from hubtools.localhub.info import likes_of, strings
from hubtools.localhub.model import Repo
from hubtools.localhub.names import KIND_OF_PLURAL
from hubtools.localhub.pages.frame import View, badges, moment, paged, shows
from hubtools.localhub.pages.html import Html, document, join, link, path, tag, text
from hubtools.localhub.pages.pictures import pictures_of
from hubtools.localhub.problems import Problem

_SHOWN = 200  # on a page


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


def listing(call: Call) -> Response:
    """Everything of one kind."""
    kind = call.params["kind"]
    repos = [repo for repo in call.hub.store.repos(kind) if shows(call, repo)]
    title = f"{kind.capitalize()}s"
    empty = tag("div", tag("p", f"No {kind}s yet."), class_="sheet")
    shown = _list(call, repos) if repos else empty
    return document(title, tag("h1", title), shown)


def owner(call: Call) -> Response:
    """Everything of one owner."""
    name = call.params["ns"]
    repos = [
        repo for repo in call.hub.store.repos() if repo.namespace == name and shows(call, repo)
    ]
    if not repos and name not in call.hub.accounts.namespaces:
        raise Problem(404, f"There is nobody called {name} here.")
    return document(name, tag("h1", name), _lists(call, repos), _collections(call, name))


def _collections(call: Call, owner: str) -> Html | None:
    """Links to the collections of an owner; None without any."""
    with call.hub.store.database.reading() as connection:
        rows = collection.listing(connection, [owner], [])
    opens = call.hub.open_pages
    items = [
        tag(
            "li",
            tag(
                "div",
                link(
                    path("collections", *collection.slug_of(row).split("/")),
                    tag("strong", row["title"]),
                ),
                tag("span", "private", class_="badge") if row["private"] else None,
                tag("span", row["description"], class_="soft") if row["description"] else None,
            ),
        )
        for row in rows
        if opens or collection.may_open(call.user, row)
    ]
    if not items:
        return None
    shown = tag("div", tag("ul", *items, class_="repos"), class_="sheet flush")
    return join(tag("h2", "Collections"), shown)


def _lists(call: Call, repos: Sequence[Repo]) -> Html:
    parts: list[Html] = []
    for plural_, kind in KIND_OF_PLURAL.items():
        some = [repo for repo in repos if repo.kind == kind]
        if some:
            parts.append(tag("h2", plural_.capitalize()))
            parts.append(_list(call, some))
    return join(*parts) if parts else tag("div", "Nothing yet.", class_="sheet")


def _list(call: Call, repos: Sequence[Repo]) -> Html:
    here, others = paged(call, repos, _SHOWN)
    items = [repo_item(call, repo) for repo in here]
    return join(tag("div", tag("ul", *items, class_="repos"), class_="sheet flush"), others)


def repo_item(call: Call, repo: Repo, said: Html | None = None) -> Html:
    """A repository with its first picture, what it is, and what somebody said of it."""
    picture, facts, note = None, "", text("no main branch")
    try:
        view = View(call, repo, call.hub.store.snapshot(repo))
    except Problem:
        pass
    else:
        commit = view.snapshot.commit
        note = join(tag("bdi", commit.title), f" · {moment(commit.date)}")
        data = call.hub.store.read_small(view.snapshot, "README.md")
        card = cardyaml.metadata(data.decode("utf-8", "replace")) if data else {}
        names = pictures_of(view, card)
        if names and not view.gated:
            picture = tag("img", src=view.place.file(names[0]), alt="", loading="lazy")
        told = [*strings(card.get("pipeline_tag")), *strings(card.get("license"))]
        if repo.kind == "dataset" and names:
            told.insert(0, plural(len(names), "picture"))
        told += [f"based on {base}" for base in strings(card.get("base_model"))[:1]]
        if number := likes_of(call.hub.store, repo):
            told.append(plural(number, "like"))
        facts = " · ".join(told)
    return tag(
        "li",
        tag("span", picture, class_="thumb"),
        tag(
            "div",
            link(path(repo.url_path), tag("strong", repo.full_name)),
            badges(repo, kind=False),
            tag("span", facts, class_="soft") if facts else None,
            tag("span", note, class_="soft"),
            said,
        ),
    )
