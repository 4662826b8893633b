"""Connections that say nothing, or begin a request and never finish its head, are closed: they cost
their caller nothing and hold a place here."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 20.0


class PatientProtocol(H11Protocol):
    """uvicorn's, which waits without end for the rest of a request's head. The time begins with
    the connection, or with the first byte of a further request; what comes later does not
    lengthen it."""

    seconds = HEAD_SECONDS
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._done()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done()
        super().connection_lost(exc)

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


def patient(seconds: float) -> type[Any]:
    """A protocol for `uvicorn.Config(http=...)` that waits so long for a request's head."""
    return type("Patient", (PatientProtocol,), {"seconds": seconds})
