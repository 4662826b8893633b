"""What lies in the cache: how much, used when, and by whom just now.

All of it is made again from what it was made of. An entry's time is that of its last use. Who
reads from a shelf holds a shared lock on it, so that nobody empties it meanwhile.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hubtools.causes import is_absent
from hubtools.errors import UsageError
from hubtools.files import open_regular
from hubtools.layout import (
    AGREED_CACHE,
    COMPILED_DIR,
    IN_USE,
    OUTLINES_CACHE,
    PACES_CACHE,
    cache_dir,
)
from hubtools.rooted.system import FLOCK, NOFOLLOW, flocked
from hubtools.unfinished import LEFT_OVER

# In folders of their encoder, which trainings hold; and lone files, which are read at once.
ENCODED = ("latents", "text", "masks")
LONE = ("scans", "sums", "tars", PACES_CACHE, AGREED_CACHE, OUTLINES_CACHE, "captions")
BASES = "bases"  # each a folder of folders
DATASETS = "datasets"  # of repositories, a folder for each commit
UNPACKED = f"{DATASETS}/train"  # earlier versions unpacked all splits
COMPILED = COMPILED_DIR  # one folder, of PyTorch's own making
HELD = (*ENCODED, BASES, DATASETS, COMPILED)
KINDS = (*HELD, *LONE)
NAMED = ("captions", DATASETS)  # emptied only where somebody names the kind: they take long to make
DAYS = 30.0

# In the folder of a base, when it is whole; its time is that of the last use.
MARK = "unpacked.json"

_ENCODER = re.compile(r"[0-9a-f]{24,64}|cells")
_ENTRY = re.compile(r"[0-9a-f]{24,64}(?:_[\w.,+-]{1,200})?\.safetensors")
# Of lone files of each kind: how they are called, and what they begin with.
_OF_LONE = {
    "scans": (re.compile(r"[0-9a-f]{32}\.cache"), b"hubtools pictures\n"),
    "sums": (re.compile(r"[0-9a-f]{64}\.json"), b'{\n  "of": ['),
    "tars": (re.compile(r"[0-9a-f]{32}\.json"), b'{"form":'),
    PACES_CACHE: (re.compile(r"[0-9a-f]{64}\.json"), b"[["),
    AGREED_CACHE: (re.compile(r"[0-9a-f]{64}\.json"), b'{"agrees":'),
    OUTLINES_CACHE: (re.compile(r"[0-9a-f]{64}\.json"), b'{"shapes":'),
    "captions": (re.compile(r"[0-9a-f]{24}\.jsonl"), b'["'),
}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_OF_DATASETS = re.compile(r"\d{6,}\.\w{1,8}|metadata\.jsonl")
_OF_BASES = re.compile(r"[^/]+\.(?:json|txt|model|jinja|safetensors)")
_DAY, _HOUR = 86_400.0, 3600.0
_TRIES = 1000  # a lock file is made anew; some file systems count no names of a file that is there


class _Entry(NamedTuple):
    """A file or a link; `used` in seconds since 1970."""

    path: Path
    bytes: int
    used: float


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

    for _ in range(_TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder / IN_USE, os.O_RDWR | os.O_CREAT | NOFOLLOW, 0o600)
        except FileNotFoundError:
            continue  # it has just been emptied
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        except OSError:  # a file system without locks
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink:
            with suppress(OSError):
                os.utime(descriptor)
            return descriptor
        os.close(descriptor)  # whoever emptied it has just removed the file
    return None


def shelves() -> list[Shelf]:
    """All of the cache, the largest first."""
    found = []
    for kind, folder in _folders(KINDS):
        with _alone(folder, kind, os.O_RDWR) as alone:
            found.append(_shelf(kind, folder, _entries(folder), in_use=not alone))
    return sorted((one for one in found if one.entries), key=lambda one: (-one.bytes, one.of))


def prune(*, older_than: float = DAYS, kind: Sequence[str] = (), dry_run: bool = False) -> Pruned:
    """Delete what was not used for `older_than` days, of these kinds or of all but `NAMED`. What a
    running process uses stays. `dry_run` only counts. Raises `UsageError` for a kind that there is
    not."""
    unknown = [name for name in kind if name not in KINDS]
    if unknown:
        raise UsageError(
            f"The cache has no kind {unknown[0]!r}.", hint=f"one of {', '.join(KINDS)}"
        )
    before = time.time() - older_than * _DAY
    entries, size, left = 0, 0, []
    for name, folder in _folders(kind or [one for one in KINDS if one not in NAMED]):
        with _alone(folder, name, os.O_RDWR if dry_run else os.O_RDWR | os.O_CREAT) as alone:
            old = [entry for entry in _entries(folder) if _is_old(entry, before)]
            if not alone:
                if old:
                    left.append(_shelf(name, folder, old, in_use=True))
                continue
            entries += len(old)
            size += sum(entry.bytes for entry in old)
            if not dry_run:
                _delete(folder, old, empty=name in HELD)
    return Pruned(entries, size, tuple(left))


def _folders(kinds: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """(kind, folder) of each shelf; links are nobody's shelves."""
    for kind in kinds:
        root = cache_dir() / (UNPACKED if kind == DATASETS else kind)
        if not root.is_dir() or root.is_symlink():
            continue
        if kind in LONE or (kind == COMPILED and (root / IN_USE).is_file()):
            yield kind, root
            continue
        if kind == COMPILED:
            continue  # a folder that nobody has held is not ours
        with os.scandir(root) as found:
            names = sorted(one.name for one in found if one.is_dir(follow_symlinks=False))
        if kind != DATASETS:  # whose folders are called as repositories
            names = list(filter(_ENCODER.fullmatch, names))
        yield from ((kind, root / name) for name in names)


def _entries(folder: Path) -> list[_Entry]:
    """What hubtools keeps there: the cache may be a folder that holds other things too. Another
    process may empty it at the same time."""
    if folder.parent.name == BASES:
        return _entries_of_base(folder)
    if folder == cache_dir() / COMPILED:
        return _compiled(folder)
    if folder.parent == cache_dir() / UNPACKED:
        return _entries_of_dataset(folder)
    lone = _OF_LONE.get(folder.name) if folder.parent == cache_dir() else None
    return _still_there(path for path in _inside(folder) if _is_entry(path, lone))


def _entries_of_base(folder: Path) -> list[_Entry]:
    """Its components' files, which were all used when the base was."""
    if not re.fullmatch(r"[0-9a-f]{64}", folder.name):
        return []
    found = []
    for inner in (folder, *(one for one in _inside(folder) if _is_folder(one))):
        found += [one for one in _inside(inner) if _OF_BASES.fullmatch(one.name)]
    entries = _still_there(found)
    used = next((one.used for one in entries if one.path == folder / MARK), None)
    return [one if used is None else one._replace(used=used) for one in entries]


def _entries_of_dataset(folder: Path) -> list[_Entry]:
    """The files of each commit, which were all used when one was."""
    found = []
    for commit in _inside(folder):
        if _COMMIT.fullmatch(commit.name) and _is_folder(commit):
            with suppress(FileNotFoundError):
                used = commit.lstat().st_mtime
                inner = _still_there(
                    one for one in _inside(commit) if _OF_DATASETS.fullmatch(one.name)
                )
                found += [one._replace(used=used) for one in inner]
    return found


def _compiled(folder: Path) -> list[_Entry]:
    """All of it, used when it was held last."""
    places = (Path(at) / name for at, _, names in os.walk(folder) for name in names)
    entries = _still_there(places)
    used = max((one.used for one in entries), default=0.0)
    return [one._replace(used=used) for one in entries if one.path != folder / IN_USE]


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _still_there(paths: Iterable[Path]) -> list[_Entry]:
    """The files among them."""
    entries = []
    for path in paths:
        with suppress(FileNotFoundError):
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode):
                entries.append(_Entry(path, facts.st_size, facts.st_mtime))
    return entries


def _is_old(entry: _Entry, before: float) -> bool:
    """Of lone files nobody holds a lock: what a process may be writing just now stays."""
    if LEFT_OVER.fullmatch(entry.path.name):
        before = min(before, time.time() - _HOUR)
    return entry.used <= before


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_entry(path: Path, lone: tuple[re.Pattern[str], bytes] | None) -> bool:
    if LEFT_OVER.fullmatch(path.name):
        return True
    if lone is None:
        return _ENTRY.fullmatch(path.name) is not None
    called, begins = lone
    if not called.fullmatch(path.name):
        return False
    try:
        with open_regular(path) as file:
            return file.read(len(begins)) == begins
    except OSError:
        return False  # nobody can say that it is ours


def _shelf(kind: str, folder: Path, entries: list[_Entry], *, in_use: bool) -> Shelf:
    times = [one.used for one in entries] or [0.0]
    size = sum(one.bytes for one in entries)
    of = "" if kind in (*LONE, COMPILED) else folder.name
    return Shelf(kind, of, len(entries), size, max(times), min(times), in_use)


@contextmanager
def _alone(folder: Path, kind: str, flags: int) -> Iterator[bool]:
    """True while nobody uses the shelf, and nobody begins to. `flags`: whether the lock file is
    made if there is none; nobody has used the shelf then."""
    if kind in LONE or not FLOCK:
        yield True
        return
    try:
        descriptor = os.open(folder / IN_USE, flags | NOFOLLOW, 0o600)
    except OSError as error:
        yield is_absent(error)  # else it is not ours to empty
        return
    with ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            held = stack.enter_context(flocked(descriptor, folder / IN_USE))
        except OSError as error:
            held = error.errno == errno.ENOLCK  # nobody can hold it
        yield held


def _delete(folder: Path, entries: list[_Entry], *, empty: bool) -> None:
    for entry in entries:
        entry.path.unlink(missing_ok=True)
    if empty and not _entries(folder) and FLOCK:
        (folder / IN_USE).unlink(missing_ok=True)
        above = {one for entry in entries for one in entry.path.parents} - set(folder.parents)
        for inner in sorted(above | {folder}, key=lambda one: -len(one.parts)):
            with suppress(OSError):  # something else lies there
                inner.rmdir()
