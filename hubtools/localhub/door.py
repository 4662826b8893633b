"""A key without which nobody is answered: for a Hub that shows what is not published yet. Every
address begins with it. A cookie would go to other servers of this machine, too: cookies know no
ports."""

from __future__ import annotations

import hmac
import secrets

from hubtools.localhub.problems import Problem
from hubtools.peers import is_of_another

_WAY = "/-/in/"


class Door:
    """Lets in whoever has the key. `prefix`: how every address of the Hub begins."""

    def __init__(self) -> None:
        self._key = secrets.token_urlsafe(24)
        self.prefix = f"{_WAY}{self._key}"

    def address(self, url: str, page: str = "") -> str:
        """That of a page of the Hub at `url`, with the key."""
        return f"{url}{self.prefix}/{page}"

    def keep_out(self, client: tuple[str, int] | None, server: tuple[str, int]) -> None:
        """Raises `Problem` 403 for another user of this machine, who may have the key from the
        words of the browser's process."""
        if client is not None and is_of_another(client[1], server[1]):
            raise Problem(403, "These pages are for the user who has started them.")

    def within(self, raw_path: str) -> str:
        """The path behind the key. Raises `Problem` 403 for one without it."""
        key, slash, path = raw_path.removeprefix(_WAY).partition("/")
        if raw_path.startswith(_WAY) and hmac.compare_digest(key.encode(), self._key.encode()):
            return slash + path or "/"
        raise Problem(403, "Open the address that hubtools has printed: it has the key.")
