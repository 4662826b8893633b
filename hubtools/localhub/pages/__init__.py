"""HTML pages for the person at this machine: what is on this Hub, and how it would look.

With `open_pages` (the default) they show private repositories as well, marked as such: only
programs of this machine can reach them, and a browser has no token to show. Links to the files of
a private repository carry a key. Without it private repositories have no page.
"""

from __future__ import annotations

from starlette.responses import Response

from hubtools.localhub.door import Door
from hubtools.localhub.http import Call, Router
from hubtools.localhub.names import repo_prefix
from hubtools.localhub.pages import collected, files, home, html, jobs, repo, talk, viewer
from hubtools.localhub.pages.frame import page, problem_page, wants_html
from hubtools.localhub.pages.laid import Judged
from hubtools.localhub.problems import Problem

__all__ = ["Judged", "add_routes", "at_door", "nothing"]


def add_routes(router: Router) -> None:
    router.add("GET", "-/{asset}", html.asset)
    router.add("GET", "", page(home.index))
    for kind in ("model", "dataset", "space"):
        router.add("GET", f"{kind}s", page(home.listing, kind))
    router.add("GET", "jobs/{ns}", page(jobs.listing))
    router.add("GET", "jobs/{ns}/{job}", page(jobs.show))
    for kind in ("dataset", "space", "model"):
        base = f"{repo_prefix(kind)}{{ns}}/{{name}}"
        router.add("GET", base, page(repo.show, kind))
        router.add("GET", f"{base}/tree/{{rev}}/{{path*}}", page(files.tree, kind))
        router.add("GET", f"{base}/blob/{{rev}}/{{path*}}", page(files.blob, kind))
        router.add("GET", f"{base}/commits/{{rev}}", page(files.commits, kind))
        router.add("GET", f"{base}/commit/{{rev}}", page(files.commit, kind))
        router.add("GET", f"{base}/discussions", page(talk.listing, kind))
        router.add("GET", f"{base}/discussions/{{num}}", page(talk.show, kind))
    router.add("GET", "datasets/{ns}/{name}/viewer", page(viewer.show, "dataset"))
    router.add("GET", "datasets/{ns}/{name}/viewer/{config}/{split}", page(viewer.show, "dataset"))
    router.add("GET", "datasets/{ns}/{name}/cell/{path*}", page(viewer.cell, "dataset"))
    router.add("GET", "collections/{ns}/{slug}", page(collected.show))
    router.add("GET", "{ns}", page(home.owner))


def at_door(door: Door, call: Call) -> Response | None:
    """The answer to who must not pass. None for one who passes: the call goes on behind the key,
    which the links of its page have, too."""
    try:
        call.raw_path = door.within(call.raw_path)
    except Problem as problem:
        if not wants_html(call):
            raise
        said = html.tag("div", html.tag("p", problem.message), class_="sheet")
        return html.document("403", html.tag("h1", "Sorry"), said, status=403)
    call.base += door.prefix
    html.PREFIX.set(door.prefix)
    return None


def nothing(call: Call) -> Response:
    """The answer for an address that no page and no program has."""
    problem = Problem(404, "Sorry, we can't find the page you are looking for.")
    if call.method == "GET" and wants_html(call):
        return problem_page(call, problem)
    raise problem
