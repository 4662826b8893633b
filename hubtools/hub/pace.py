"""How slow a server may be. Each drop of an answer is a sign of life, so that a time-out, which
waits for the next one only, never ends: the head of an answer has a deadline, what is read or sent
after it a least rate. What counts is the time spent on waiting for the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from hubtools.errors import HubtoolsError

HEAD = 300.0  # seconds from the last byte of a request to the end of its answer's head
SPAN = 300.0  # seconds of waiting in which LEAST bytes come or go, or the command stops
LEAST = 300_000  # bytes: 1 kB a second
_SLICE = 1 << 14  # bytes that are given to the system at once
_clock = time.monotonic
_asked = threading.local()  # its `request`: whose head is waited for in this thread


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
        try:
            return self._below.handle_request(request)
        finally:
            _asked.request = before

    def close(self) -> None:
        """Close its connections."""
        self._below.close()


def _backend(below: Any) -> Any:
    import httpcore2

    class Stream(httpcore2.NetworkStream):
        """A connection."""

        def __init__(self, below: Any) -> None:
            self._below, self._sent, self._drops = below, _clock(), 0
            self._going = Pace(getattr(_asked, "request", None), "took")

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            request = getattr(_asked, "request", None)
            if request is None:
                return bytes(self._below.read(max_bytes, timeout))
            left = self._sent + HEAD - _clock()
            late = f"its answer did not begin in {HEAD:.0f} seconds"
            if left <= 0:
                raise _too_slow(request, late)
            try:
                said = bytes(self._below.read(max_bytes, min(left, timeout or left)))
            except httpcore2.ReadTimeout:
                if self._drops and _clock() >= self._sent + HEAD:
                    raise _too_slow(request, late) from None
                raise
            self._drops += 1
            return said

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            view = memoryview(buffer)
            for start in range(0, len(view), _SLICE):
                part, began = view[start : start + _SLICE], _clock()
                self._below.write(part, timeout)
                self._going.note(_clock() - began, len(part))
            self._sent, self._drops = _clock(), 0

        def close(self) -> None:
            self._below.close()

        def start_tls(self, *args: Any, **more: Any) -> Any:
            return Stream(self._below.start_tls(*args, **more))

        def get_extra_info(self, info: str) -> Any:
            return self._below.get_extra_info(info)

    class Backend(httpcore2.NetworkBackend):
        """What opens connections."""

        def connect_tcp(self, *args: Any, **more: Any) -> Any:
            return Stream(below.connect_tcp(*args, **more))

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
