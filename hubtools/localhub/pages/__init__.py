"""HTML pages for the person at this machine."""

from __future__ import annotations

from hubtools.localhub.http import Router


def add_routes(router: Router) -> None:
    del router
