"""A model is opened from its folder, and from nothing else.

The libraries that open models look further than a folder's settings can be judged beforehand: some
classes open pickles beside safetensors, some settings name another repository, some are words for
programs that read texts and pictures. So what they do is refused at the moment in which they do it.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from hubtools.compiled import keep_compiled_code_at_home, keep_headers_at_home
from hubtools.errors import HubtoolsError
from hubtools.hub.patience import be_patient
from hubtools.layout import cache_dir
from hubtools.modelfiles import Pickled

# Packages that start programs, or load libraries, by the words of a model's settings: Tesseract
# writes any file that an option names, a configuration of Sudachi names code to run.
KEPT_OUT = (
    "detectron2", "fugashi", "kenlm", "Mykytea", "phonemizer", "pyctcdecode", "pytesseract",
    "rhoknp", "sudachipy",
)  # fmt: skip

# Where the libraries run code of a folder; a file may appear there after the folder was judged.
_RUNNERS = ("diffusers.utils.dynamic_modules_utils", "transformers.dynamic_module_utils")
_RUNS = "get_class_in_module"


class _Opening(threading.local):
    """What this thread opens: the name of a model, and whether its pickles may be; or None."""

    model: tuple[str, bool] | None = None


opening = _Opening()


class AsksTheHub(HubtoolsError, ConnectionError):
    """A model's folder has the library that opens it ask a Hub for more."""

    default_code = "unsafe-file"


def _refuse(request: Any) -> None:
    """Raise `AsksTheHub` if this thread opens a model from its folder."""
    if opening.model is not None:
        raise AsksTheHub(
            f"{opening.model[0]} has the library that opens it ask the Hub for"
            f" {request.url.path[:80]!r}; a model is opened from its folder alone.",
            hint="remove the entry of its settings that names another repository",
        )


@contextmanager
def unchanged(folder: Path, shown: str) -> Iterator[None]:
    """For the block in which a model's folder is judged and then opened by its path: raises
    `HubtoolsError` at its end if something in the folder was exchanged meanwhile, as what was
    opened may be what nobody judged. `shown` is what people call the model. What lies in a cache is
    believed."""
    if is_kept(folder):
        yield
        return
    before = _facts_below(folder)
    yield
    if before != _facts_below(folder):
        raise HubtoolsError(
            f"{shown} has changed while it was opened; it is not used.",
            hint="look who changes it, and run the same command again",
            code="file-changed",
        )


def is_kept(folder: Path) -> bool:
    """Whether a model's folder lies in a cache of this user's: the client's, or hubtools'."""
    from huggingface_hub.constants import HF_HUB_CACHE

    real = os.path.realpath(folder)
    kept = (os.path.realpath(place) for place in (HF_HUB_CACHE, cache_dir()))
    return any(Path(real).is_relative_to(place) for place in kept)


def _facts_below(folder: Path) -> dict[str, tuple[int, ...]]:
    """What changes with whatever happens to a folder and to what is below it, links and where they
    lead: the times of changes, which nobody sets."""
    found: dict[str, tuple[int, ...]] = {}
    for place, folders, names in os.walk(folder):
        for path in (Path(place, name) for name in ("", *folders, *names)):
            with suppress(OSError):
                for facts in (path.lstat(), path.stat()):
                    key = f"{path} {facts.st_dev} {facts.st_ino}"
                    found[key] = (facts.st_ctime_ns, facts.st_mtime_ns, facts.st_size)
    return found


@contextmanager
def opened_alone(shown: str, *, allow_pickle: bool = False) -> Iterator[None]:
    """While the block runs, this thread asks no Hub for anything (`HubtoolsError`, which libraries
    take for a lost connection), runs no code of the folder (`HubtoolsError`), opens no pickle by
    PyTorch (`Pickled`) and finds no package of `KEPT_OUT`. `allow_pickle`: it opens pickles by
    `weights_only`. `shown` is what people call the model."""
    be_patient(_refuse)
    keep_compiled_code_at_home()  # a model's settings can have its parts compiled
    _guard.begin()
    outer, opening.model = opening.model, (shown, allow_pickle)
    try:
        yield
    finally:
        opening.model = outer
        _guard.end()


class _Guard:
    """In the place of `torch.load`, of what runs code of a folder, and of the packages `KEPT_OUT`,
    as long as any thread opens a model."""

    def __init__(self) -> None:
        self._turn, self._opened = threading.Lock(), 0
        self._before: Any = None
        self._modules: dict[str, Any] = {}
        self._runners: dict[Any, Any] = {}

    def begin(self) -> None:
        import torch

        keep_headers_at_home()
        with self._turn:
            if not self._opened:
                for name in _RUNNERS:  # the block may be the first to import one
                    runner = importlib.import_module(name)
                    runs = self._runners[runner] = getattr(runner, _RUNS)
                    setattr(runner, _RUNS, partial(_run, runs))
                self._before, torch.load = torch.load, partial(_loaded, torch.load)
                modules: dict[str, Any] = sys.modules
                self._modules = {name: modules[name] for name in KEPT_OUT if name in modules}
                modules.update(dict.fromkeys(KEPT_OUT))
            self._opened += 1

    def end(self) -> None:
        import torch

        with self._turn:
            self._opened -= 1
            if not self._opened:
                torch.load = self._before
                for runner, runs in self._runners.items():
                    setattr(runner, _RUNS, runs)
                self._runners = {}
                for name in KEPT_OUT:
                    sys.modules.pop(name, None)
                sys.modules.update(self._modules)


_guard = _Guard()


def _run(run: Any, *places: Any, **options: Any) -> Any:
    if opening.model is None:  # of another thread
        return run(*places, **options)
    raise HubtoolsError(
        f"{opening.model[0]} has the library that opens it run code that came with it.",
        hint="code that comes with a model is not run; use a model that needs none",
        code="unsafe-file",
    )


def _loaded(load: Any, file: Any, *places: Any, **options: Any) -> Any:
    if opening.model is None:  # of another thread
        return load(file, *places, **options)
    shown, allowed = opening.model
    if not allowed:
        raise Pickled(shown, str(getattr(file, "name", file))[-200:])
    return load(file, *places, **{**options, "weights_only": True})
