"""Where PyTorch keeps what it compiles. It runs that again later, so no other user may put files
there, and no person's files may lie there: the place is emptied with the cache."""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from hubtools.interpreter import guard_programs
from hubtools.layout import COMPILED_DIR, IN_USE, cache_dir

_PLACE = "TORCHINDUCTOR_CACHE_DIR"
# Modules of PyTorch that name its own place; those not imported yet take it from the first two.
_NAMING = ("torch._inductor.runtime.cache_dir_utils", "torch._inductor.runtime.runtime_utils")
_TAKING = "torch._inductor.codecache"


def keep_compiled_code_at_home() -> None:
    """Have inductor keep what it compiles in hubtools' cache, unless TORCHINDUCTOR_CACHE_DIR says
    where. Its own place is a folder in /tmp whose name everybody knows: another user of the machine
    could make it first, and code from it is run. In a cache that others write to, or where
    something else has the name, it is a folder for this process. Raises as `cache_dir`. Compilers
    are then looked for in the absolute folders of PATH only, whoever has started this process."""
    guard_programs()
    said = os.environ.get(_PLACE)
    if said is not None and not _is_pytorchs(Path(said)):
        return
    folder = home_of_compiled_code()
    if not _is_mine_alone(folder) or not _is_for_it(folder):
        folder = Path(tempfile.mkdtemp(prefix="hubtools-inductor-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[_PLACE] = str(folder)


def _is_pytorchs(place: Path) -> bool:
    """Whether a place is PyTorch's own, which it puts into that variable when it is imported."""
    return place.name.startswith("torchinductor_") and place.parent == Path(tempfile.gettempdir())


def home_of_compiled_code() -> Path:
    """The folder in the cache, without links: who has made one could lead it elsewhere."""
    return Path(os.path.realpath(cache_dir() / COMPILED_DIR))


def keep_headers_at_home() -> None:
    """Have PyTorch keep all of it there: it knows TORCHINDUCTOR_CACHE_DIR, and yet has compiled
    headers and answers of its own in /tmp. To be called when PyTorch is imported, after
    `keep_compiled_code_at_home`."""
    place = Path(os.environ[_PLACE]).absolute()
    headers = place / "precompiled_headers"
    values = {
        "default_cache_dir": lambda: str(place),
        "_HEADER_DIR": str(headers),
        "_HEADER_LOCK_DIR": str(headers / "locks"),
    }
    for module in _NAMING:
        with suppress(ImportError):  # of an older PyTorch
            importlib.import_module(module)
    for module in (*_NAMING, _TAKING):
        found = sys.modules.get(module)
        for name, value in values.items():
            if hasattr(found, name):
                setattr(found, name, value)


def _is_mine_alone(folder: Path) -> bool:
    """Whether this user, and no other, can put files into a folder, which is made if there is none,
    or another folder in its place, or in that of one above it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts, *above = (path.lstat() for path in (folder, *folder.parents))
    except OSError:
        return False
    if os.name == "nt":
        return True
    return (
        stat.S_ISDIR(facts.st_mode)
        and facts.st_uid == os.geteuid()
        and not facts.st_mode & 0o022
        and all(one.st_uid in (0, os.geteuid()) for one in above)
        and all(not one.st_mode & 0o022 or one.st_mode & stat.S_ISVTX for one in above)
    )


def _is_for_it(folder: Path) -> bool:
    """Whether nothing lies in the folder but what was compiled: it was empty once, and is marked
    since."""
    mark = folder / IN_USE
    try:
        if next(folder.iterdir(), None) is None:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            os.close(os.open(mark, flags, 0o600))
        return mark.is_file() and not mark.is_symlink()
    except OSError:
        return False
