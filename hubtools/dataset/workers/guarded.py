"""One thing done to one picture: right here if it is plain, else where a crash, a hang or a flood
of memory does no harm."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from hubtools.byname import named
from hubtools.dataset.pictures.facts import PictureFacts
from hubtools.dataset.pictures.header import trusted_format
from hubtools.dataset.pictures.tasks import PROBE
from hubtools.dataset.workers.pool import Failure, WorkerPool


class _Helper:
    """A worker process that is started when it is needed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._crew: WorkerPool | None = None
        self._busy = False
        self._process = os.getpid()

    @contextmanager
    def crew(self) -> Iterator[WorkerPool]:
        """The worker; another one while it is at work for somebody."""
        if self._busy or self._process != os.getpid():  # a fork has no thread that talks to it
            with WorkerPool(1) as another:
                yield another
            return
        if self._crew is None:
            self._crew = self._stack.enter_context(WorkerPool(1))
        self._busy = True
        try:
            yield self._crew
        except BaseException:
            # Answers that nobody waited for would be taken for those to what is asked next.
            self.dismiss()
            raise
        finally:
            self._busy = False

    def dismiss(self) -> None:
        self._crew = None
        self._stack.close()


_helper: ContextVar[_Helper | None] = ContextVar("helper", default=None)


@contextmanager
def shared_guard() -> Iterator[None]:
    """All that is guarded within shares one worker process."""
    if _helper.get() is not None:
        yield
        return
    helper = _Helper()
    token = _helper.set(helper)
    try:
        yield
    finally:
        _helper.reset(token)
        helper.dismiss()


@contextmanager
def unshared() -> Iterator[None]:
    """What is guarded within starts workers of its own, whatever is shared around it."""
    token = _helper.set(None)
    try:
        yield
    finally:
        _helper.reset(token)


def run_guarded(task: str, data: bytes, argument: str | None = None) -> Any:
    """What the task of that name gives for a picture; a `pool.Failure` if a worker had to be asked
    and did not survive it."""
    return (
        named(task)(data, argument) if trusted_format(data) else run_in_worker(task, data, argument)
    )


def run_in_worker(task: str, data: bytes, argument: str | None = None) -> Any:
    """What the task of that name gives for some bytes in a worker; a `pool.Failure` if that did not
    survive them."""
    with shared_crew() as crew:
        ((_, answer),) = crew.run(task, [(data, argument)])
    return answer


@contextmanager
def shared_crew() -> Iterator[WorkerPool]:
    """The one worker of `shared_guard`, or one of one's own."""
    helper = _helper.get()
    with WorkerPool(1) if helper is None else helper.crew() as crew:
        yield crew


def scan_one(data: bytes, name: str) -> PictureFacts:
    """Facts of a picture that is in no file yet; decoded in another process if it may do harm."""
    answer = run_guarded(PROBE, data)
    if isinstance(answer, Failure):
        return PictureFacts(name, len(data), "", problem=answer.reason)
    return PictureFacts(name, *answer)
