"""How the functions of the Python API are entered: what they are given stays the same folder until
they return, as the command line has it (`fences.keep_same`)."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import FunctionType
from typing import Any

from hubtools.fences import keep_same, same_folders


def entered(function: FunctionType, name: str) -> Callable[..., Any]:
    """The function of the API that is called `name`: the folders among its arguments are opened
    before it looks at anything. One that makes a context manager keeps them until that is left."""
    if inspect.isgeneratorfunction(inspect.unwrap(function)):

        @contextmanager
        def called(*given: Any, **named: Any) -> Iterator[Any]:
            with same_folders():
                _keep(given, named)
                with function(*given, **named) as made:
                    yield made

    else:

        def called(*given: Any, **named: Any) -> Any:
            with same_folders():
                _keep(given, named)
                return function(*given, **named)

    whole = wraps(function)(called)
    whole.__module__, whole.__qualname__ = "hubtools", name  # where pickle finds it
    return whole


def _keep(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    for value in (*given, *named.values()):
        if isinstance(value, Path):
            keep_same(value)
        elif isinstance(value, str):
            keep_named(value)


def keep_named(text: str) -> None:
    """`fences.keep_same` of the path that a text may be: nothing happens where there is none."""
    try:
        there = os.path.lexists(text)
    except ValueError:  # a null character, a lone surrogate
        return
    if there:
        keep_same(Path(text))
