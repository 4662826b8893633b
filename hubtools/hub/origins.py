"""The token of the Hub goes to the Hub, and to no other server that an answer of it names.

The client sends the token along with the next page of a list, with the question whether a large
file has arrived, and with the question for a token of Xet, wherever these addresses lead; a 307
has it send a commit, or the identity of a workflow, once more. A server that a program itself asks
(`HfApi(endpoint=...)`) before any answer has named it may have the token.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from hubtools.errors import HubtoolsError
from hubtools.patterns import regex

PUBLIC = ("https://huggingface.co", "https://hf.co")  # a mirror may lead to it
_PORTS = {"http": 80, "https": 443}
_XET_LINK, _XET_ROUTE = "xet-auth", "x-xet-refresh-route"
_XET_HEADERS = ("x-xet-hash", _XET_ROUTE, "link")
_HASH = regex(r"[0-9a-f]{64}")
# That libraries in Python and Rust read as one: no name before the host, no backslash, no space.
_PLAIN = regex(r"https?://[A-Za-z0-9._\[\]:-]+(?:[/?][\x21-\x5b\x5d-\x7e]*)?")
_REPEATED = (307, 308)  # the same is sent once more, with its body


class LedElsewhere(HubtoolsError):
    """Something that is for the Hub alone would be sent to another server."""

    default_code = "hub-failed"


class Origin(NamedTuple):
    """What tells a server from others."""

    scheme: str
    host: str
    port: int


_asked: set[Origin] = set()  # by the program itself, with a token
_named: set[Origin] = set()  # by an answer, before anybody asked them


def refuse_elsewhere(request: Any) -> None:
    """Raises `LedElsewhere` for a request that carries a token and goes where an answer has led.
    A name and a password (`Basic`) are those of the address itself, but those of the Hub's are for
    the Hub."""
    said = request.headers.get("authorization", "")
    origin = _origin(request.url)
    if not said or origin is None or origin in _trusted():
        return
    if said.lower().startswith("basic"):
        if said == _password():
            raise _elsewhere(origin, "your password")
        return
    if origin in _named:
        raise _elsewhere(origin, "your token")
    _asked.add(origin)


def without_leads(answer: Any, request: Any) -> None:
    """Note where an answer leads, and take out what would have the library for Xet, which asks by
    itself, send the token to another server; the file is fetched without it then. Raises
    `LedElsewhere` if a request with a body is to be repeated at a server that is not asked."""
    location = answer.headers.get("location")
    links = _links(answer)
    note(request, *filter(None, (location, *links.values())))
    if location and answer.status_code in _REPEATED and request.method not in ("GET", "HEAD"):
        onward = _origin(request.url, location)
        here = _origin(request.url)
        if (onward is None or onward in _named) and here not in _named:
            raise _elsewhere(onward, "what you send")
    route = links.get(_XET_LINK, answer.headers.get(_XET_ROUTE))
    if route is not None:
        note(request, route)
        leads_to = _origin(request.url, route) if _PLAIN.fullmatch(route) else None
        marked = _HASH.fullmatch(answer.headers.get("x-xet-hash", "")) is not None
        if leads_to is None or leads_to in _named or not marked:
            for name in _XET_HEADERS:
                if name in answer.headers:
                    del answer.headers[name]


def note_actions(said: Any, request: Any) -> None:
    """Note where an answer of LFS (wherever its question was led) has files sent, and asked for."""
    if isinstance(said, dict):
        note(request, *_hrefs(said.get("objects")))


def note(request: Any, *addresses: str) -> None:
    """Remember the servers of these addresses, which an answer to `request` names: as they stand,
    and with the Hub that is set in the place of the public one, as the client asks them."""
    if not addresses:
        return
    from huggingface_hub.utils._http import fix_hf_endpoint_in_url

    known = _trusted() | _asked | {_origin(request.url)}
    forms = {*addresses, *(fix_hf_endpoint_in_url(one, None) for one in addresses)}
    _named.update(
        origin
        for address in forms
        if (origin := _origin(request.url, address)) is not None and origin not in known
    )


def _hrefs(value: Any) -> Iterator[str]:
    """All addresses in it, however deep they lie."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if isinstance(one.get("href"), str):
                yield one["href"]
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _links(answer: Any) -> dict[str, str]:
    """The addresses of a `Link` header by what they are."""
    if not answer.headers.get("link"):
        return {}
    return {name: str(link.get("url", "")) for name, link in answer.links.items()}


def _trusted() -> frozenset[Origin | None]:
    """The Hub that is set and the public one, and what tells a workflow its identity."""
    from huggingface_hub import constants

    return _origins_of(constants.ENDPOINT, os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL", ""))


@lru_cache(maxsize=8)
def _origins_of(hub: str, identity: str) -> frozenset[Origin | None]:
    known = [hub, *PUBLIC, identity]
    known += [one.replace("http:", "https:", 1) for one in known if one.startswith("http:")]
    return frozenset(_origin(one) for one in known) - {None}


def _password() -> str | None:
    """The name and the password in the Hub's address, as a header says them."""
    import httpx2
    from huggingface_hub import constants

    hub = httpx2.URL(constants.ENDPOINT)
    if not hub.userinfo:
        return None
    pair = b64encode(f"{hub.username}:{hub.password}".encode()).decode("ascii")
    return f"Basic {pair}"


def _origin(url: Any, onward: str = "") -> Origin | None:
    import httpx2

    try:
        found = httpx2.URL(url).join(onward)
    except (httpx2.InvalidURL, ValueError, TypeError):
        return None
    if not found.host:
        return None
    return Origin(found.scheme, found.host.lower(), found.port or _PORTS.get(found.scheme, 0))


def _elsewhere(origin: Origin | None, what: str) -> LedElsewhere:
    address = f"{origin.scheme}://{origin.host}:{origin.port}" if origin else "another server"
    return LedElsewhere(
        f"The Hub's answer leads on to {address}, and {what} would be sent there; it was not.",
        hint="check HF_ENDPOINT: a Hub does not do that",
    )
