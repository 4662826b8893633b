"""How slow a server may be. Each drop of an answer is a sign of life, so that a time-out, which
waits for the next one only, never ends: the head of an answer has a deadline, what is read or sent
after it a least rate. The deadline is one for a request in all: for every connection that is
opened, every address that the request is led on to, and each time that it is made again. What
counts is the time spent on waiting for the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urljoin

from hubtools.errors import HubtoolsError

HEAD = 300.0  # seconds that one request waits for the heads of its answers, in all
SPAN = 300.0  # seconds of waiting in which LEAST bytes come or go, or the command stops
LEAST = 300_000  # bytes: 1 kB a second
_SLICE = 1 << 14  # bytes that are given to the system at once
_clock = time.monotonic
_WAIT = "hubtools.wait"  # extension of a request: what it has waited so far
# Its `request`: whose head is waited for in this thread; `onward`: where the last answer led.
_asked = threading.local()


class TooSlow(HubtoolsError):
    """A server that is not waited for any longer."""

    default_code = "hub-failed"


class Pace:
    """Counts what comes from a server, or goes there."""

    def __init__(self, request: Any, did: str) -> None:
        self._request, self._did, self._waited, self._count = request, did, 0.0, 0

    def note(self, seconds: float, count: int) -> None:
        """So many bytes were waited for so long. Raises `TooSlow`."""
        self._waited, self._count = self._waited + seconds, self._count + count
        if self._waited < SPAN:
            return
        if self._count < LEAST:
            less = f"it {self._did} less than {LEAST:,} bytes in {SPAN:.0f} seconds"
            raise _too_slow(self._request, less)
        self._waited, self._count = 0.0, 0


def paced(blocks: Iterable[bytes], request: Any) -> Iterator[bytes]:
    """The same blocks of an answer. Raises `TooSlow`."""
    pace, began = Pace(request, "sent"), _clock()
    for block in blocks:
        pace.note(_clock() - began, len(block))
        yield block
        began = _clock()


class _Wait:
    """What one request has waited for the heads of its answers, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def left(self) -> float:
        return HEAD - self.seconds

    def check(self, request: Any) -> None:
        if self.left() <= 0:
            raise _too_slow(request, f"its answer did not begin in {HEAD:.0f} seconds")


def one_wait(request: Any) -> _Wait:
    """What the request has waited so far: with all that it is a repetition of, or was led from. The
    client's library copies extensions from a request to the one that a redirect makes of it; some
    redirects the client follows itself."""
    wait: _Wait | None = request.extensions.get(_WAIT)
    address, led = getattr(_asked, "onward", ("", None))
    if address == str(request.url):
        wait, _asked.onward = wait or led, ("", None)
    request.extensions[_WAIT] = wait = wait or _Wait()
    return wait


def on_the_way(blocks: Iterable[bytes], request: Any) -> Iterator[bytes]:
    """The same blocks, of an answer that leads on: they count as heads do. Raises `TooSlow`."""
    wait, began = one_wait(request), _clock()
    for block in blocks:
        wait.seconds += _clock() - began
        wait.check(request)
        yield block
        began = _clock()


def within(seconds: float, blocks: Iterable[bytes], request: Any) -> Iterator[bytes]:
    """The same blocks, where all of them come in that time. Raises `TooSlow`."""
    end = _clock() + seconds
    for block in blocks:
        if _clock() > end:
            raise _too_slow(request, f"its answer did not end in {seconds:.0f} seconds")
        yield block


class Kept:
    """A transport of the client's library whose connections keep to it."""

    def __init__(self, below: Any) -> None:
        self._below = below
        pool: Any = getattr(below, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if backend is not None:  # one of another kind has no connections
            pool._network_backend = _backend(backend)

    def handle_request(self, request: Any) -> Any:
        """The answer, of which only the head was read. Raises `TooSlow`, and what it raises."""
        before, _asked.request = getattr(_asked, "request", None), request
        wait = one_wait(request)
        try:
            answer = self._below.handle_request(request)
        finally:
            _asked.request = before
        if location := answer.headers.get("location"):
            _asked.onward = _onward(request, location), wait
        return answer

    def close(self) -> None:
        """Close its connections."""
        self._below.close()


def _onward(request: Any, location: str) -> str:
    """The address that an answer leads on to, as requests have it; empty if it is none."""
    import httpx2

    try:
        return str(httpx2.URL(urljoin(str(request.url), location)))
    except (httpx2.InvalidURL, ValueError):
        return ""


def _backend(below: Any) -> Any:
    import httpcore2

    def connected(connect: Any, timeout: float | None, *args: Any, **more: Any) -> Any:
        """What `connect` gives, in the time that the request has left."""
        request = getattr(_asked, "request", None)
        if request is None:
            return connect(*args, timeout=timeout, **more)
        wait, began = one_wait(request), _clock()
        wait.check(request)
        try:
            return connect(*args, timeout=min(wait.left(), timeout or HEAD), **more)
        finally:
            wait.seconds += _clock() - began

    class Stream(httpcore2.NetworkStream):
        """A connection."""

        def __init__(self, below: Any) -> None:
            self._below, self._drops = below, 0
            self._going = Pace(getattr(_asked, "request", None), "took")

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            request = getattr(_asked, "request", None)
            if request is None:
                return bytes(self._below.read(max_bytes, timeout))
            wait, began = one_wait(request), _clock()
            wait.check(request)
            try:
                said = bytes(self._below.read(max_bytes, min(wait.left(), timeout or HEAD)))
            except httpcore2.ReadTimeout:
                wait.seconds += _clock() - began
                if self._drops:
                    wait.check(request)
                raise
            wait.seconds += _clock() - began
            self._drops += 1
            return said

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            view = memoryview(buffer)
            for start in range(0, len(view), _SLICE):
                part, began = view[start : start + _SLICE], _clock()
                self._below.write(part, timeout)
                self._going.note(_clock() - began, len(part))
            self._drops = 0

        def close(self) -> None:
            self._below.close()

        def start_tls(
            self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None
        ) -> Any:
            return Stream(connected(self._below.start_tls, timeout, ssl_context, server_hostname))

        def get_extra_info(self, info: str) -> Any:
            return self._below.get_extra_info(info)

    class Backend(httpcore2.NetworkBackend):
        """What opens connections."""

        def connect_tcp(
            self, host: str, port: int, timeout: float | None = None, *args: Any, **more: Any
        ) -> Any:
            more |= dict(zip(("local_address", "socket_options"), args, strict=False))
            return Stream(connected(below.connect_tcp, timeout, host, port, **more))

        def connect_unix_socket(self, *args: Any, **more: Any) -> Any:
            return Stream(below.connect_unix_socket(*args, **more))

        def sleep(self, seconds: float) -> None:
            below.sleep(seconds)

    return Backend()


def _too_slow(request: Any, why: str) -> TooSlow:
    of = f" ({request.method} {request.url.path[:200]})" if request is not None else ""
    return TooSlow(
        f"The Hub is too slow{of}: {why}.",
        hint="check the network and HF_ENDPOINT; then run the same command again",
    )
