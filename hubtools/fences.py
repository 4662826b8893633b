"""Folders that a project's file names, and that must lie inside the project when they are opened;
folders that stay the same ones while a command works.

A path is judged before a command begins, and a folder may be exchanged for a link after that. So
whoever opens the folder asks where it really lies: from its descriptor up, folder by folder. And a
path that a command opens twice may lead elsewhere the second time, where a folder above it was
exchanged: what it led to first is kept open, and compared. A path that a command is given is opened
before the command looks at anything (`keep_same`).
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from hubtools.errors import HubtoolsError

AT = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd  # not on Windows


class LeadsOut(HubtoolsError):
    """A name that leaves its folder, or a symbolic link in the way."""

    default_code = "link-refused"


# By path; None: the user has named this one.
_FENCES: dict[str, Path | None] = {}


def _whole(path: Path | str) -> Path:
    """The absolute path; `..` behind a link is the folder above that to which the link leads."""
    if os.pardir not in os.fspath(path) or not AT:
        return Path(os.path.abspath(path))
    text = os.path.join(os.getcwd(), path)
    if (known := _PARENTS.get(text)) is not None:
        return known
    found = Path(os.sep)
    for part in text.split(os.sep):
        found = Path(os.path.realpath(found)).parent if part == os.pardir else found / part
    if _KNOWN is not None:
        _PARENTS[text] = found
    return found


def fence(path: Path, root: Path) -> None:
    """From now on `path`, the folders on the way to it, and what is below it, are opened only where
    they lie inside `root`."""
    top, whole = _whole(root), _whole(path)
    _FENCES[str(whole)] = top
    for folder in whole.parents:
        if top in folder.parents:
            _FENCES[str(folder)] = top


def unfence(path: Path) -> None:
    """The user has named `path`: links in it, and on the way to it, are followed."""
    whole = _whole(path)
    _FENCES[str(whole)] = None
    for folder in map(str, whole.parents):
        _FENCES.pop(folder, None)


def keep_inside(folder: Path) -> None:
    """Have a folder that nobody has named made and opened only where it lies, not through a link:
    who has made what lies around it may have made one. Raises `LeadsOut` if there is one."""
    if folder.is_symlink():
        raise LeadsOut(
            f"{folder} is a link; nothing is written through one that you have not named.",
            hint="name the place where it is to be written",
        )
    fence(folder, folder.parent)
    keep_same(folder)


def _fence_of(path: Path) -> Path | None:
    """The folder in which `path` must lie; None if there is none."""
    if not _FENCES:
        return None
    whole = _whole(path)
    return next((_FENCES[one] for one in map(str, (whole, *whole.parents)) if one in _FENCES), None)


def check_fence(path: Path, descriptor: int) -> None:
    """Raises `LeadsOut` if `path`, which was opened as a folder, must lie in a project and does
    not, or is another folder than this command has opened there before. Nothing is told where
    there is no openat."""
    _check_inside(path, descriptor)
    if AT and _KNOWN is not None:
        _check_same(path, descriptor)


def _check_inside(path: Path, descriptor: int) -> None:
    root = _fence_of(path)
    if AT and root is not None and not _lies_inside(descriptor, root):
        raise LeadsOut(
            f"{path} leads out of the project's folder {root}; nothing was done.",
            hint="it lay inside a moment ago: look who changes it, and run it again",
        )


class _Folder(NamedTuple):
    """What a path led to: which folder, and a descriptor that keeps its number from being given to
    another (-1: that of a folder below it does)."""

    facts: os.stat_result
    descriptor: int


_KNOWN: dict[str, _Folder] | None = None
_ENTERED = 0  # how often `same_folders` runs
_LOCK = threading.Lock()
_MISSING: set[str] = set()  # paths where nothing was when the command began
_PARENTS: dict[str, Path] = {}  # by path with `..`: what it was taken for first
_MOST_OPEN = 64
_LOOK = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class _Way(NamedTuple):
    """The nearest folder above that is kept open, and how to go on from there: "" or "a/b/"."""

    above: Path
    kept: _Folder
    inner: str


_WAYS: dict[str, _Way | None] = {}  # by the folder of a file
_MOST_WAYS = 4096
# Which folders a process that hubtools starts must find at their paths.
HANDED = "HUBTOOLS_FOLDERS"


@contextmanager
def same_folders() -> Iterator[None]:
    """Until the end, a path under which a folder was opened must lead to the same one whenever it
    is opened again. Within another one this one adds nothing, in other threads too: all end with
    the last."""
    global _KNOWN, _ENTERED
    with _LOCK:
        _ENTERED += 1
        if _ENTERED == 1:
            _KNOWN = {}
            _take_over(_KNOWN)
    try:
        yield
    finally:
        with _LOCK:
            _ENTERED -= 1
            if _ENTERED == 0:
                known, _KNOWN = _KNOWN or {}, None
                _WAYS.clear()
                _MISSING.clear()
                _PARENTS.clear()
                for one in known.values():
                    if one.descriptor >= 0:
                        os.close(one.descriptor)


def handed() -> dict[str, str]:
    """What is added to the environment of a process that is given folders of this one: the paths of
    the folders that are kept, and their numbers of device and file. Nothing outside of
    `same_folders`."""
    kept = [
        [path, folder.facts.st_dev, folder.facts.st_ino]
        for path, folder in [*(_KNOWN or {}).items()]
        if folder.descriptor >= 0
    ]
    return {HANDED: json.dumps(kept)} if kept else {}


def _take_over(known: dict[str, _Folder]) -> None:
    """Keep what the process that has started this one keeps. Where another folder lies by now, the
    first opening of it, or of one below it, raises `LeadsOut`."""
    text = os.environ.pop(HANDED, None)
    if text is None or not AT:
        return
    for path, device, number in json.loads(text):
        descriptor = -1
        with suppress(OSError):
            descriptor = os.open(path, _LOOK)
            found = os.fstat(descriptor)
            if (found.st_dev, found.st_ino) != (device, number):
                os.close(descriptor)
                descriptor = -1
        facts = os.stat_result((0, number, device, 0, 0, 0, 0, 0, 0, 0))
        known[path] = _Folder(facts, descriptor)


def open_kept(path: str | os.PathLike[str], flags: int) -> int:
    """`os.open` for reading, from the nearest folder above `path` that this command keeps open:
    what has taken the place of that folder, or of one above it, is not read. Raises as `os.open`,
    and `LeadsOut` where the folder is another one than whoever started this process has given."""
    if not _KNOWN:
        return os.open(path, flags)
    text = os.fspath(path)
    folder, last = os.path.split(text)
    if last in ("", os.curdir, os.pardir):
        folder, last = text, os.curdir
    try:
        way = _WAYS[folder]
    except KeyError:
        if len(_WAYS) >= _MOST_WAYS:
            _WAYS.clear()
        way = _WAYS[folder] = _way(folder)
    if way is None:
        return os.open(path, flags)
    try:
        return os.open(way.inner + last, flags, dir_fd=way.kept.descriptor)
    except OSError as error:
        if not _still(way.above, way.kept):
            raise _another(way.above) from None
        raise OSError(error.errno, error.strerror, text) from None


@contextmanager
def walking(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
    """`os.scandir` of a folder that is opened as `open_kept` opens it."""
    if not AT or not _KNOWN or os.scandir not in os.supports_fd:
        with os.scandir(folder) as found:
            yield found
        return
    descriptor = open_kept(folder, _LOOK)
    try:
        with os.scandir(descriptor) as found:
            yield found
    finally:
        os.close(descriptor)


def _way(folder: str) -> _Way | None:
    known = _KNOWN or {}
    whole = _whole(folder)
    for above in (whole, *whole.parents):
        found = known.get(str(above))
        if found is None:
            continue
        if found.descriptor >= 0:
            inner = os.path.relpath(whole, above) if whole != above else ""
            return _Way(above, found, f"{inner}/" if inner else "")
        if not _still(above, found):
            raise _another(above)
    return None


def real_place(descriptor: int) -> str | None:
    """Where an open file or folder lies, whatever it was opened by; None where the system does not
    say (it does on Linux and macOS)."""
    try:
        if sys.platform == "darwin":
            import fcntl

            return os.fsdecode(fcntl.fcntl(descriptor, 50, bytes(1024)).rstrip(b"\0"))  # F_GETPATH
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return None


def keep_same(path: Path) -> None:
    """Within `same_folders`: the folder that `path` leads to now is the one that it leads to
    whenever it is opened; of a file, the folder that it lies in. Where nothing is yet, the nearest
    folder above is taken so, and what is opened there must have been made, and be no link.

    Raises `LeadsOut` if it is another folder already than it was before."""
    if not AT or _KNOWN is None:
        return
    whole = _whole(path)
    for folder in (whole, *whole.parents):
        try:
            descriptor = os.open(folder, _LOOK)
        except (FileNotFoundError, NotADirectoryError) as error:
            if isinstance(error, FileNotFoundError) and not os.path.lexists(folder):
                _MISSING.add(str(folder))
            continue
        except (OSError, ValueError):
            return  # who opens it says why that cannot be
        try:
            _check_same(folder, descriptor)
        finally:
            os.close(descriptor)
        return


def _check_same(path: Path, descriptor: int) -> None:
    known = _KNOWN if _KNOWN is not None else {}
    whole, facts = _whole(path), os.fstat(descriptor)
    found = known.get(str(whole))
    if found is not None:
        if not os.path.samestat(found.facts, facts):
            raise _another(path)
        return
    for folder in whole.parents:
        above = known.get(str(folder))
        if above is not None and not _still(folder, above):
            raise _another(folder)
    _check_made(whole, facts)
    keep = sum(one.descriptor >= 0 for one in [*known.values()]) < _MOST_OPEN
    known[str(whole)] = _Folder(facts, os.dup(descriptor) if keep else -1)
    _WAYS.clear()
    for folder in whole.parents:
        with suppress(OSError):
            known.setdefault(str(folder), _Folder(os.stat(folder), -1))


def _check_made(whole: Path, facts: os.stat_result) -> None:
    """Raises `LeadsOut` for a link on the way to a folder where nothing was before."""
    for path in (whole, *whole.parents) if _MISSING else ():
        if str(path) in _MISSING:
            found = os.lstat(path)
            if not stat.S_ISDIR(found.st_mode) or (
                path == whole and not os.path.samestat(found, facts)
            ):
                raise LeadsOut(
                    f"{path} is a link that was not there when this command began; it goes no"
                    " further.",
                    hint="look who has made it, and run the command again",
                )


def _still(folder: Path, known: _Folder) -> bool:
    try:
        return os.path.samestat(os.stat(folder), known.facts)
    except OSError:
        return False


def _another(path: Path) -> LeadsOut:
    return LeadsOut(
        f"{path} is another folder than it was when this command began; it goes no further.",
        hint="look who exchanges it, or a folder above it, and run it again",
    )


def forget(path: Path | str) -> None:
    """A folder that the command itself moves or removes: what comes in its place is another one."""
    if not _KNOWN:
        return
    whole = str(_whole(path))
    _WAYS.clear()
    for name in [name for name in _KNOWN if name == whole or name.startswith(whole + os.sep)]:
        if (descriptor := _KNOWN.pop(name).descriptor) >= 0:
            os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, with all on the way, in the nearest one that is there; nothing happens if it
    is there. Raises `LeadsOut` if it must lie in a project, and would not, or if that folder is
    another one than this command has opened there before."""
    if not AT:
        path.mkdir(parents=True, exist_ok=True)
        return
    above, missing = path, list[str]()
    while not above.is_dir() and above != above.parent:
        missing.insert(0, above.name)
        above = above.parent
    fenced = _fence_of(path) is not None
    if not missing and not fenced:
        return  # who opens it asks
    here = os.open(above, _LOOK | getattr(os, "O_PATH", 0))
    try:
        if fenced:
            _check_inside(path, here)
        check_fence(above, here)  # that is what is open, and not yet `path`
        for name in missing:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
            below = os.open(name, _LOOK | getattr(os, "O_PATH", 0) | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
    except NotADirectoryError:  # something else has the name
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(here)


def _lies_inside(descriptor: int, root: Path) -> bool:
    top = os.stat(root)
    here = os.dup(descriptor)
    try:
        while not os.path.samestat(facts := os.fstat(here), top):
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = above
            if os.path.samestat(os.fstat(here), facts):
                return False  # the top of the file system
        return True
    finally:
        os.close(here)
