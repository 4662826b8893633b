"""What the pages of a repository have in common: who may open them, head, tabs."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from hubtools.localhub.access import find_repo, may_see
from hubtools.localhub.downloads import page_key
from hubtools.localhub.http import Call, Handler
from hubtools.localhub.model import Repo, Snapshot
from hubtools.localhub.names import RESERVED, is_name
from hubtools.localhub.pages.card import Place
from hubtools.localhub.pages.html import Html, document, join, link, path, tag
from hubtools.localhub.problems import Problem, repo_not_found


def page(handler: Handler, kind: str = "model") -> Handler:
    """A handler whose problems are shown as a page, unless the address is no page's."""

    def with_errors(call: Call) -> Response:
        call.params.setdefault("kind", kind)
        if call.params.get("ns", "").lower() in RESERVED:
            raise Problem(404, "Sorry, we can't find the page you are looking for.")
        try:
            return handler(call)
        except Problem as problem:
            if "text/html" not in call.headers.get("accept", ""):
                raise
            return document(
                str(problem.status),
                tag("h1", "There is nothing here" if problem.status in (401, 404) else "Sorry"),
                tag("div", tag("p", problem.message), class_="sheet"),
                status=404 if problem.status == 401 else problem.status,
            )

    return with_errors


def visible_repo(call: Call) -> Repo:
    """The repository of the page. Raises `Problem` if it has none for this caller."""
    kind, namespace, name = (call.params[key] for key in ("kind", "ns", "name"))
    if not call.hub.open_pages:
        return find_repo(call, kind, namespace, name)
    found = (
        call.hub.store.find(kind, namespace, name) if is_name(namespace) and is_name(name) else None
    )
    if found is None:
        raise repo_not_found(call.user is None)
    return found


def shows(call: Call, repo: Repo) -> bool:
    """True if the pages may show `repo`."""
    return call.hub.open_pages or may_see(call.user, repo)


@dataclass(frozen=True)
class View:
    """A page about a repository at a revision."""

    call: Call
    repo: Repo
    snapshot: Snapshot

    @classmethod
    def of(cls, call: Call) -> View:
        """The view a request asks for; `main` if it names no revision."""
        repo = visible_repo(call)
        return cls(call, repo, call.hub.store.snapshot(repo, call.params.get("rev", "main")))

    @property
    def place(self) -> Place:
        """Where links lead."""
        closed = self.repo.private or self.repo.gated
        key = page_key(self.call, self.repo) if closed and self.call.hub.open_pages else None
        return Place(self.snapshot, key)

    def href(self, *segments: str) -> str:
        """An address below the repository's page."""
        return path(self.repo.url_path, *segments)

    def document(self, here: str, *body: object) -> Response:
        """The page: title, tabs with `here` marked, body."""
        tabs = [
            ("card", "Card", self.href()),
            ("files", "Files", self.href("tree", "main")),
            ("commits", "History", self.href("commits", "main")),
            ("talk", "Discussions", self.href("discussions")),
        ]
        return document(
            f"{self.repo.full_name} · {self.repo.kind}",
            heading(self.repo),
            tag(
                "nav",
                *(
                    link(href, label, class_="here" if key == here else None)
                    for key, label, href in tabs
                ),
                class_="tabs",
            ),
            *body,
        )


def heading(repo: Repo) -> Html:
    """`owner/name` with its badges."""
    return tag(
        "h1",
        link(path(repo.namespace), tag("span", f"{repo.namespace}/", class_="owner")),
        repo.name,
        badges(repo),
    )


def badges(repo: Repo, *, kind: bool = True) -> Html:
    """What is special about a repository; and of which kind it is."""
    return join(
        tag("span", repo.kind, class_="badge") if kind else None,
        tag("span", "private", class_="badge private") if repo.private else None,
        tag("span", "gated", class_="badge") if repo.gated else None,
        tag("span", "mounted, read-only", class_="badge") if repo.mount else None,
    )


def moment(date: str) -> str:
    """`2026-01-02 03:04 UTC`."""
    return f"{date[:10]} {date[11:16]} UTC"
