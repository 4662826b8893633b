"""`hubtools review` as a function: a page that answers until one is done with it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.project import Project
from hubtools.reviewing.api import Api
from hubtools.reviewing.pictures import Renderer
from hubtools.reviewing.server import Server
from hubtools.reviewing.session import Session


@dataclass(frozen=True)
class Reviewing:
    """A page that answers."""

    url: str
    session: Session

    @property
    def pending(self) -> int:
        """How many changes are not applied yet."""
        return len(self.session.pending.entries)

    def wait(self) -> None:
        """Return at Ctrl-C (or whatever else raises KeyboardInterrupt)."""
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)


@contextmanager
def reviewing(
    folder: Path,
    project: Project,
    *,
    port: int = 0,
    trust_state: bool = False,
    on_picture: Callable[[int, int], None] | None = None,
) -> Iterator[Reviewing]:
    """Serve the page of the dataset in `folder`. Raises as `Session` does, and `HubtoolsError` if
    the port is taken."""
    before = _handlers()
    with contextlib.ExitStack() as stack:
        server = Server(port=port)
        stack.callback(server.stop)
        session = Session(folder, project, trust_state=trust_state, on_picture=on_picture)
        stack.callback(session.close)
        renderer = Renderer()
        stack.callback(renderer.close)
        api = Api(session, renderer)
        server.start(api.get, api.post)
        try:
            yield Reviewing(server.url, session)
        finally:
            server.stop()  # before what it asks is closed
            for number, handler in before.items():
                signal.signal(number, handler)


def _handlers() -> dict[signal.Signals, Any]:
    """The signal handlers that `wait` may replace; none outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
