"""What the page may ask for, by address. Nothing can be changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from hubtools.dataset.thumbnails import LARGE, SMALL, Renderer
from hubtools.layout import SAMPLES_DIR
from hubtools.loopback import Answer, Files
from hubtools.rooted import Root
from hubtools.watching.run import Run

_OVER = ("finished", "interrupted", "failed")


class Api:
    """Answers for one run. `asked` is when it was asked last, `said` the status that was told."""

    def __init__(
        self, run: Run, renderer: Renderer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._run, self._renderer, self._clock = run, renderer, clock
        self._files = Files("hubtools.watching")
        self._lock = threading.Lock()
        self.asked: float | None = None
        self.said = threading.Event()  # the page knows how the run has ended

    def get(self, parts: list[str]) -> Answer | None:
        """The page's files, figures and pictures."""
        if (file := self._files.get(parts)) is not None:
            return file
        if parts[0] == "state" and len(parts) == 3:
            return self._state(parts[1], parts[2])
        if parts[0] in ("small", "large") and len(parts) == 3:
            return self._picture(parts[1], parts[2], SMALL if parts[0] == "small" else LARGE)
        return None

    def post(self, parts: list[str], sent: Mapping[str, Any]) -> Answer | None:
        """There is nothing to change."""
        return None

    def _state(self, curve: str, samples: str) -> Answer:
        """`state/CURVE/SAMPLES`: how the run is, with the curve and the samples if these are not
        the versions that the page has."""
        with self._lock:
            self._run.look()
            facts = self._run.facts()
            told: dict[str, Any] = {"run": facts}
            if curve != str(self._run.tail.version):
                told["curve"] = self._run.curve()
            if samples != str(self._run.samples_version):
                told["drawn"] = self._run.drawn()
        self.asked = self._clock()
        if facts["status"] in _OVER:
            self.said.set()
        return Answer.json(told)

    def _picture(self, record: str, stamp: str, side: int) -> Answer | None:
        """`small/RECORD/STAMP`: a sample, whose record is still the one that was told."""
        with self._lock:
            found = self._run.samples.get(record)
        if found is None or found[1]["at"] != f"{record}/{stamp}":
            return None
        with Root(self._run.folder) as root, root.inside(SAMPLES_DIR) as folder:
            made = self._renderer.jpeg(folder, found[0], side, stamp)
        return Answer(made, "image/jpeg", kept=True) if made is not None else None
