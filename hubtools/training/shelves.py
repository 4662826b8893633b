"""What lies in the cache: how much, used when, and by whom just now.

All of it is made again from what it was made of. An entry's time is that of its last use. A
training holds a shared lock on the shelves that it reads from, so that nobody empties them
meanwhile.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hubtools.causes import is_absent
from hubtools.errors import UsageError
from hubtools.files import LEFT_OVER
from hubtools.layout import cache_dir
from hubtools.rooted.system import FLOCK, NOFOLLOW, flocked

# In folders of their encoder, which trainings hold; and lone files, which are read at once.
ENCODED = ("latents", "text", "masks")
LONE = ("scans", "tars")
KINDS = (*ENCODED, *LONE)
DAYS = 30.0

_LOCK = ".in-use"
_ENTRY = re.compile(r"[0-9a-f]{32,64}(?:(?:_[\w.,+-]{1,200})?\.safetensors|\.cache|\.json)")
_DAY = 86_400.0


@dataclass(frozen=True)
class Shelf:
    """Entries of one kind, made by one encoder (`of`, a digest) where there are several. `bytes`
    of the files; `used` and `oldest` are the last and first times of use, in seconds since 1970;
    `in_use`: a process reads from it now."""

    kind: str
    of: str
    entries: int
    bytes: int
    used: float
    oldest: float
    in_use: bool


@dataclass(frozen=True)
class Pruned:
    """What was deleted, or would be; `left` are shelves that a running process uses."""

    entries: int
    bytes: int
    left: tuple[Shelf, ...]


def hold(folder: Path) -> int | None:
    """Take the shelf `folder` into use, as others may besides; answers the descriptor whose closing
    ends that. None where there are no locks, or no right to write."""
    if not FLOCK:
        return None
    import fcntl

    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue  # it has just been emptied
        except OSError:
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # whoever emptied it has just removed the file


def shelves() -> list[Shelf]:
    """All of the cache, the largest first."""
    found = []
    for kind, folder in _folders(KINDS):
        with _alone(folder, kind, os.O_RDWR) as alone:
            found.append(_shelf(kind, folder, _entries(folder), in_use=not alone))
    return sorted((one for one in found if one.entries), key=lambda one: (-one.bytes, one.of))


def prune(*, older_than: float = DAYS, kind: Sequence[str] = (), dry_run: bool = False) -> Pruned:
    """Delete what was not used for `older_than` days, of these kinds or of all. What a running
    process uses stays. `dry_run` only counts. Raises `UsageError` for a kind that there is not."""
    unknown = [name for name in kind if name not in KINDS]
    if unknown:
        raise UsageError(
            f"The cache has no kind {unknown[0]!r}.", hint=f"one of {', '.join(KINDS)}"
        )
    before = time.time() - older_than * _DAY
    entries, size, left = 0, 0, []
    for name, folder in _folders(kind or KINDS):
        with _alone(folder, name, os.O_RDWR if dry_run else os.O_RDWR | os.O_CREAT) as alone:
            old = [entry for entry in _entries(folder) if entry.stat().st_mtime <= before]
            if not alone:
                if old:
                    left.append(_shelf(name, folder, old, in_use=True))
                continue
            entries += len(old)
            size += sum(entry.stat().st_size for entry in old)
            if not dry_run:
                _delete(folder, old, empty=name in ENCODED)
    return Pruned(entries, size, tuple(left))


def _folders(kinds: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """(kind, folder) of each shelf; links are nobody's shelves."""
    for kind in kinds:
        root = cache_dir() / kind
        if not root.is_dir() or root.is_symlink():
            continue
        if kind in LONE:
            yield kind, root
            continue
        with os.scandir(root) as found:
            names = sorted(one.name for one in found if one.is_dir(follow_symlinks=False))
        yield from ((kind, root / name) for name in names)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What hubtools keeps there: the cache may be a folder that holds other things too."""
    with os.scandir(folder) as found:
        return [one for one in found if one.is_file(follow_symlinks=False) and _is_entry(one.name)]


def _is_entry(name: str) -> bool:
    return _ENTRY.fullmatch(name) is not None or LEFT_OVER.fullmatch(name) is not None


def _shelf(kind: str, folder: Path, entries: list[os.DirEntry[str]], *, in_use: bool) -> Shelf:
    facts = [entry.stat() for entry in entries]
    times = [one.st_mtime for one in facts] or [0.0]
    of = "" if kind in LONE else folder.name
    return Shelf(
        kind, of, len(facts), sum(one.st_size for one in facts), max(times), min(times), in_use
    )


@contextmanager
def _alone(folder: Path, kind: str, flags: int) -> Iterator[bool]:
    """True while nobody uses the shelf, and nobody begins to. `flags`: whether the lock file is
    made if there is none; nobody has used the shelf then."""
    if kind in LONE or not FLOCK:
        yield True
        return
    try:
        descriptor = os.open(folder / _LOCK, flags | NOFOLLOW, 0o600)
    except OSError as error:
        yield is_absent(error)  # else it is not ours to empty
        return
    try:
        with flocked(descriptor) as held:
            yield held
    finally:
        os.close(descriptor)


def _delete(folder: Path, entries: list[os.DirEntry[str]], *, empty: bool) -> None:
    for entry in entries:
        Path(entry.path).unlink(missing_ok=True)
    if empty and not _entries(folder) and FLOCK:
        (folder / _LOCK).unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:
            return  # something else lies there
