"""A key without which nobody is answered: for a Hub that shows what is not published yet. A browser
is given it in the first address and keeps it as a cookie."""

from __future__ import annotations

import hmac
import secrets

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hubtools.localhub.problems import Problem

_WAY = "/-/in/"


class Door:
    """Lets in whoever has the key."""

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(24)
        # cookies do not know ports: another Hub's of this machine has a name of its own
        self._cookie = f"hubtools-{secrets.token_hex(4)}"

    def address(self, url: str, page: str = "") -> str:
        """That of a page of the Hub at `url`, with the key."""
        return f"{url}{_WAY}{self.key}/{page}"

    def check(self, request: Request) -> Response | None:
        """The answer to a request that brings the key in its address; None for one that may pass.
        Raises `Problem` 403 for any other."""
        path = request.scope["raw_path"].decode("ascii", "replace")
        if path.startswith(_WAY) and request.method == "GET":
            key, _, page = path.removeprefix(_WAY).partition("/")
            if self._fits(key):
                # no path that begins with two slashes: those are other servers
                answer = RedirectResponse("/" + page.lstrip("/\\"), 303)
                answer.set_cookie(self._cookie, self.key, httponly=True, samesite="lax", path="/")
                return answer
        elif self._fits(request.cookies.get(self._cookie)):
            return None
        raise Problem(403, "Open the address that hubtools has printed: it has the key.")

    def _fits(self, key: str | None) -> bool:
        return key is not None and hmac.compare_digest(key.encode(), self.key.encode())
