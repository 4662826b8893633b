"""What the pages of a repository have in common: who may open them, head, tabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from hubtools.findings import Finding
from hubtools.localhub.access import check_gate, find_repo, may_see
from hubtools.localhub.downloads import page_key
from hubtools.localhub.http import Call, Handler
from hubtools.localhub.model import Moved, Repo, Snapshot
from hubtools.localhub.names import KIND_OF_PLURAL, RESERVED, is_name, repo_prefix
from hubtools.localhub.pages.html import Html, document, join, link, pager, path, tag
from hubtools.localhub.pages.laid import Judged
from hubtools.localhub.pages.place import Place
from hubtools.localhub.problems import Problem, repo_not_found


def page(handler: Handler, kind: str = "model") -> Handler:
    """A handler whose problems are shown as a page, unless the address is no page's."""

    def with_errors(call: Call) -> Response:
        call.params.setdefault("kind", kind)
        try:
            if call.params.get("ns", "").lower() in RESERVED:
                raise Problem(404, "Sorry, we can't find the page you are looking for.")
            return handler(call)
        except Problem as problem:
            if not wants_html(call):
                raise
            return problem_page(call, problem)

    return with_errors


def wants_html(call: Call) -> bool:
    """Whether a browser asks, not a program."""
    return "text/html" in call.headers.get("accept", "")


def problem_page(call: Call, problem: Problem) -> Response:
    """What is wrong, and where to go from here."""
    closed = problem.code == "GatedRepo"
    status = 403 if closed else 404 if problem.status == 401 else problem.status
    message = _said(call, problem) if problem.status in (401, 404) else problem.message
    return document(
        str(status),
        tag("h1", "There is nothing here" if status == 404 else "Sorry"),
        tag(
            "div",
            tag("p", message),
            tag("p", *_ways(call)),
            class_="sheet",
        ),
        status=status,
    )


def _said(call: Call, problem: Problem) -> str:
    """What is missing. To a program a missing repository is 'Invalid username or password'; a
    person is told which it is."""
    kind, namespace, name = (call.params.get(key, "") for key in ("kind", "ns", "name"))
    if problem.code == "GatedRepo":
        return f"{namespace}/{name} is gated: its files are for who was given access."
    if problem.code == "RepoNotFound":
        others = [
            other
            for other in KIND_OF_PLURAL.values()
            if other != kind and has(call, other, namespace, name)
        ]
        but = f" There is a {others[0]} of that name." if others else ""
        return f"This Hub has no {kind} {namespace}/{name}.{but}"
    if problem.code == "RevisionNotFound":
        return f"{namespace}/{name} has no branch, tag or commit {call.params.get('rev')}."
    if problem.code == "EntryNotFound" and problem.message == "Entry not found":
        where = f"{namespace}/{name} at {call.params.get('rev', 'main')}"
        return f"There is no file {call.params.get('path')} in {where}."
    return problem.message


def _ways(call: Call) -> list[object]:
    namespace, name = call.params.get("ns", ""), call.params.get("name", "")
    ways: list[object] = [link("/", "All repositories")]
    for other in KIND_OF_PLURAL.values():
        if has(call, other, namespace, name):
            where = path(f"{repo_prefix(other)}{namespace}/{name}")
            ways += [" · ", link(where, f"the {other} {namespace}/{name}")]
    if any(shows(call, r) for r in call.hub.store.repos() if r.namespace == namespace):
        ways += [" · ", link(path(namespace), f"all of {namespace}")]
    return ways


def has(call: Call, kind: str, namespace: str, name: str) -> bool:
    """Whether this Hub has a repository that this caller may see."""
    if not is_name(namespace) or not is_name(name):
        return False
    try:
        found = call.hub.store.find(kind, namespace, name)
    except Moved as moved:
        found = moved.repo
    return found is not None and shows(call, found)


def visible_repo(call: Call) -> Repo:
    """The repository of the page. Raises `Problem` if it has none for this caller."""
    kind, namespace, name = (call.params[key] for key in ("kind", "ns", "name"))
    if not call.hub.open_pages:
        return find_repo(call, kind, namespace, name)
    if is_name(namespace) and is_name(name):
        found = call.hub.store.find(kind, namespace, name)
        if found is not None:
            return found
    raise repo_not_found(call.user is None)


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

    @classmethod
    def within(cls, call: Call) -> View:
        """`of` for a page that shows what is in files. Raises `Problem` too where `gated` is."""
        view = cls.of(call)
        if view.gated:
            check_gate(call, view.repo)
        return view

    @cached_property
    def gated(self) -> bool:
        """True if what is in the files, but for the card, is not for this caller."""
        if self.call.hub.open_pages:
            return False
        try:
            check_gate(self.call, self.repo)
        except Problem:
            return True
        return False

    @property
    def place(self) -> Place:
        """Where links lead."""
        closed = self.repo.private or self.repo.gated
        key = page_key(self.call, self.repo) if closed and self.call.hub.open_pages else None
        store = None if self.gated else self.call.hub.store
        return Place(self.snapshot, key, store, partial(has, self.call))

    @property
    def judged(self) -> Judged | None:
        """What checks say; None of a Hub that has none."""
        judged = self.call.hub.judged
        return judged if isinstance(judged, Judged) and not self.gated else None

    def about_files(self, *, rows: bool = False) -> dict[str, list[Finding]]:
        """What checks find in the card and in the files, by file; with `rows` in the records of a
        dataset too, for which it is read."""
        found: dict[str, list[Finding]] = {}
        if self.judged is None:
            return found
        every = [*self.judged.card(self.snapshot), *self.judged.files(self.snapshot)]
        if self.repo.kind == "dataset":
            every += self.judged.records(self.snapshot, read=rows)
        for one in every:
            found.setdefault(one.path or "", []).append(one)
        return found

    def href(self, *segments: str) -> str:
        """An address below the repository's page."""
        return path(self.repo.url_path, *segments)

    def document(self, here: str, *body: object) -> Response:
        """The page: title, tabs with `here` marked, body."""
        tabs = [
            ("card", "Card", self.href()),
            *(
                [("viewer", "Viewer", self.href("viewer"))]
                if self.repo.kind == "dataset" and self.judged is not None
                else []
            ),
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


T = TypeVar("T")


def paged(call: Call, items: Sequence[T], size: int) -> tuple[Sequence[T], Html | None]:
    """Those of the page that `?p=` asks for, the last one if there are not so many, and links to
    the pages beside it."""
    pages = max(1, -(-len(items) // size))
    page = min(call.number("p", 0, 1_000_000_000), pages - 1)

    def to(number: int) -> str:
        return f"?{urlencode({**call.query, 'p': [str(number)]}, doseq=True)}"

    return items[page * size : (page + 1) * size], pager(page, pages, to)


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
