"""All trackers of a run. What they are told is what `metrics.jsonl` and the samples say; none of
them ends a run, and a run that goes on tells none of them a step twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hubtools.errors import HubtoolsError, first_line, missing_modules
from hubtools.layout import SAMPLES_DIR
from hubtools.limits import PICTURE
from hubtools.manifest import read_record_of
from hubtools.rooted import Root
from hubtools.training.drawn import drawn
from hubtools.training.metrics import Log
from hubtools.training.trackers.kinds import (
    TITLES,
    About,
    Event,
    Picture,
    Reported,
    Samples,
    Tracker,
    kind_of,
)
from hubtools.training.trackers.tensorboard import TensorBoard
from hubtools.training.trackers.trackio import Trackio
from hubtools.training.trackers.wandb import Wandb

_ORDER = ("step", "samples", "held_out")  # of what happens at one step


class Trackers:
    """Those in `names`, told of the run in `run_dir` from now on; `earlier` is what it knew before
    this process. `warn` hears a sentence about each that fails, which is left alone then."""

    def __init__(
        self,
        names: Sequence[str],
        run_dir: Path,
        about: About,
        earlier: Log,
        warn: Callable[[str], None],
    ) -> None:
        self._warn, self._run_dir = warn, run_dir
        self._open: dict[str, tuple[Tracker, Reported]] = {}
        names = [name for name in names if not missing_modules(name)]  # T130 has told of them
        if not names:
            return
        self._root = Root(run_dir)
        for name in names:
            self._try(name, lambda name=name: self._begin(name, about))  # type: ignore[misc]
        if self._open:  # what it was not told before it was asked for, or could be
            known = min(reported.samples for _, reported in self._open.values())
            events: list[Event] = [*earlier.steps, *earlier.held_out, *self._drawn(known + 1)]
            events.sort(key=lambda event: (event.step, _ORDER.index(kind_of(event))))
            self.tell(events)

    def _begin(self, name: str, about: About) -> None:
        makes: dict[str, Callable[[], Tracker]] = {
            "tensorboard": TensorBoard,
            "wandb": lambda: Wandb(self._warn),
            "trackio": lambda: Trackio(self._warn),
        }
        tracker = makes[name]()
        self._open[name] = (tracker, tracker.begin(self._root, about))

    def tell(self, events: Sequence[Event]) -> None:
        """Tell each tracker what it does not know yet."""
        for name in list(self._open):
            self._try(name, lambda name=name: self._tell(name, events))  # type: ignore[misc]

    def _tell(self, name: str, events: Sequence[Event]) -> None:
        tracker, reported = self._open[name]
        fresh = [event for event in events if not reported.knows(event)]
        if fresh:
            tracker.log(fresh)
            for event in fresh:
                reported = reported.after(event)
            self._open[name] = (tracker, reported)

    def tell_samples(self, step: int) -> None:
        """Tell of the pictures that were drawn after `step`."""
        if self._open:
            self.tell(self._drawn(step))

    def end(self, status: str) -> None:
        """Nothing follows."""
        for name, (tracker, _) in list(self._open.items()):
            self._try(name, lambda tracker=tracker: tracker.end(status))  # type: ignore[misc]
        if self._open:
            self._open = {}
            self._root.close()

    def _try(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            self._open.pop(name, None)
            why = error.message if isinstance(error, HubtoolsError) else first_line(error)
            self._warn(
                f"{TITLES[name]} is told nothing more of this run: {why.rstrip('.')}. The training"
                " goes on; metrics.jsonl has all figures."
            )

    def _drawn(self, first: int) -> list[Samples]:
        """What was drawn after step `first` or a later one."""
        if not self._root.is_folder(SAMPLES_DIR):
            return []
        found: dict[int, list[Picture]] = {}
        with self._root.inside(SAMPLES_DIR) as folder:
            for place in drawn(folder, first):
                record = read_record_of(folder, place.record)
                if record is None or not folder.is_file(record.file):
                    continue
                png = folder.read(record.file, PICTURE)
                picture = Picture(place.name, record.prompt, record.width, record.height, png)
                found.setdefault(place.step, []).append(picture)
        return [Samples(step, tuple(found[step])) for step in sorted(found)]
