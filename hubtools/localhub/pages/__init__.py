"""HTML pages for the person at this machine: what is on this Hub, and how it would look.

With `open_pages` (the default) they show private repositories as well, marked as such: only
programs of this machine can reach them, and a browser has no token to show. Links to the files of
a private repository carry a key. Without it private repositories have no page.
"""

from __future__ import annotations

from hubtools.localhub.http import Router
from hubtools.localhub.names import repo_prefix
from hubtools.localhub.pages import files, home, html, repo, talk
from hubtools.localhub.pages.frame import page


def add_routes(router: Router) -> None:
    router.add("GET", "-/style.css", html.stylesheet)
    router.add("GET", "", page(home.index))
    for kind in ("dataset", "space", "model"):
        base = f"{repo_prefix(kind)}{{ns}}/{{name}}"
        router.add("GET", base, page(repo.show, kind))
        router.add("GET", f"{base}/tree/{{rev}}/{{path*}}", page(files.tree, kind))
        router.add("GET", f"{base}/blob/{{rev}}/{{path*}}", page(files.blob, kind))
        router.add("GET", f"{base}/commits/{{rev}}", page(files.commits, kind))
        router.add("GET", f"{base}/commit/{{rev}}", page(files.commit, kind))
        router.add("GET", f"{base}/discussions", page(talk.listing, kind))
        router.add("GET", f"{base}/discussions/{{num}}", page(talk.show, kind))
    router.add("GET", "{ns}", page(home.owner))
