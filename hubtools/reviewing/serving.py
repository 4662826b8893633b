"""`hubtools review` as a function: a page that answers until one is done with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubtools.dataset.thumbnails import Renderer
from hubtools.loopback import Server
from hubtools.project import Project
from hubtools.reviewing.api import Api
from hubtools.reviewing.session import Session
from hubtools.waiting import signals_kept, until_interrupted


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
        """Return at Ctrl-C."""
        until_interrupted()


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
    with contextlib.ExitStack() as stack:
        server = Server("review", port=port)
        stack.callback(server.stop)
        session = Session(folder, project, trust_state=trust_state, on_picture=on_picture)
        stack.callback(session.close)
        renderer = Renderer()
        stack.callback(renderer.close)
        api = Api(session, renderer)
        server.start(api.get, api.post)
        with signals_kept():
            try:
                yield Reviewing(server.url, session)
            finally:
                server.stop()  # before what it asks is closed
