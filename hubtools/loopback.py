"""The server of a page: this machine only, one person, one token.

Every address begins with a token that only the command prints. What comes under another name of
this machine (a page of elsewhere whose name was made to point here), from another origin, from
another user, or without the token gets nothing. Nothing is loaded from elsewhere: the page's policy
forbids it.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import unquote

from hubtools.causes import of_system
from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.peers import is_of_another

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_COMMON = {
    "Content-Security-Policy": CSP,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_MOST = 32 * 1024 * 1024  # bytes of what the page sends
_LENGTH = re.compile(r"[0-9]{1,15}")
_AT_ONCE = 32  # connections
_IDLE = 60  # seconds that a connection may rest
_LEAVING = 60.0  # seconds for the connection at the door


_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class Answer:
    """What goes back: bytes, their type, and how long the browser may keep them."""

    def __init__(
        self, body: bytes, kind: str, status: int = HTTPStatus.OK, *, kept: bool = False
    ) -> None:
        self.body, self.kind, self.status, self.kept = body, kind, status, kept

    @classmethod
    def json(cls, value: Any, status: int = HTTPStatus.OK) -> Answer:
        """A JSON value; names of files may hold half characters, which stay escapes."""
        return cls(json.dumps(value).encode("ascii"), "application/json", status)


class Files:
    """The files of a page, which lie in the folder `page` of a package."""

    def __init__(self, package: str) -> None:
        self._found = {
            file.name: file.read_bytes()
            for file in resources.files(package).joinpath("page").iterdir()
            if file.name.rpartition(".")[2] in _TYPES
        }

    def get(self, parts: list[str]) -> Answer | None:
        """That of an address; the first page has none."""
        name = parts[0] or "index.html"
        if len(parts) != 1 or name not in self._found:
            return None
        return Answer(self._found[name], _TYPES[name.rpartition(".")[2]])


def refusal(status: int, message: str) -> Answer:
    """An error in a sentence."""
    return Answer.json({"error": message}, status)


def _told(error: HubtoolsError) -> Answer:
    value = {"error": error.message, "hint": error.hint, "code": error.code}
    return Answer.json(value, HTTPStatus.CONFLICT)


# (parts of the path behind the token, what was sent) -> answer; None: no such address
Get = Callable[[list[str]], Answer | None]
Post = Callable[[list[str], Mapping[str, Any]], Answer | None]


class Server:
    """Serves on loopback; `port` 0 takes any free one. The port is held from the beginning.
    `command` is what has printed the address."""

    get: Get
    post: Post

    def __init__(self, command: str, *, port: int = 0) -> None:
        self.token, self.command = secrets.token_urlsafe(24), command
        try:
            self._server = _Listening(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            raise HubtoolsError(
                f"Port {port} of 127.0.0.1 cannot be used: {getattr(error, 'strerror', error)}.",
                hint="give another one with --port, or 0 for any free one",
                code="busy",
            ) from None
        self._server.owner = self
        self.port = int(self._server.server_address[1])
        self.hosts = {f"{name}:{self.port}" for name in ("127.0.0.1", "localhost")}
        self._thread = threading.Thread(target=self._serve, name=command, daemon=True)

    @property
    def url(self) -> str:
        """The address of the page, with its token."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def start(self, get: Get, post: Post) -> None:
        """Let these answer from now on."""
        self.get, self.post = get, post
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.leave.set()
        if self._thread.is_alive():
            with contextlib.suppress(OSError), socket.socket() as caller:  # wakes who waits
                caller.connect(("127.0.0.1", self.port))
            self._thread.join(_LEAVING)
        self._server.server_close()

    def _serve(self) -> None:
        while not self._server.leave.is_set():
            self._server.handle_request()


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # who finds no place in the queue tries again after a second
    owner: Server

    def __init__(self, *args: Any) -> None:
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        self.leave = threading.Event()
        self._unknown: dict[Any, None] = {}  # connections that have not shown the token yet
        super().__init__(*args)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.leave.is_set() and not is_of_another(client_address[1], self.owner.port)

    def known(self, request: Any) -> None:
        """This connection has shown the token."""
        self._unknown.pop(request, None)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False) and not self._make_room():
            self.shutdown_request(request)
            return
        self._unknown[request] = None
        super().process_request(request, client_address)

    def _make_room(self) -> bool:
        """Whoever opens connections and says nothing keeps nobody out: the first one goes."""
        first = next(iter(list(self._unknown)), None)
        if first is None:
            return False
        self._unknown.pop(first, None)
        with contextlib.suppress(OSError):
            first.shutdown(socket.SHUT_RDWR)
        return self._free.acquire(timeout=1)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._unknown.pop(request, None)
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE
    disable_nagle_algorithm = True  # a head and its body are two pieces
    server: _Listening

    def version_string(self) -> str:
        return "hubtools"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address holds the token."""

    def do_GET(self) -> None:
        self._send(self._got())

    def do_POST(self) -> None:
        self._send(self._posted())

    def _got(self) -> Answer:
        parts = self._parts()
        if isinstance(parts, Answer):
            return parts
        return self._tried(lambda: self.server.owner.get(parts))

    def _posted(self) -> Answer:
        parts = self._parts()
        length = self.headers.get("Content-Length", "")
        if isinstance(parts, Answer) or not self._is_ours() or not _LENGTH.fullmatch(length):
            self.close_connection = True  # what was sent is not read
            if isinstance(parts, Answer):
                return parts
            return refusal(HTTPStatus.FORBIDDEN, "This did not come from the page.")
        if int(length) > _MOST:
            self.close_connection = True
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is more than 32 MiB.")
        try:
            sent = json_value(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            sent = None
        if not isinstance(sent, dict):
            return refusal(HTTPStatus.BAD_REQUEST, "What was sent is no JSON object.")
        return self._tried(lambda: self.server.owner.post(parts, sent))

    def _parts(self) -> list[str] | Answer:
        """The path behind the token; an answer if this is not for us."""
        owner = self.server.owner
        if self.headers.get("Host", "").lower() not in owner.hosts:
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, "This page answers to 127.0.0.1 only.")
        path = self.path.partition("?")[0]
        token, slash, rest = path.lstrip("/").partition("/")
        if not secrets.compare_digest(token.encode(), owner.token.encode()) or not slash:
            return refusal(
                HTTPStatus.NOT_FOUND,
                f"There is nothing here. Open the address that `hubtools {owner.command}` has"
                " printed.",
            )
        self.server.known(self.request)
        return [unquote(part) for part in rest.split("/")]

    def _is_ours(self) -> bool:
        """Whether a change comes from the page: another origin cannot send JSON here unasked."""
        headers = self.headers
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site", "same-origin")
        own = {f"http://{host}" for host in self.server.owner.hosts}
        is_json = headers.get("Content-Type", "").partition(";")[0].strip() == "application/json"
        return is_json and (origin is None or origin in own) and site == "same-origin"

    def _tried(self, answer: Callable[[], Answer | None]) -> Answer:
        try:
            found = answer()
        except HubtoolsError as error:
            return _told(error)
        except (ValueError, KeyError, TypeError) as error:
            return refusal(HTTPStatus.BAD_REQUEST, f"The page asked for what cannot be: {error}")
        except Exception as error:
            if (told := of_system(error, str(error))) is not None:
                return _told(told)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return refusal(status, f"{type(error).__name__}: {error}")
        return found or refusal(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        keep = "private, max-age=86400, immutable" if answer.kept else "no-store"
        headers = {"Content-Type": answer.kind, "Content-Length": str(len(answer.body))}
        for name, value in ({"Cache-Control": keep} | headers | _COMMON).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
