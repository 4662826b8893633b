"""Requests, answers and routes. Paths are split before they are decoded, so that `%2F` inside a
branch or a file name is no separator."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode

from starlette.responses import JSONResponse, Response

from hubtools.files import json_value
from hubtools.localhub.accounts import Accounts, User
from hubtools.localhub.jobs import Jobs
from hubtools.localhub.names import KIND_OF_PLURAL
from hubtools.localhub.problems import Problem
from hubtools.localhub.publishers import Publishers
from hubtools.localhub.store import Store

MAX_JSON_BODY = 32 * 1024 * 1024
_MOST_OF_ANYBODY = 8 * 1024 * 1024  # bytes that are taken from who shows no token
XET = "_xet"  # the first word of addresses of Xet, which have tokens of their own
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Hub:
    """What the handlers work on. `open_pages`: the pages show private repositories too. `judged`:
    what checks say of repositories (`pages.laid.Judged`), for the pages. `jobs`: None if it runs
    none."""

    store: Store
    accounts: Accounts
    open_pages: bool = True
    publishers: Publishers | None = None
    judged: object = None
    jobs: Jobs | None = None


@dataclass
class Call:
    """One request as the handlers see it."""

    hub: Hub
    method: str
    raw_path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    base: str  # http://127.0.0.1:1234, as the client wrote it
    user: User | None
    params: dict[str, str] = field(default_factory=dict)
    body: tempfile.SpooledTemporaryFile[bytes] | None = None

    def flag(self, name: str) -> bool:
        """True for `?name=1`, `=true`, `=True`."""
        return self.query.get(name, [""])[-1].lower() in ("1", "true", "yes")

    def text(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return self.query.get(name, [default])[-1]

    def values(self, name: str) -> list[str]:
        """Every value of a query parameter, written `name=` or `name[]=`."""
        return [*self.query.get(name, []), *self.query.get(f"{name}[]", [])]

    def number(self, name: str, default: int, most: int) -> int:
        """A query parameter that is a whole number from 0 to `most`."""
        text = self.text(name, str(default))
        if not text.isdecimal() or len(text) > 12:
            raise Problem(400, f'"{name}" must be a whole number.')
        return min(int(text), most)

    def bytes(self, most: int = MAX_JSON_BODY) -> bytes:
        """The whole body. Raises `Problem` 413 if it has more than `most` bytes."""
        if self.body is None:
            return b""
        self.body.seek(0)
        data = self.body.read(most + 1)
        if len(data) > most:
            raise Problem(413, f"The request is larger than {most >> 20} MiB.")
        return data

    def range(self, size: int) -> tuple[int, int] | None:
        """(first byte, byte behind the last) of the one range that is asked for; None for all of
        `size` bytes. Raises `Problem` 416."""
        asked = self.headers.get("range")
        match = _RANGE.fullmatch(asked.strip()) if asked else None
        # Anything but one plain range may be ignored (RFC 9110, 14.2).
        if match is None or not (match[1] or match[2]):
            return None
        if match[1]:
            start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        else:
            start, end = max(size - int(match[2]), 0), size
        if start >= end:
            headers = {"Content-Range": f"bytes */{size}"}
            raise Problem(416, f"The file has {size} bytes.", headers=headers)
        return start, end

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} if it is empty."""
        data = self.bytes()
        if not data.strip():
            return {}
        try:
            value = json_value(data)
        except ValueError:
            raise Problem(400, "The request's body is not JSON.") from None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise Problem(400, "The request's body must be a JSON object.")
        return value

    def form(self) -> dict[str, list[str]]:
        """The body as a form, or as JSON whose values are wrapped in lists."""
        if "json" in self.headers.get("content-type", ""):
            return {
                key: [str(item) for item in value] if isinstance(value, list) else [str(value)]
                for key, value in self.json().items()
            }
        return parse_query(self.bytes().decode("utf-8", "replace"))

    def require_user(self) -> User:
        """Who is asking. Raises `Problem` 401 if nobody says."""
        if self.user is None:
            raise Problem(401, "Invalid username or password.")
        return self.user

    def url(self, path: str) -> str:
        """An absolute URL on this Hub under the name the client knows it by."""
        return f"{self.base}/{quote(path)}"

    def link(self, query: Mapping[str, list[str]]) -> str:
        """A `Link` header to the next page: this address with another query."""
        path = quote(self.raw_path, safe="/%!$&'()*+,;=:@~")
        return f'<{self.base}{path}?{urlencode(query, doseq=True)}>; rel="next"'


Handler = Callable[[Call], Response]
# Is called with the bytes of a body that have come, before they are kept.
# Raises `Problem` for more than this caller may send.
Check = Callable[[Call, int], None]


def check_size(call: Call, size: int) -> None:
    """Nobody fills the disk who may not write: without a token one may ask about what is public."""
    if call.user is None and size > _MOST_OF_ANYBODY:
        raise Problem(401, "Invalid username or password.")
    if call.user is not None and call.user.role != "write" and size > MAX_JSON_BODY:
        raise Problem(403, "This token has read access only: the operation needs a write token")


@dataclass(frozen=True)
class Route:
    """`GET api/{kinds}/{ns}/{name}/tree/{rev}/{path*}`: `{kinds}` is models, datasets or spaces,
    `{x*}` takes what is left, even nothing."""

    method: str
    segments: tuple[str, ...]
    handler: Handler
    check: Check = check_size

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Parameters if the decoded `segments` fit."""
        params: dict[str, str] = {}
        for index, pattern in enumerate(self.segments):
            if pattern.endswith("*}"):
                params[pattern[1:-2]] = "/".join(segments[index:])
                return params
            if index >= len(segments):
                return None
            segment = segments[index]
            if pattern == "{kinds}":
                if segment not in KIND_OF_PLURAL:
                    return None
                params["kind"] = KIND_OF_PLURAL[segment]
            elif pattern.startswith("{"):
                if not segment or (index == 0 and segment == "api"):  # nobody is called that
                    return None
                params[pattern[1:-1]] = segment
            elif pattern != segment:
                return None
        return params if len(segments) == len(self.segments) else None


class Router:
    """An ordered list of routes."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def add(self, method: str, path: str, handler: Handler, check: Check = check_size) -> None:
        """Later routes are tried later."""
        self.routes.append(Route(method, tuple(path.split("/")), handler, check))

    def find(self, method: str, segments: list[str]) -> tuple[Route, dict[str, str]] | None:
        """The route of a request. Raises `Problem` 405 if only other methods would do."""
        others: set[str] = set()
        for route in self.routes:
            params = route.match(segments)
            if params is None:
                continue
            if route.method == method or (method == "HEAD" and route.method == "GET"):
                return route, params
            others.add(route.method)
        if others:
            allowed = ", ".join(sorted(others))
            raise Problem(405, f"{method} is not for this address.", headers={"Allow": allowed})
        return None


def split_path(raw_path: str) -> list[str]:
    """Decoded segments of a path, without the empty ones before the first and after the last
    slash. A revision `refs/pr/1` written with plain slashes becomes one segment."""
    text = raw_path.removeprefix("/")
    segments = [unquote(segment, errors="strict") for segment in text.split("/")]
    while len(segments) > 1 and segments[-1] == "":
        segments.pop()
    for index in range(1, len(segments) - 2):
        if (
            segments[index] == "refs"
            and segments[index + 1] in ("pr", "heads", "tags", "convert")
            and segments[index - 1] in _BEFORE_REVISION
        ):
            segments[index : index + 3] = ["/".join(segments[index : index + 3])]
            break
    return segments


_BEFORE_REVISION = {"resolve", "raw", "tree", "blob", "commits", "revision", "preupload", "commit"}


def parse_query(text: str) -> dict[str, list[str]]:
    """{name: values} of a query string or form."""
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=20_000)
    except ValueError:
        raise Problem(400, "The query has too many fields.") from None


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON."""
    return JSONResponse(value, status, dict(headers or {}))


def problem_answer(problem: Problem) -> Response:
    """The JSON and headers of a `Problem`."""
    # A header can hold printable ASCII only; what somebody sent may hold anything.
    sentence = " ".join(problem.message.split()).encode("ascii", "backslashreplace").decode()
    headers = {"X-Error-Message": re.sub(r"[^ -~]", "?", sentence)[:2000]}
    if problem.code:
        headers["X-Error-Code"] = problem.code
    return answer(
        {"error": problem.message, **problem.body}, problem.status, headers | problem.headers
    )
