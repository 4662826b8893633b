"""A training that ends as a crash ends it, and one that finds all that it encodes in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hubtools.progress import PlainReporter


class Killed(Exception):
    """What ends it."""


class DiesAt(PlainReporter):
    """Ends the process's work when step `step` is done, before it is told."""

    def __init__(self, step: int) -> None:
        super().__init__(lambda sentence: None)
        self._step = step

    @contextmanager
    def progress(
        self, title: str, total: int, done: int = 0
    ) -> Iterator[Callable[[int, str], None]]:
        seen = done

        def advance(more: int, word: str) -> None:
            nonlocal seen
            seen += more
            if title == "training" and seen >= self._step:
                raise Killed

        yield advance


@contextmanager
def encodes_nothing(model: Any) -> Iterator[None]:
    """Pictures and captions that a model of this class encodes meanwhile are a fault."""

    def refuse(self: Any, *words: Any) -> None:
        raise AssertionError("it was encoded before")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "encode_picture", refuse)
        patch.setattr(model, "encode_caption", refuse)
        yield
