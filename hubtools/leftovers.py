"""What killed writes have left goes once nothing touches it any more."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hubtools.renaming import give_name
from hubtools.unfinished import LEFT_OVER, is_somebodys, place_of

_HOUR = 3600.0
_SWEPT: set[tuple[int, int]] = set()  # folders, by device and inode


def sweep_once(folder: Path | int) -> None:
    """Clear away what killed writes of this user have left in a folder (a path, or open) and
    nothing has touched for an hour; once in the life of this process, when it first writes there.
    """
    facts = os.stat(folder)  # noqa: PTH116 (it may be a descriptor)
    if (facts.st_dev, facts.st_ino) in _SWEPT:
        return
    _SWEPT.add((facts.st_dev, facts.st_ino))
    with suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if LEFT_OVER.fullmatch(entry.name)]:
            at: dict[str, int] = {"dir_fd": folder} if isinstance(folder, int) else {}
            path = name if isinstance(folder, int) else str(folder / name)
            with suppress(OSError):
                clear(path, at, _HOUR)


def clear(name: str, at: Mapping[str, int], older_than: float) -> bool:
    """Remove a file that a killed write of this user has left, if nothing has touched it for so
    many seconds; say whether that was so. `name` is relative to the folder `at` (`dir_fd`; empty
    where there is no openat), and fits `LEFT_OVER`.

    What somebody saved in the instant before the kill is not removed: it gets back the name that
    it had, or `NAME.old0` beside that. Raises `OSError`."""
    facts = os.lstat(name, **at)
    if not untouched(facts, older_than):
        return False
    folder, base = os.path.split(name)
    if is_somebodys(base, (facts.st_ino, facts.st_size, facts.st_mtime_ns)):
        give_name(name, os.path.join(folder, place_of(base)), at, at)
    else:
        os.unlink(name, **at)
    return True


def untouched(facts: os.stat_result, older_than: float) -> bool:
    """True for a file of this user that nothing has touched for so many seconds."""
    mine = os.name == "nt" or facts.st_uid == os.geteuid()
    age = time.time() - max(facts.st_mtime, facts.st_ctime)
    return stat.S_ISREG(facts.st_mode) and mine and age >= older_than
