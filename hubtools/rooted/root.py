"""A folder that is open: the folders in it, its lock files, and what is left over."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hubtools.disks import set_mode, sync_folder
from hubtools.errors import HubtoolsError
from hubtools.fences import AT, check_fence, forget
from hubtools.leftovers import clear
from hubtools.patterns import regex
from hubtools.rooted import system
from hubtools.rooted.names import is_left_over
from hubtools.rooted.system import NOFOLLOW
from hubtools.rooted.writing import Writing

_HOUR = 3600.0
_MADE = regex(r"\d{8}T\d{6}Z(?:-\d{1,3})?", re.ASCII)  # names of new folders
_TRIES = (
    1000  # a lock file is opened anew; some file systems count no names of a file that is there
)


class Root(Writing):
    """A folder that is open; names are relative to it, with `/`. Use it in a `with`.

    Raises `HubtoolsError` if there is no such folder. All methods raise `LeadsOut` for a name that
    leads out of it, and `OSError` with the whole path for what the system refuses.
    """

    @contextmanager
    def inside(self, name: str, *, create: bool = False) -> Iterator[Root]:
        """A folder in this one as a `Root` of its own. Raises `LeadsOut` if there is a link on the
        way to it, `HubtoolsError` if there is no such folder and not `create`."""
        if create:
            self.mkdir(name)
        found = self.stat(name)
        if found is None or not stat.S_ISDIR(found.st_mode):
            if found is not None and stat.S_ISLNK(found.st_mode):
                raise self._link(name)
            raise HubtoolsError(f"There is no folder {self.path / name}.", code="file-not-found")
        with self._folder(name) as folder:
            below = Root.__new__(Root)
            below.path, below._fd = self.path / name, os.dup(folder) if AT else -1
            below.private, below._heir = self.private, self._heir
        check_fence(below.path, below._fd)
        with below:  # what happens in there is not said of the way to it
            yield below

    def mkdir(self, name: str, *, mode: int | None = None) -> None:
        """Make a folder, with all on the way; nothing happens if it is there. Raises
        `FileExistsError` if something else is."""
        with self._in(name, make=True) as (at, last):
            try:
                os.mkdir(last, **at)
            except FileExistsError:
                if self.is_link(name):
                    raise self._link(name) from None
                if not self.is_folder(name):
                    raise
        if mode is not None:
            self.chmod(name, mode)

    def list_made(self, parent: str) -> list[str]:
        """As `list`, with names of `new_folder` as it gave them: some disks keep small letters."""

        def given(name: str) -> str:
            capital = name.upper()
            if capital == name or not _MADE.fullmatch(capital):
                return name
            return capital if self.are_one(f"{parent}/{name}", f"{parent}/{capital}") else name

        return sorted(map(given, self.list(parent)))

    def new_folder(self, parent: str) -> str:
        """A new folder in `parent`, named after the time, so that its name comes after those of all
        that were made there before, also if the clock was set back since; give its name."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        last = max(filter(_MADE.fullmatch, self.list_made(parent)), default="")
        stamp, _, number = last.partition("-")
        found = [now] if now > stamp else []
        first = int(number or 0) + 1
        found += [f"{max(now, stamp)}-{n:03d}" for n in range(first if now <= stamp else 1, 1000)]
        found += [now, *(f"{now}-{n:03d}" for n in range(1, 1000))]  # those of a stranger are full
        for name in (f"{parent}/{one}" for one in found):
            with self._in(name, make=True) as (at, last), suppress(FileExistsError):
                os.mkdir(last, **at)
                return name
        raise HubtoolsError(f"No new folder could be made in {self.path / parent}.")

    def rmdir(self, name: str) -> bool:
        """Remove a folder if it is empty; say whether it was. One in which another file system is
        mounted stays."""
        try:
            with self._in(name) as (at, last):
                os.rmdir(last, **at)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY):
                return False
            raise
        forget(self.path / name)
        return True

    def remove_tree(self, name: str) -> int:
        """Remove a file, a link, or a folder with all in it; give the bytes freed. Links inside are
        removed, never followed; nothing happens if there is nothing."""
        found = self.stat(name)
        if found is None:
            return 0
        if not stat.S_ISDIR(found.st_mode):
            self.unlink(name, missing_ok=True)
            return found.st_size if stat.S_ISREG(found.st_mode) else 0
        freed = 0
        folders = [name]
        for below, facts in self.walk(name):
            if stat.S_ISDIR(facts.st_mode):
                folders.append(below)
                continue
            self.unlink(below, missing_ok=True)
            freed += facts.st_size if stat.S_ISREG(facts.st_mode) else 0
        for folder in reversed(folders):
            self.rmdir(folder)
        return freed

    def chmod(self, name: str, mode: int) -> None:
        """Set the mode of a file or a folder; never of what a link leads to."""
        if os.name == "nt":
            return
        with self._in(name) as (at, last):
            descriptor = os.open(last, os.O_RDONLY | NOFOLLOW | os.O_NONBLOCK, **at)
            try:
                set_mode(descriptor, mode)
            finally:
                os.close(descriptor)

    def set_times(self, name: str, atime_ns: int, mtime_ns: int) -> None:
        """Set the times of a file, a link or a folder, in nanoseconds; "" is the root itself."""
        times = (atime_ns, mtime_ns)
        if not name:
            os.utime(self._fd if AT else self.path, ns=times)
            return
        with self._in(name) as (at, last):
            os.utime(
                last, ns=times, follow_symlinks=os.utime not in os.supports_follow_symlinks, **at
            )

    def sync(self, name: str = "") -> None:
        """fsync a folder, so that renames in it survive a power cut."""
        if os.name == "nt":
            return
        with self._folder(name) as folder:
            sync_folder(folder)

    def sweep(self, name: str = "", *, older_than: float = _HOUR) -> int:
        """Remove the left-overs of killed writes right in a folder: files of this user, called as
        a write calls them, that nothing has written to for so many seconds; give how many."""
        count = 0
        for entry in self.list(name):
            whole = f"{name}/{entry}" if name else entry
            if is_left_over(entry):
                with self._in(whole) as (at, last), suppress(FileNotFoundError):
                    count += clear(last, at, older_than)
        return count

    # --- the place -------------------------------------------------------------------------------
    @contextmanager
    def holding(self, name: str, *, remove: bool = False) -> Iterator[None]:
        """Hold the lock file `name` (flock), which is made if there is none; the lock ends with the
        process, however that ends. With `remove` the file goes at the end. Raises
        `BlockingIOError` if another process holds it, `LeadsOut` for a link, and `HubtoolsError`
        if it is no file. No lock where there is no flock (Windows).
        """
        found = self.stat(name)
        if found is not None and not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "no regular file"
            raise HubtoolsError(
                f"{self.path / name} is {what}, not the lock file that hubtools keeps there.",
                hint="look what it is, and move it away",
                code="file-exists",
            )
        if not system.FLOCK:
            yield
            return
        code = errno.EWOULDBLOCK
        busy = BlockingIOError(code, os.strerror(code), str(self.path / name))
        for _ in range(_TRIES):
            with (
                self._opened(name, os.O_RDWR) as descriptor,
                system.flocked(descriptor, self.path / name) as held,
            ):
                if not held:
                    raise busy
                if not os.fstat(descriptor).st_nlink:
                    continue  # the one that held it has just removed it
                try:
                    yield
                finally:
                    if remove:
                        self.unlink(name, missing_ok=True)
                return
        raise busy

    def held(self, name: str) -> bool | None:
        """Whether another process holds the lock file `name`; None where nobody can tell. For a
        moment the lock is held to find out. Raises as `holding`."""
        if not system.FLOCK:
            return None
        if not self.exists(name):
            return False
        try:
            with self.holding(name):
                return False
        except BlockingIOError:
            return True
        except PermissionError:
            return None

    def free_bytes(self) -> int:
        """What the file system of the folder still takes from this user."""
        return shutil.disk_usage(self._fd if self._fd >= 0 else self.path).free

    def removable(self, name: str) -> bool:
        """False for a file of somebody else's in a folder that lets everybody write and only the
        owner of a file move it (the sticky bit, as of /tmp)."""
        if os.name == "nt":
            return True
        with self._in(name) as (at, last):
            found, folder = os.lstat(last, **at), os.fstat(at["dir_fd"])
        mine = os.geteuid() in (0, found.st_uid, folder.st_uid)
        return mine or not folder.st_mode & stat.S_ISVTX

    def writable(self, name: str = "") -> bool:
        """True if this user may make and remove files in a folder, or in the nearest one above it
        that exists."""
        while name and not self.is_folder(name):
            name = name.rpartition("/")[0]
        with self._folder(name) as folder:
            if AT and os.access in os.supports_dir_fd:
                return os.access(".", os.W_OK | os.X_OK, dir_fd=folder)
            return os.access(folder, os.W_OK | os.X_OK)
