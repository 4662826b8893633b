"""One thing done to one picture: right here if it is plain, else where a crash, a hang or a flood
of memory does no harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from hubtools.dataset.pictures.header import plain
from hubtools.dataset.workers.pool import Crew
from hubtools.dataset.workers.worker import TASKS


class _Helper:
    """A worker process that is started when it is needed."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._crew: Crew | None = None

    def ask(self, task: str, data: bytes, argument: str | None) -> Any:
        if self._crew is None:
            self._crew = self._stack.enter_context(Crew(1))
        ((_, answer),) = self._crew.run(task, [(data, argument)])
        return answer

    def dismiss(self) -> None:
        self._stack.close()


_helper: ContextVar[_Helper | None] = ContextVar("helper", default=None)


@contextmanager
def one_helper() -> Iterator[None]:
    """All that is done `carefully` within shares one worker process."""
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


def carefully(task: str, data: bytes, argument: str | None = None) -> Any:
    """What `worker.TASKS[task]` gives for a picture; a `crew.Failure` if a worker had to be asked
    and did not survive it."""
    return TASKS[task](data, argument) if plain(data) else apart(task, data, argument)


def apart(task: str, data: bytes, argument: str | None = None) -> Any:
    """What `worker.TASKS[task]` gives for some bytes in a worker; a `crew.Failure` if that did not
    survive them."""
    with one_helper():
        helper = _helper.get()
        assert helper is not None
        return helper.ask(task, data, argument)
