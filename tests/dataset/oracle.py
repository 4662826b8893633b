"""What `datasets` really does with a folder, in the words of the simulator."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec.spec
import pytest
from datasets import arrow_reader, builder, data_files, fingerprint
from datasets.download import download_manager
from datasets.utils import py_utils
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from hubtools.dataset.folder.listing import walk
from hubtools.dataset.loaders import Loaded, Mode, Outcome, simulate
from hubtools.dataset.metadata import read_metadata
from hubtools.dataset.sources.opening import open_source
from hubtools.dataset.sources.shards import Shards
from hubtools.dataset.view import view
from hubtools.settings import DatasetSettings

# Sixty patterns for each folder, which come out the same each time.
fsspec.spec.glob_translate = functools.cache(fsspec.spec.glob_translate)


@contextlib.contextmanager
def unchanged() -> Iterator[None]:
    """Within, no folder changes: what `datasets` finds for a pattern is looked up once for all ways
    to load it."""
    known: dict[Any, list[str] | Exception] = {}
    real = data_files.resolve_pattern

    def resolve(
        pattern: str, base_path: str, allowed_extensions: Any = None, download_config: Any = None
    ) -> list[str]:
        allowed = None if allowed_extensions is None else tuple(allowed_extensions)
        key = (pattern, base_path, allowed)
        if key not in known:
            try:
                known[key] = real(pattern, base_path, allowed_extensions, download_config)
            except FileNotFoundError as error:
                known[key] = error
        found = known[key]
        if isinstance(found, Exception):
            raise found.with_traceback(None)
        return list(found)

    looked: dict[Any, Any] = {}
    listed = LocalFileSystem.find

    def find(self: Any, path: str, **options: Any) -> Any:
        key = (path, *sorted(options.items()))
        if key not in looked:
            looked[key] = listed(self, path, **options)
        return looked[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_files, "resolve_pattern", resolve)
        patch.setattr(LocalFileSystem, "find", find, raising=False)
        for module in _THREADED:  # a few files: starting threads takes longer than looking at them
            patch.setattr(module, "thread_map", _one_by_one)
        for module, name in _FOR_OTHERS:
            patch.setattr(module, name, contextlib.nullcontext)
        # The cache is new each time: its folders may be called anything, and none is an old one's.
        names = itertools.count()
        named = staticmethod(lambda _: f"{next(names):016x}")
        patch.setattr(fingerprint.Hasher, "hash", named)
        patch.setattr(_Builder, "_check_legacy_cache2", lambda *_: None, raising=False)
        yield


def _one_by_one(function: Any, *items: Any, **_: Any) -> list[Any]:
    return list(map(function, *items))


_Builder = builder.DatasetBuilder
_THREADED = [
    module
    for module in (arrow_reader, data_files, download_manager, py_utils)
    if hasattr(module, "thread_map")
]
# Of processes that load the same at once, and of bars that nobody sees.
_FOR_OTHERS = [
    (module, name)
    for module, name in (
        (builder, "FileLock"),
        (download_manager, "stack_multiprocessing_download_progress_bars"),
    )
    if hasattr(module, name)
]


# More rows than this are not opened one by one.
OPENED = 60

# rows, columns, columns of pictures, broken rows
Splits = dict[str, tuple[int, tuple[str, ...], tuple[str, ...], tuple[int, ...]]]


@dataclass(frozen=True)
class Truth:
    """`module` and `splits` as loaded, or what was raised."""

    module: str | None
    splits: Splits | None
    error: str = ""
    files: tuple[str | None, ...] = ()


def simulated(root: Path) -> dict[Mode, Loaded]:
    source = open_source(root)
    if isinstance(source, Shards):
        return view(source, DatasetSettings()).loaders
    listing = walk(root)
    metadata = [read_metadata(root, entry) for entry in listing.metadata]
    return {loaded.mode: loaded for loaded in simulate(listing, metadata)}


def truth(root: Path, mode: Mode) -> Truth:
    """Load the folder as `mode` does, and look at every row."""
    if mode is Mode.DREAMBOOTH:
        return _dreambooth(root)
    cache = tempfile.mkdtemp()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = _load(root, mode, cache)
            splits = {}
            for name, table in loaded.items():
                broken = tuple(n for n in range(min(len(table), OPENED)) if not _opens(table, n))
                shown = tuple(c for c, f in table.features.items() if "Image(" in repr(f))
                splits[name] = (len(table), tuple(table.column_names), shown, broken)
            module = next(iter(loaded.values())).info.builder_name
            return Truth(module, splits)
    except Exception as error:
        return Truth(None, None, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _load(root: Path, mode: Mode, cache: str) -> Any:
    from datasets import load_dataset

    if mode is Mode.IMAGEFOLDER:
        return load_dataset("imagefolder", data_dir=str(root), cache_dir=cache)
    if mode is Mode.DIFFUSERS:
        files = {"train": os.path.join(str(root), "**")}
        return load_dataset("imagefolder", data_files=files, cache_dir=cache)
    return load_dataset(str(root), cache_dir=cache)


def _opens(table: Any, row: int) -> bool:
    try:
        table[row]
    except Exception:
        return False
    return True


def _dreambooth(root: Path) -> Truth:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pictures = [Image.open(path) for path in Path(root).iterdir()]
        except Exception as error:
            return Truth(None, None, f"{type(error).__name__}: {error}")
        broken = 0
        for picture in pictures:
            try:
                picture.load()
            except Exception:
                broken += 1
        # the order of a folder is not known: broken ones are counted only
        rows = (len(pictures), ("image",), ("image",), tuple(range(broken)))
        return Truth(None, {"train": rows})


def predicted(loaded: Loaded) -> Truth:
    """The simulator's answer, to be compared with `truth`."""
    if loaded.outcome is Outcome.RAISES:
        return Truth(None, None, loaded.reason or "")
    counted = loaded.mode is Mode.DREAMBOOTH
    splits = {
        split.name: (
            split.rows or 0,
            split.columns,
            split.pictures,
            tuple(range(len(split.broken)))
            if counted
            else tuple(b.row for b in split.broken if b.row < OPENED),
        )
        for split in loaded.splits
    }
    return Truth(loaded.module, splits)


def disagreement(root: Path, loaded: Loaded) -> str | None:
    """How the prediction differs from what happens; None if it does not.

    Rows of several metadata files come in an order that `datasets` leaves to chance; then broken
    rows are counted only.
    """
    if any(one.outcome is Outcome.MAY_RAISE for one in (loaded, *loaded.alternatives)):
        return None
    real = truth(root, loaded.mode)
    if loaded.alternatives:
        tried = [_differs(real, one, several=True) for one in loaded.alternatives]
        return None if None in tried else "; ".join(str(text) for text in tried)
    several = len(walk(root).metadata) > 1
    return _differs(real, loaded, several=several)


def _differs(real: Truth, loaded: Loaded, *, several: bool) -> str | None:
    ours = predicted(loaded)
    if (ours.splits is None) != (real.splits is None):
        return f"predicted {ours}, got {real}"
    if ours.splits is None or real.splits is None:
        return None
    theirs = {s: (*rest, len(b) if several else b) for s, (*rest, b) in real.splits.items()}
    mine = {s: (*rest, len(b) if several else b) for s, (*rest, b) in ours.splits.items()}
    if theirs != mine or (real.module and real.module != ours.module):
        return f"predicted {ours}, got {real}"
    return None
