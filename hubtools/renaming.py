"""Giving a file its name over nothing but what was looked at.

Between a look at a name and a rename to it, another program may put a file there. Linux renames
without replacing anything, and exchanges two names in one step (renameat2(2)): what came out is
held against what was looked at, and given back if it is something else. Where a file system does
neither, a hard link refuses a name that is taken, and a file is looked at right before it is
replaced.

`here`, `there` and `at` hold the `dir_fd` that a name is relative to; they are empty where there is
no openat(2), and the name is then a whole path.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from hubtools.errors import HubtoolsError
from hubtools.fences import real_place
from hubtools.unfinished import LEFT_OVER, changing_places

At = Mapping[str, int]
_ROUNDS = 8  # looks at a file that other programs go on to change
_NOREPLACE, _EXCHANGE = 1, 2  # flags of renameat2(2)
_WORKING = -100  # AT_FDCWD
# Of file systems and kernels without a flag, and of containers that know no such call (EPERM).
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)
_FREE = 100  # names that are tried


class Facts(NamedTuple):
    """What tells a file from another one that takes its place, and from itself before a change."""

    device: int
    inode: int
    size: int
    changed_ns: int
    kind: int

    @property
    def marks(self) -> tuple[int, int, int]:
        """What `changing_places` tells a file by."""
        return self.inode, self.size, self.changed_ns


@dataclass(frozen=True)
class OverwriteCheck:
    """What is asked before something takes the place of `path`.

    `check` raises if what lies there must stay; else that, and nothing that comes later, is
    replaced. With `was` it must have these bytes.
    """

    path: Path
    check: Callable[[], object]
    was: bytes | None = None


def changed(path: Path) -> HubtoolsError:
    """The error for a file that is another one than a moment ago."""
    return HubtoolsError(
        f"{path} was changed meanwhile; it stays as it is.",
        hint="run the same command again",
        code="file-changed",
    )


def check_by_path(path: Path, name: str, at: At, check: Callable[[Path], object]) -> OverwriteCheck:
    """An `OverwriteCheck` by a `check` that goes by the whole path: what that leads to must be
    `name` in the folder `at`."""

    def checked() -> None:
        check(path)
        if at and facts_of(str(path), {}) != facts_of(name, at):
            raise changed(path)

    return OverwriteCheck(path, checked)


def facts_of(name: str, at: At) -> Facts | None:
    """The facts of a file, a link or a folder; None if there is none."""
    try:
        found = os.lstat(name, **at)
    except FileNotFoundError:
        return None
    kind = stat.S_IFMT(found.st_mode)
    return Facts(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, kind)


def put(old: str, new: str, here: At, there: At, guard: OverwriteCheck) -> None:
    """Rename a file over what `guard` accepts, or over nothing. Raises what its `check` raises, and
    `HubtoolsError` if others go on to change what lies there; that stays."""
    own = facts_of(old, here)
    for _ in range(_ROUNDS):
        found = facts_of(new, there)
        guard.check()
        try:
            if found is None:
                rename_new_file(old, new, here, there)
                return
            if put_over(old, new, here, there, found, guard.was):
                return
        except FileExistsError:
            continue
        except FileNotFoundError:  # what was looked at has gone, or our own has
            if facts_of(old, here) is None:
                raise
        if not _are_one(facts_of(old, here), own):
            break
    raise changed(guard.path)


def put_over(
    old: str, new: str, here: At, there: At, found: Facts, was: bytes | None = None
) -> bool:
    """Rename a file over the one that had the facts `found`, or the bytes `was`; if that is another
    one by now it stays, and the answer is False."""
    if stat.S_ISDIR(found.kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    own = facts_of(old, here)
    folder, base = os.path.split(old)
    if own is None or not LEFT_OVER.fullmatch(base):
        return _exchanged(old, new, here, there, found, was)
    between = changing_places(os.path.split(new)[1], own.marks, found.marks)
    between = os.path.join(folder, between)
    rename_new(old, between, here, here)
    try:
        return _exchanged(between, new, here, there, found, was)
    finally:
        if _are_one(facts_of(between, here), own):
            replace(between, old, here, here)


def _exchanged(old: str, new: str, here: At, there: At, found: Facts, was: bytes | None) -> bool:
    own = facts_of(old, here)
    try:
        if not _renamed(old, new, here, there, _EXCHANGE):
            if not _is_seen(new, there, found, was):
                return False
            replace(old, new, here, there)
            return True
        if _is_seen(old, here, found, was):
            os.unlink(old, **here)
            return True
    except BaseException:
        _give_back(old, new, here, there, own)
        raise
    _give_back(old, new, here, there, own)
    return False


def remove(name: str, at: At, guard: OverwriteCheck) -> None:
    """Remove a file that `guard` accepts: it gets another name in its folder, is held against what
    was looked at, and goes, or gets its name back. Raises what the `check` of `guard` raises,
    `FileNotFoundError`, and `HubtoolsError` if others go on to change what lies there."""
    folder, base = os.path.split(name)
    for _ in range(_ROUNDS):
        found = facts_of(name, at)
        marks = found.marks if found else (0, 0, 0)  # of no file
        aside = os.path.join(folder, changing_places(base, marks))
        guard.check()
        try:
            rename_new(name, aside, at, at)
            if found is not None and _is_seen(aside, at, found, guard.was):
                os.unlink(aside, **at)
                return
        except BaseException:
            _give_back(aside, name, at, at, None)
            raise
        _give_back(aside, name, at, at, None)
    raise changed(guard.path)


def _is_seen(name: str, at: At, found: Facts, was: bytes | None) -> bool:
    if was is None:
        return facts_of(name, at) == found
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        with os.fdopen(os.open(name, flags, **at), "rb") as file:
            return file.read(len(was) + 1) == was
    except OSError:
        return False


def _are_one(one: Facts | None, other: Facts | None) -> bool:
    return one is not None and other is not None and one[:2] == other[:2]


def _give_back(old: str, new: str, here: At, there: At, own: Facts | None) -> None:
    """Exchange the names once more, if they are exchanged: a second time if that is interrupted, or
    a disk fails. Raises `HubtoolsError` that tells where somebody's file lies if it fails again."""
    try:
        _exchange_back(old, new, here, there, own)
    except BaseException as first:
        try:
            _exchange_back(old, new, here, there, own)
        except OSError as error:
            raise _kept(old, new, here, error) from error
        if not isinstance(first, OSError):  # Ctrl-C
            raise


def _exchange_back(old: str, new: str, here: At, there: At, own: Facts | None) -> None:
    """What somebody else has put over ours meanwhile keeps the name, and what came out gets one
    beside it."""
    out = facts_of(old, here)
    if out is None or _are_one(out, own):
        return
    if facts_of(new, there) is not None and _renamed(old, new, here, there, _EXCHANGE):
        if _are_one(facts_of(old, here), own):
            return
        _renamed(old, new, here, there, _EXCHANGE)
    give_name(old, new, here, there)


def _kept(old: str, new: str, here: At, error: OSError) -> HubtoolsError:
    folder = real_place(here["dir_fd"]) if here else None
    place = os.path.join(folder or "", old)
    return HubtoolsError(
        f"{os.path.split(new)[1]} could not get its name back ({error.strerror}): what somebody has"
        f" saved there meanwhile is now {place}.",
        hint="give it a name of its own when the disk takes it, then run the same command again",
        code="file-changed",
    )


def give_name(old: str, new: str, here: At, there: At) -> None:
    """Rename to `new`, or to the first of `NAME.old0.md`, `NAME.old1.md`, ... that is free."""
    stem, ending = os.path.splitext(new)
    for name in (new, *(f"{stem}.old{number}{ending}" for number in range(_FREE))):
        with suppress(FileExistsError):
            rename_new(old, name, here, there)
            return


def replace(old: str, new: str, here: At, there: At) -> None:
    """Rename, over a file that is there."""
    if here or there:
        os.replace(old, new, src_dir_fd=here["dir_fd"], dst_dir_fd=there["dir_fd"])
    else:
        os.replace(old, new)


def rename_new(old: str, new: str, here: At, there: At) -> None:
    """Rename, never over something: in one step where the system has it."""
    if _renamed(old, new, here, there, _NOREPLACE):
        return
    if facts_of(new, there) is not None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    replace(old, new, here, there)


def rename_new_file(old: str, new: str, here: At, there: At) -> None:
    """As `rename_new`, of a file of ours that a kill may leave with both names."""
    if _renamed(old, new, here, there, _NOREPLACE):
        return
    ends = {"src_dir_fd": here["dir_fd"], "dst_dir_fd": there["dir_fd"]} if here else {}
    try:
        os.link(old, new, **ends, follow_symlinks=os.link not in os.supports_follow_symlinks)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        rename_new(old, new, here, there)
    else:
        os.unlink(old, **here)


def _renamed(old: str, new: str, here: At, there: At, flag: int) -> bool:
    """Rename with a flag of renameat2(2); False where there is none."""
    renameat2 = _renameat2()
    if renameat2 is None:
        return False
    source, target = here.get("dir_fd", _WORKING), there.get("dir_fd", _WORKING)
    sys.audit("os.rename", old, new, here.get("dir_fd", -1), there.get("dir_fd", -1))
    if renameat2(source, os.fsencode(old), target, os.fsencode(new), flag) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code))


@cache
def _renameat2() -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    found: Any = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if found is not None:
        letters = ctypes.c_char_p
        found.argtypes = [ctypes.c_int, letters, ctypes.c_int, letters, ctypes.c_uint]
    return cast("Callable[..., int] | None", found)
