"""trackio: a database on this machine (`trackio show`), or a Space that TRACKIO_SPACE_ID names."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hubtools.rooted import Root
from hubtools.training.trackers.kinds import About, Event, Reported, values_of
from hubtools.training.trackers.noted import FAREWELL, Note, waited


class Trackio:
    """Scalars, samples and the settings. A Space that is made for them is private."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn

    def begin(self, root: Root, about: About) -> Reported:
        """Open the run, or the one of the same name again: `about.id`."""
        with _quiet():
            import trackio

            self._note = Note(root, f"{about.folder}/trackio-reported.json", about.id)
            self._run = trackio.init(
                about.project,
                name=about.id,
                resume="allow",
                config=about.settings,
                private=True if os.environ.get("TRACKIO_SPACE_ID") else None,
                embed=False,
                auto_log_gpu=False,
                **_if_known(trackio, auto_log_cpu=False),
            )
        return self._note.reported

    def log(self, events: Sequence[Event]) -> None:
        """Hand them over."""
        import trackio

        self._note.take(events)
        with _quiet():
            for step, values in values_of(events, trackio.Image):
                self._run.log(values, step=step)

    def end(self, status: str) -> None:
        """Wait for what is left to be written, but not for ever."""
        import trackio

        with _quiet():
            done = waited(self._run.finish)
        trackio.context_vars.current_run.set(None)  # else it is finished again at our exit, aloud
        if not done:
            self._warn(f"trackio has not taken all of the run within {FAREWELL:.0f} seconds.")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What it prints is not for whoever reads what we print."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _if_known(trackio: Any, **options: Any) -> dict[str, Any]:
    """Options that older versions do not take."""
    import inspect

    taken = inspect.signature(trackio.init).parameters
    return {name: value for name, value in options.items() if name in taken}
