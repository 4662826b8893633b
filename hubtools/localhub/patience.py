"""Connections that say nothing, begin a request and never finish its head, or send its body drop by
drop, are closed: they cost their caller nothing and hold a place here."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0
BODY_SECONDS = 60.0  # in each of which so much of a body comes, or all that is left of it
LEAST = 4096  # bytes; whoever asks sits at this machine


class PatientProtocol(H11Protocol):
    """uvicorn's, which waits without end for the rest of a request's head. The time begins with
    the connection, or with the first byte of a further request; what comes later does not
    lengthen it."""

    seconds = HEAD_SECONDS
    body_seconds = BODY_SECONDS
    _waiting: asyncio.TimerHandle | None = None
    _looking: asyncio.TimerHandle | None = None
    _came = 0  # bytes since it was looked

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY and self._looking is None:
            self._look_later()
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._done()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._came = 0
        self._looking = self.loop.call_later(self.body_seconds, self._look)

    def _look(self) -> None:
        self._looking = None
        if self.conn.their_state is not h11.SEND_BODY or self.transport.is_closing():
            return
        if self._came < LEAST and not self.flow.read_paused:  # else it is we who are slow
            self.transport.close()
            return
        self._look_later()

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.seconds, self._give_up)

    def _done(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


def patient(seconds: float, body_seconds: float = BODY_SECONDS) -> type[Any]:
    """A protocol for `uvicorn.Config(http=...)` that waits so long for a request's head, and for
    the next `LEAST` bytes of its body."""
    known = {"seconds": seconds, "body_seconds": body_seconds}
    return type("Patient", (PatientProtocol,), known)
