"""Waiting for Ctrl-C, for what serves pages until one is done with it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ENDING = (signal.SIGINT, signal.SIGTERM)


def until_interrupted() -> None:
    """Return at Ctrl-C (or whatever else raises KeyboardInterrupt). In the main thread a second
    one is ignored then: stopping takes two seconds at most and should be clean."""
    with suppress(KeyboardInterrupt):
        threading.Event().wait()
    if _in_main_thread():
        for number in _ENDING:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def signals_kept() -> Iterator[None]:
    """Put back at the end what `until_interrupted` may have changed."""
    before = {number: signal.getsignal(number) for number in _ENDING} if _in_main_thread() else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
