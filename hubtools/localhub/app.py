"""The embedded Hub as an ASGI application: who asks, for what, and how the answer leaves."""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message, Receive, Scope, Send

from hubtools.causes import of_system, says_nothing_of_file
from hubtools.localhub import (
    api_account,
    api_collections,
    api_commits,
    api_discussions,
    api_files,
    api_gate,
    api_jobs,
    api_likes,
    api_listing,
    api_oidc,
    api_repos,
    api_webhooks,
    api_xet,
    downloads,
    lfs,
    pages,
)
from hubtools.localhub.accounts import Accounts
from hubtools.localhub.door import Door
from hubtools.localhub.faults import Fault, Faults
from hubtools.localhub.http import (
    XET,
    Call,
    Hub,
    Route,
    Router,
    parse_query,
    problem_answer,
    split_path,
)
from hubtools.localhub.jobs import Jobs
from hubtools.localhub.model import Moved
from hubtools.localhub.names import KIND_OF_PLURAL
from hubtools.localhub.outlook import Outlook
from hubtools.localhub.problems import Problem, repo_not_found
from hubtools.localhub.publishers import Publishers
from hubtools.localhub.store import Store

logger = logging.getLogger("hubtools.localhub")

_IN_MEMORY = 1 << 20
_WRITE_BLOCK = 1 << 20
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_SIDE_HOST = re.compile(r"[a-z0-9.-]+\.localhost(?::\d{1,5})?", re.IGNORECASE)
# What the Hub has at further addresses, by the word behind `api`.
_ABSENT = {
    "buckets": "buckets (a local script or folder of a job would lie in one)",
    "scheduled-jobs": "schedules for jobs",
    "kernels": "kernels",
    "papers": "papers",
    "daily_papers": "papers",
}
_CALLED = re.compile(r"[A-Za-z0-9=:;._-]{1,200}")  # a request, by its client
_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class HubApp:
    """An embedded Hub on top of a store. Answers every request: what it does not know with 404,
    what it fails at with 501, which the client (unlike 500) does not try again and again."""

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        *,
        faults: Faults | None = None,
        open_pages: bool = True,
        publishers: Publishers | None = None,
        outlook: Outlook | None = None,
        door: Door | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        self.store = store
        self.faults = faults or Faults()
        self.door = door
        self.judged = None if outlook is None else pages.Judged(store, outlook)
        self.hub = Hub(store, accounts, open_pages, publishers, self.judged, jobs)
        self.router = Router()
        for part in (
            api_account,
            api_collections,
            api_oidc,
            api_repos,
            api_files,
            api_commits,
            api_discussions,
            api_gate,
            api_jobs,
            api_likes,
            api_listing,
            api_webhooks,
            api_xet,
            lfs,
            downloads,
            pages,
        ):
            part.add_routes(self.router)
        start = ("api", "{kinds}", "{ns}", "{name}")
        of_repos = (route.segments for route in self.router.routes if route.segments[:4] == start)
        self._words = {segments[4] for segments in of_repos if len(segments) > 4}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        request = Request(scope, receive)
        raw_path = scope["raw_path"].decode("ascii", "replace")
        fault = self.faults.strike(request.method, raw_path)
        if fault is not None and fault.outcome == "drop":
            _drop(send)
            return
        try:
            response = await self._answer(request, raw_path, fault)
        except ClientDisconnect:
            return
        if fault is not None and fault.outcome == "drop-after":
            _drop(send)
            return
        headers = _COMMON | {"X-Request-Id": _request_id(request)}
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        await response(scope, receive, send)

    async def _answer(self, request: Request, raw_path: str, fault: Fault | None) -> Response:
        spool = None
        try:
            if fault is not None and isinstance(fault.outcome, int):
                raise Problem(fault.outcome, fault.message, headers=dict(fault.headers))
            call = self._call(request, raw_path)
            if self.door is not None:
                self.door.keep_out(request.client, request.scope["server"])
                turned = pages.at_door(self.door, call)
                if turned is not None:
                    return turned
                raw_path = call.raw_path
            segments = _segments(raw_path)
            if segments[0] == lfs.UPLOAD and request.method == "PUT":
                return await self._receive_object(request, segments)
            if segments[0] == lfs.UPLOAD and request.method in ("GET", "HEAD"):
                return await run_in_threadpool(self._send_object, call, segments)
            route, call.params = self._route(call, segments)
            if request.method in ("POST", "PUT", "DELETE", "PATCH"):
                spool = call.body = await self._spool(request, partial(route.check, call))
            return await run_in_threadpool(route.handler, call)
        except Problem as problem:
            await _drain(request)
            return problem_answer(problem)
        except Moved as moved:
            await _drain(request)
            return _redirect(request, raw_path, moved, self.door.prefix if self.door else "")
        except ClientDisconnect:
            raise
        except Exception as error:
            logger.exception("%s %s failed", request.method, raw_path)
            await _drain(request)
            return problem_answer(_failure(error))
        finally:
            if spool is not None:
                spool.close()

    def _route(self, call: Call, segments: list[str]) -> tuple[Route, dict[str, str]]:
        """What answers this address, and the address's parts. Raises `Problem` if nothing does."""
        problem: Problem | None = None
        try:
            found = self.router.find(call.method, segments)
        except Problem as error:
            found, problem = None, error
        if found is not None:
            return found
        if self._names_no_namespace(segments):
            raise repo_not_found(call.user is None)
        if problem is None and segments[0] == "api":
            # not 404, which the client would take for a missing repository
            what = f"{call.method} /{'/'.join(segments)[:200]}"
            absent = _ABSENT.get(segments[1] if len(segments) > 1 else "")
            said = "" if absent is None else f"has no {absent}, and "
            problem = Problem(501, f"The embedded Hub {said}does not know {what}.")
        if problem is None:
            return Route("GET", (), pages.nothing), {}
        raise problem

    def _names_no_namespace(self, segments: list[str]) -> bool:
        """True for addresses of a repository without an owner (`api/models/gpt2`,
        `api/models/gpt2/refs`): there are none."""
        if segments[0] == "api" and segments[1:2] and segments[1] in KIND_OF_PLURAL:
            return len(segments) == 3 or (len(segments) > 3 and segments[3] in self._words)
        start = 1 if segments[0] in ("datasets", "spaces") else 0
        return segments[start + 1 : start + 2] == ["resolve"]

    def _call(self, request: Request, raw_path: str) -> Call:
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            # A page of another site that made its name point at 127.0.0.1, or a library that
            # looks for a sister service (datasets-server.localhost).
            status = 404 if _SIDE_HOST.fullmatch(host) else 421
            raise Problem(status, "This Hub answers to 127.0.0.1, localhost and [::1] only.")
        # what Xet sends has a token that is good for nothing else
        named = None if raw_path.startswith(f"/{XET}/") else request.headers.get("authorization")
        return Call(
            hub=self.hub,
            method=request.method,
            raw_path=raw_path,
            query=parse_query(request.url.query),
            headers=request.headers,
            base=f"http://{host}",
            user=self.hub.accounts.identify(named),
        )

    async def _spool(
        self, request: Request, check: Callable[[int], None]
    ) -> tempfile.SpooledTemporaryFile[bytes]:
        """The body: small ones in memory, big ones in a file. Raises `Problem` as `check` does for
        the bytes so far."""
        check(0)
        spool: tempfile.SpooledTemporaryFile[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=_IN_MEMORY, dir=str(self.store.blobs.incoming), prefix="body-"
        )
        try:
            async for block in request.stream():
                check(spool.tell() + len(block))
                if spool.tell() + len(block) > _IN_MEMORY:
                    await run_in_threadpool(spool.write, block)
                else:
                    spool.write(block)
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return spool

    async def _receive_object(self, request: Request, segments: list[str]) -> Response:
        """PUT of a Git LFS object to its signed address, block by block to the disk."""
        repo_id, sha256, size = lfs.upload_target(self.store, segments)
        incoming = await run_in_threadpool(self.store.blobs.receive)
        try:
            waiting = bytearray()
            async for block in request.stream():
                waiting += block
                if incoming.size + len(waiting) > size:
                    raise Problem(400, f"More than the announced {size} bytes arrived.")
                if len(waiting) >= _WRITE_BLOCK:
                    await run_in_threadpool(incoming.write, bytes(waiting))
                    waiting.clear()
            await run_in_threadpool(incoming.write, bytes(waiting))
            if incoming.size != size:
                raise Problem(400, f"{incoming.size} bytes arrived instead of {size}.")
            if incoming.sha256 != sha256:
                raise Problem(400, f"What arrived has the SHA-256 {incoming.sha256}, not {sha256}.")
            await run_in_threadpool(self.store.keep_object, repo_id, incoming)
        finally:
            incoming.discard()
        return Response(status_code=200, headers={"ETag": f'"{sha256}"'})

    def _send_object(self, call: Call, segments: list[str]) -> Response:
        """GET of a Git LFS object from its signed address."""
        content = lfs.download_target(self.store, segments)
        headers = {"ETag": f'"{segments[2]}"', "Content-Type": "application/octet-stream"}
        return downloads.ranged(call, content, headers)


def _request_id(request: Request) -> str:
    """What a request is called in an answer: as its client calls it, if it does."""
    named = request.headers.get("x-request-id", "")
    if _CALLED.fullmatch(named):
        return named
    traced = request.headers.get("x-amzn-trace-id", "")
    root = f"Root=1-{secrets.token_hex(12)}"
    return f"{root};{traced}" if _CALLED.fullmatch(traced) else root


def _failure(error: Exception) -> Problem:
    """Why a request could not be served, with a status that clients do not try again."""
    if not says_nothing_of_file(error):
        return Problem(501, "The embedded Hub failed at this request; its log says why.")
    told = of_system(error, str(error))
    why = f" {told.message}" if told else ""
    full = told is not None and told.code in ("disk-full", "too-large")
    return Problem(507 if full else 501, f"The embedded Hub failed at this request.{why}")


def _segments(raw_path: str) -> list[str]:
    try:
        return split_path(raw_path)
    except UnicodeDecodeError:
        raise Problem(400, "The address is not valid UTF-8.") from None


def _redirect(request: Request, raw_path: str, moved: Moved, prefix: str) -> Response:
    """307 to the same address, behind `prefix`, under the repository's new name."""
    segments = raw_path.split("/")
    for index in range(len(segments) - 1):
        before = segments[index]
        if index and before in ("models", "datasets", "spaces") and segments[1] == "api":
            segments[index + 1 : index + 3] = [moved.repo.namespace, moved.repo.name]
            break
    else:
        start = 2 if segments[1] in ("datasets", "spaces") else 1
        git = ".git" if segments[start + 1].endswith(".git") else ""
        segments[start : start + 2] = [moved.repo.namespace, moved.repo.name + git]
    target = "/".join(segments) + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(prefix + target, 307)


async def _drain(request: Request) -> None:
    """Read what the client still sends: it looks for the answer only when it is done."""
    with contextlib.suppress(ClientDisconnect, RuntimeError):
        async for _ in request.stream():
            pass


def _drop(send: Send) -> None:
    """Cut the connection. uvicorn's `send` is a method of the object that holds it."""
    held: Any = getattr(send, "__self__", None)
    transport: Any = getattr(held, "transport", None)
    if transport is None:
        raise RuntimeError("this server's connections cannot be cut on purpose")
    held.disconnected = True  # else it is logged that no answer was begun
    transport.abort()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message: Message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
