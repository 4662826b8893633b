"""A model is opened from its folder, and from nothing else.

The libraries that open models look further than a folder's settings can be judged beforehand: some
classes open pickles beside safetensors, some settings name another repository. So what they do is
refused at the moment in which they do it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from hubtools.hub.patience import be_patient
from hubtools.hub.shut import opening
from hubtools.modelfiles import Pickled


@contextmanager
def opened_alone(shown: str, *, allow_pickle: bool = False) -> Iterator[None]:
    """While the block runs, this thread asks no Hub for anything (`HubtoolsError`, which libraries
    take for a lost connection) and opens no pickle by PyTorch (`Pickled`). `allow_pickle`: it opens
    them by `weights_only`. `shown` is what people call the model."""
    be_patient()
    _guard.begin()
    outer, opening.model = opening.model, (shown, allow_pickle)
    try:
        yield
    finally:
        opening.model = outer
        _guard.end()


class _Guard:
    """In the place of `torch.load` as long as any thread opens a model."""

    def __init__(self) -> None:
        self._turn, self._opened = threading.Lock(), 0
        self._before: Any = None

    def begin(self) -> None:
        import torch

        with self._turn:
            if not self._opened:
                self._before, torch.load = torch.load, partial(_loaded, torch.load)
            self._opened += 1

    def end(self) -> None:
        import torch

        with self._turn:
            self._opened -= 1
            if not self._opened:
                torch.load = self._before


_guard = _Guard()


def _loaded(load: Any, file: Any, *places: Any, **options: Any) -> Any:
    if opening.model is None:  # of another thread
        return load(file, *places, **options)
    shown, allowed = opening.model
    if not allowed:
        raise Pickled(shown, str(getattr(file, "name", file))[-200:])
    return load(file, *places, **{**options, "weights_only": True})
