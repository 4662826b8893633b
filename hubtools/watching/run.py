"""What a run folder tells of a training, read again and again while it goes on.

The folder may come from anybody: everything is read below a `Root`, with limits, and only what
makes sense is told. Of the metrics only what has been added is read, and what is told of them has
a bounded size.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError
from hubtools.findings import shortened
from hubtools.layout import METRICS, RUN_LOCK, RUN_MANIFEST, SAMPLES_DIR
from hubtools.manifest import RunManifest, SampleRecord, read_record_of
from hubtools.rooted import Root
from hubtools.training.curve import Curve
from hubtools.training.drawn import Drawn, drawn
from hubtools.training.metrics import HeldOut, Metric, read_line

_BLOCK = 8_000_000  # bytes of the metrics that are read at once
_MOST = 300_000_000  # bytes: a million steps and more
_LONGEST = 10_000  # bytes of a line
_RECENT = 50  # steps whose time tells how fast the run is
_QUIET = 10.0  # seconds without a word after which the lock is asked whether anybody is there
_MOST_SAMPLES = 4000
_MOST_STEPS = 10**9
_LETTERS = 1000  # of a prompt, of a setting
_SETTINGS = 300


class Tail:
    """The metrics of a run, as far as they have been read."""

    def __init__(self, version: int = 0) -> None:
        self._reset()
        self.version = version

    def _reset(self) -> None:
        self._file: tuple[int, int] | None = None  # device and inode
        self._read = 0
        self._rest = b""
        self.curve = Curve()
        self.last: Metric | None = None
        self.seconds: list[float] = []  # of the last steps
        self.spent = 0.0  # by all of them

    def follow(self, root: Root) -> None:
        """Read what has been added; all of it where the file is another one, as after a run that
        goes on from an earlier step."""
        found = root.stat(METRICS)
        if found is None or not root.is_file(METRICS):
            if self._file is not None:
                self._reset()
                self.version += 1
            return
        if self._file != (found.st_dev, found.st_ino) or found.st_size < self._read:
            self._reset()
            self._file = (found.st_dev, found.st_ino)
            self.version += 1
        if found.st_size == self._read or self._read >= _MOST:
            return
        with root.open(METRICS) as file:
            file.seek(self._read)
            while self._read < _MOST and (data := file.read(_BLOCK)):
                self._read += len(data)
                self._take(data)
        self.version += 1

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            self._rest = b""
        for raw in lines:
            line = read_line(raw) if len(raw) <= _LONGEST else None
            if isinstance(line, HeldOut):
                self.curve.add(line)
            elif line is not None and (self.last is None or line.step > self.last.step):
                self.curve.add(line)
                self.last = line
                self.spent += max(line.seconds, 0.0)
                self.seconds = [*self.seconds[1 - _RECENT :], line.seconds]

    @property
    def seconds_a_step(self) -> float | None:
        """As the last steps were, the slow ones of them (the first warms up) left out."""
        ordered = sorted(self.seconds)
        return ordered[len(ordered) // 2] if ordered else None


class Run:
    """A run folder, which need not be there yet. `price` is what an hour of the machine costs."""

    def __init__(
        self, folder: Path, price: float | None, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder, self._price, self._clock = folder, price, clock
        self.tail, self.samples_version = Tail(), 0
        self._forget()

    def _forget(self) -> None:
        # Versions go on: a page must not take those of the next run for what it has of this one.
        self.tail = Tail(self.tail.version + 1)
        self.samples_version += 1
        self.manifest: RunManifest | None = None
        self.problem: str | None = None
        self.samples: dict[str, tuple[str, dict[str, Any]]] = {}  # file, and what is told of it
        self._seen: dict[str, tuple[int, int]] = {}
        self._told: tuple[int, int, int] | None = None
        self._quiet_since: float | None = None
        self._alive: bool | None = None

    def look(self) -> None:
        """See what is new."""
        if not self.folder.is_dir():
            if self._told is not None or self.tail.last is not None:
                self._forget()
            return
        with Root(self.folder) as root:
            self._look_at_manifest(root)
            self.tail.follow(root)
            self._look_at_samples(root)
            self._look_for_life(root)

    def _look_at_manifest(self, root: Root) -> None:
        found = root.stat(RUN_MANIFEST)
        told = None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)
        if told is not None and told == self._told:
            return
        self._told, self.problem = told, None
        try:
            self.manifest = None if told is None else RunManifest.read(self.folder)
        except HubtoolsError as error:
            self.manifest, self.problem = None, error.message

    def _look_at_samples(self, root: Root) -> None:
        there = self._drawn(root)
        if set(there) == set(self._seen) and all(there[n][1] == self._seen[n] for n in there):
            return
        with root.inside(SAMPLES_DIR) as folder:
            for name, (place, stamp) in there.items():
                if self._seen.get(name) == stamp:
                    continue
                record = read_record_of(folder, name)
                if record is not None and folder.is_file(record.file):
                    shown = _shown(place, record, f"{name}/{stamp[0]:x}-{stamp[1]:x}")
                    self.samples[name] = (record.file, shown)
        self.samples = {name: one for name, one in self.samples.items() if name in there}
        self._seen = {name: stamp for name, (_, stamp) in there.items()}
        self.samples_version += 1

    def _drawn(self, root: Root) -> dict[str, tuple[Drawn, tuple[int, int]]]:
        """The records that are there, with what tells one from another of the same name."""
        if not root.is_folder(SAMPLES_DIR):
            return {}
        found = {}
        with root.inside(SAMPLES_DIR) as folder:
            for place in drawn(folder)[-_MOST_SAMPLES:]:
                stat = folder.stat(place.record)
                if stat is not None:
                    found[place.record] = (place, (stat.st_mtime_ns, stat.st_size))
        return found

    def _look_for_life(self, root: Root) -> None:
        """Whether a process still writes here, if it says so and has not done it for a while."""
        last = self._last_word(root)
        self._quiet_since = last
        if self.manifest is None or self.manifest.status != "running":
            self._alive = None
            return
        patience = max(_QUIET, 3 * (self.tail.seconds_a_step or 0.0))
        recent = last is not None and self._clock() - last < patience
        self._alive = True if recent else self._is_held(root)

    @staticmethod
    def _is_held(root: Root) -> bool | None:
        try:
            return root.held(RUN_LOCK)
        except (HubtoolsError, OSError):
            return None

    @staticmethod
    def _last_word(root: Root) -> float | None:
        stats = (root.stat(name) for name in (METRICS, RUN_MANIFEST, SAMPLES_DIR))
        times = [found.st_mtime for found in stats if found is not None]
        return max(times) if times else None

    # --- what the page is told ---------------------------------------------------------------

    @property
    def status(self) -> str:
        """`waiting` for a run to begin, `preparing` (no step is done), `running`, `stopped` (it
        says that it runs, and nobody does), `finished`, `interrupted`, `failed`, `unreadable`."""
        manifest = self.manifest
        if manifest is None:
            return "unreadable" if self.problem else "waiting"
        if manifest.status != "running":
            return manifest.status
        if self._alive is False:
            return "stopped"
        return "preparing" if self.tail.last is None else "running"

    def facts(self) -> dict[str, Any]:
        """What is known of the run, as JSON."""
        manifest, last, status = self.manifest, self.tail.last, self.status
        done = last.step if last is not None else 0
        seconds = self.tail.seconds_a_step
        found: dict[str, Any] = {
            "name": self.folder.name,
            "status": status,
            "problem": self.problem,
            "done": done,
            "seconds_a_step": _short(seconds),
            "spent": _short(self.tail.spent),
            "price": self._price,
            "loss": last.loss if last else None,
            "smooth": last.loss_ema if last else None,
            "rate": last.lr if last else None,
            "now": self._clock(),
            "last_word": self._quiet_since,
        }
        if self._price is not None:
            found["cost"] = _short(self._price * self.tail.spent / 3600)
        if manifest is None:
            return found
        steps = min(manifest.steps, _MOST_STEPS)
        left = max(0, steps - done)
        found |= {
            "steps": steps,
            "started": manifest.started,
            "finished": manifest.finished,
            "settings": _settings(manifest),
            "left": _short(left * seconds) if seconds is not None else None,
        }
        return found

    def curve(self) -> dict[str, Any]:
        """The curve as lists of numbers, at most a thousand points."""
        points, held = self.tail.curve.points, self.tail.curve.held_out
        return {
            "version": self.tail.version,
            "width": self.tail.curve.width,
            "high": _short(self.tail.curve.high),
            "step": [point.last for point in points],
            "low": [_short(point.low) for point in points],
            "top": [_short(point.high) for point in points],
            "smooth": [_short(point.smooth) for point in points],
            "rate": [_short(point.rate) for point in points],
            "held_out": [[line.step, _short(line.validation_loss)] for line in held],
        }

    def drawn(self) -> dict[str, Any]:
        """The samples: each with its step, prompt and the address of its picture."""
        told = [shown for _, shown in self.samples.values()]
        told.sort(key=lambda one: (str(one["name"]), one["step"]))
        return {"version": self.samples_version, "samples": told}


def _shown(place: Drawn, record: SampleRecord, at: str) -> dict[str, Any]:
    return {
        "step": place.step,
        "name": place.name,
        "prompt": shortened(record.prompt[: 10 * _LETTERS], _LETTERS),
        "seed": record.seed,
        "width": record.width,
        "height": record.height,
        "at": at,
    }


def _short(value: float | None) -> float | None:
    """In five figures; None for what no JSON holds."""
    return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None


def _settings(manifest: RunManifest) -> list[list[str]]:
    """[name, value] of what `run.json` says, as the page shows it."""
    base, data = manifest.base_model, manifest.dataset
    told: dict[str, Any] = {
        "base model": base.id,
        "base revision": base.revision,
        "family": base.family,
        "dataset": data.repo,
        "dataset revision": data.revision,
        "pictures": data.images,
        "pictures held out": data.held_out or None,
        "pictures of the class": data.of_class or None,
        "trigger": data.trigger,
        "device": manifest.device,
        "precision of the base": manifest.dtype,
        "processes": manifest.processes if manifest.processes > 1 else None,
        **manifest.train,
        **{f"{name} (version)": number for name, number in manifest.versions.items()},
    }
    said = [(name, value) for name, value in told.items() if value not in (None, "", [])]
    return [
        [
            shortened(name, _LETTERS),
            shortened(", ".join(map(str, v)) if isinstance(v, list) else str(v), _LETTERS),
        ]
        for name, v in said[:_SETTINGS]
    ]
