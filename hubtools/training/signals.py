"""Ctrl-C and SIGTERM: the run stops after the step and keeps its state."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hubtools.progress import Reporter


class Stop:
    """Set by a signal; true once the run should stop."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked


@contextmanager
def stop_on_signals(reporter: Reporter) -> Iterator[Stop]:
    """Ctrl-C and SIGTERM ask the run to stop after the step; a second one stops it at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        reporter.note("Stopping after this step; the state is being saved (again: stop at once).")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
