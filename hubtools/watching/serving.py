"""`hubtools watch` as a function: a page that answers until one is done with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubtools.dataset.thumbnails import Renderer
from hubtools.loopback import Server
from hubtools.waiting import signals_kept, until_interrupted
from hubtools.watching.api import Api
from hubtools.watching.run import Run

_LOOKED = 10.0  # seconds within which a page that is open has asked
_PATIENCE = 5.0  # seconds for it to ask once more


@dataclass(frozen=True)
class Watching:
    """A page that answers. `status` is that of the run when it was begun."""

    url: str
    folder: Path
    status: str
    api: Api

    def wait(self) -> None:
        """Return at Ctrl-C."""
        until_interrupted()

    def leave(self) -> None:
        """Return once an open page knows how the run has ended, or nobody looks."""
        asked = self.api.asked
        if asked is not None and time.monotonic() - asked < _LOOKED:
            self.api.said.clear()
            self.api.said.wait(_PATIENCE)


@contextmanager
def watching(folder: Path, price: float | None = None, *, port: int = 0) -> Iterator[Watching]:
    """Serve the page of the run in `folder`, which need not be there yet. Raises `HubtoolsError` if
    the port is taken."""
    with contextlib.ExitStack() as stack:
        server = Server("watch", port=port)
        stack.callback(server.stop)
        renderer = Renderer()
        stack.callback(renderer.close)
        run = Run(folder, price)
        run.look()
        api = Api(run, renderer)
        page = Watching(server.url, folder, run.status, api)
        server.start(api.get, api.post)
        with signals_kept():
            try:
                yield page
            finally:
                server.stop()  # before what it asks is closed
