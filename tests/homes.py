"""Where a process of the tests keeps what it would keep in the user's home, and which Hub it knows.

The Hub's client and what builds on it read both from the environment when they are imported, into
many names. A process that is forked from one that has imported them gets a home and a Hub of its
own all the same: wherever those of the first one are held, its own are put.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import random
import socket
import tempfile
import types
from pathlib import Path, PurePath
from typing import Any

_HOST = "127.0.0.1:"
_AT_ONCE = 200  # objects that are looked through together


def make() -> Path:
    """A home and a port for this process, in its environment; to be called before the client of the
    Hub is imported."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "HUBTOOLS_"))]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="hubtools-tests-"))
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "HF_ENDPOINT": f"http://{_HOST}{_free_port()}",
        "HF_TOKEN": "hf_local",
        "HF_HOME": str(home / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HUBTOOLS_CACHE": str(home / "cache"),
        "HUBTOOLS_CONFIG": str(home / "config"),
    }
    return home


def home() -> Path:
    """The folder of this process."""
    return Path(os.environ["HF_HOME"]).parent


def port() -> int:
    """Where this process serves its Hub."""
    return int(os.environ["HF_ENDPOINT"].rpartition(":")[2])


def holders() -> list[Any]:
    """All that holds the home or the port of this process, but for texts and paths themselves.
    To be called after a collection of garbage, which takes tuples of texts off its list."""
    told = (str(home()), f"{_HOST}{port()}")
    known = gc.get_objects()
    caches = [one for one in known if type(one) is functools._lru_cache_wrapper]
    for cache in _among(caches, told):
        cache.cache_clear()
    del known, caches
    return _among(gc.get_objects(), told)


def move(name: str, holders: list[Any]) -> None:
    """To a home below this one and to another port, and all `holders` with it. Raises `TypeError`
    if one of them cannot be told."""
    texts = {str(home()): str(home() / name), f"{_HOST}{port()}": f"{_HOST}{_free_port()}"}
    for holder in holders:
        _tell(holder, texts)
    for variable, value in os.environ.items():
        os.environ[variable] = _said_anew(value, texts)
    home().mkdir()


def _among(known: list[Any], texts: tuple[str, ...]) -> list[Any]:
    """Those of the objects that hold one of these, but for `texts`."""
    parts = (known[first : first + _AT_ONCE] for first in range(0, len(known), _AT_ONCE))
    return [
        holder
        for part in parts
        if _may_speak_of(gc.get_referents(*part), texts)
        for holder in part
        if not issubclass(type(holder), PurePath | types.FrameType)
        and holder is not texts
        and any(_speaks_of(held, texts) for held in gc.get_referents(holder) if held is not texts)
    ]


def _may_speak_of(values: list[Any], texts: tuple[str, ...]) -> bool:
    """False if none of the values speaks of `texts`; for thousands of them at once."""
    values += gc.get_referents(*[value for value in values if type(value) is tuple])
    said = [value for value in values if type(value) is str]
    said += [str(value) for value in values if _IS_TEXT[type(value)]]
    together = "\n".join(said)
    return any(text in together for text in texts)


class _IsText(dict[type, bool]):
    """Whether a type is one of texts or paths, but for `str` itself."""

    def __missing__(self, kind: type) -> bool:
        self[kind] = kind is not str and issubclass(kind, str | PurePath)
        return self[kind]


_IS_TEXT = _IsText()


def _speaks_of(value: Any, texts: tuple[str, ...]) -> bool:
    if type(value) is tuple:  # those of nothing but texts are not listed by themselves
        return any(_speaks_of(part, texts) for part in value if type(part) is str)
    if not issubclass(type(value), str | PurePath):  # isinstance() asks the value
        return False
    return any(text in str(value) for text in texts)


def _tell(holder: Any, texts: dict[str, str]) -> None:
    if isinstance(holder, types.FunctionType):
        holder.__defaults__ = _said_anew(holder.__defaults__, texts)
        return
    held = holder if isinstance(holder, dict) else getattr(holder, "__dict__", None)
    if held is None:
        raise TypeError(f"{type(holder)} holds the place of another process")
    for name, value in held.items():
        held[name] = _said_anew(value, texts)


def _said_anew(value: Any, texts: dict[str, str]) -> Any:
    if type(value) is tuple:
        return tuple(_said_anew(part, texts) for part in value)
    if not issubclass(type(value), str | PurePath):
        return value
    said = str(value)
    for old, new in texts.items():
        said = said.replace(old, new)
    return value if said == str(value) else type(value)(said)


def _free_port() -> int:
    """A port below those that systems hand out by themselves, so that it stays free until the Hub
    takes it."""
    while True:
        found = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", found))
            return found
