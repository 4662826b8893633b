"""Ctrl-C and SIGTERM: the run stops after the step and keeps its state."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from hubtools.progress import Reporter
from hubtools.training.distributed import Distributed

# Asking the others costs little beside ten steps, however fast these are.
_MOST_STEPS = 10


class Stop:
    """Set by a signal; true once the run should stop."""

    def __init__(self) -> None:
        self.asked = False

    def __bool__(self) -> bool:
        return self.asked


class StopAgreement:
    """Lets all processes of a run stop after the same step, whichever of them was asked to.

    They exchange their flags after as many steps as take a second, one at least and ten at most.
    How many is counted from a figure that all of them share, so that they ask each other after the
    same step.
    """

    def __init__(
        self, group: Distributed, stop: Stop, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._group, self._stop, self._clock = group, stop, clock
        self._asked, self._steps, self._every = clock(), 0, 1

    def reached(self) -> bool:
        """Whether to stop now; to be called once after each step."""
        if self._group.world_size == 1:
            return bool(self._stop)
        self._steps += 1
        if self._steps < self._every:
            return False
        import torch

        now = self._clock()
        mine = [float(bool(self._stop)), (now - self._asked) / self._steps]
        asked, seconds = self._group.sum(torch.tensor(mine, device=self._group.device)).tolist()
        self._asked, self._steps = now, 0
        self._every = steps_a_second(seconds / self._group.world_size)
        return bool(asked)


def steps_a_second(seconds: float) -> int:
    """How many steps of so many seconds fit into one second: 1 to 10."""
    return min(_MOST_STEPS, max(1, int(1 / seconds))) if seconds > 0 else _MOST_STEPS


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
