"""File operations below one folder that never leave it, whatever lies in the folder.

A folder of pictures comes from strangers: any name in it may be a symbolic link, and may become
one between a look and an act. A `Root` opens the folder once; each operation then walks from that
descriptor, one part of the name at a time, with `O_NOFOLLOW` (openat(2)), and acts on the last
part inside the descriptor of its folder. A link on the way is an error at the moment of acting.

The path of the folder itself is the user's own word: links in it are followed.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

from hubtools.errors import HubtoolsError
from hubtools.files import StrPath, json_bytes

# Windows has no openat: there each part is looked at just before the act.
_AT = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NOFOLLOW | getattr(os, "O_CLOEXEC", 0)
_READ = (
    os.O_RDONLY
    | _NOFOLLOW
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_WRITE = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | _NOFOLLOW
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
TEMPORARY = ".tmp-"  # first letters of files that are being written
# what a killed write leaves: nobody else's names look like this
_LEFT_OVER = re.compile(r"\.tmp-[0-9a-f]{16}(\.[^/]*)?", re.DOTALL)
_HOUR = 3600.0
_BLOCK = 1 << 20
_NOREPLACE = 1  # flag of renameat2(2)
_FICLONE = 0x40049409  # ioctl of Linux: share the blocks of a file, copied when one is written


class LeadsOut(HubtoolsError):
    """A name that leaves its folder, or a symbolic link in the way."""


def parts_of(name: str) -> tuple[str, ...]:
    """The parts of a relative name with `/`. Raises `LeadsOut` if it is absolute, has empty parts,
    `.` or `..`, or a NUL."""
    parts = tuple(name.split("/"))
    bad = "\0" in name or any(part in ("", ".", "..") for part in parts)
    if bad or (os.name == "nt" and any(mark in name for mark in ":\\")):
        raise LeadsOut(f"{name!r} is no name of a file inside a folder; nothing was done.")
    return parts


class Root:
    """A folder that is open; names are relative to it, with `/`. Use it in a `with`.

    Raises `HubtoolsError` if there is no such folder. All methods raise `LeadsOut` for a name that
    leads out of it, and `OSError` with the whole path for what the system refuses.
    """

    def __init__(self, path: StrPath, *, create: bool = False) -> None:
        self.path = Path(path)
        if create:
            self.path.mkdir(parents=True, exist_ok=True)
        self._fd = -1
        if not self.path.is_dir():
            raise HubtoolsError(f"There is no folder {self.path}.")
        if _AT:
            self._fd = os.open(self.path, _FOLDER & ~_NOFOLLOW)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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
            raise HubtoolsError(f"There is no folder {self.path / name}.")
        with self._folder(name) as folder:
            below = Root.__new__(Root)
            below.path, below._fd = self.path / name, os.dup(folder) if _AT else -1
            with below:
                yield below

    def close(self) -> None:
        """Let the folder go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # --- on the way ------------------------------------------------------------------------------

    @contextmanager
    def _in(self, name: str, *, make: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
        """(`dir_fd` of the folder that `name` lies in, last part); errors name the whole path.

        Where there is no openat, the dictionary is empty and the second is the whole path.
        """
        *folders, last = parts_of(name)
        opened = -1
        try:
            if not _AT:
                yield {}, str(self._checked(folders, make) / last)
                return
            here = self._fd
            for number, folder in enumerate(folders):
                fd = self._step(here, folder, "/".join(folders[: number + 1]), make)
                if opened >= 0:
                    os.close(opened)
                here = opened = fd
            yield {"dir_fd": here}, last
        except OSError as error:
            raise _named(error, self.path / name) from None
        finally:
            if opened >= 0:
                os.close(opened)

    def _step(self, here: int, folder: str, name: str, make: bool) -> int:
        try:
            return os.open(folder, _FOLDER, dir_fd=here)
        except FileNotFoundError:
            if not make:
                raise
            with suppress(FileExistsError):
                os.mkdir(folder, dir_fd=here)
            return os.open(folder, _FOLDER, dir_fd=here)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(folder, here):
                raise self._link(name) from None
            raise

    def _checked(self, folders: list[str], make: bool) -> Path:
        here = self.path
        for folder in folders:
            here = here / folder
            if here.is_symlink() or (hasattr(os.path, "isjunction") and os.path.isjunction(here)):
                raise self._link(here.relative_to(self.path).as_posix())
            if make:
                here.mkdir(exist_ok=True)
        return here

    def _link(self, name: str) -> LeadsOut:
        return LeadsOut(
            f"{self.path / name} is a symbolic link; hubtools does not go through it.",
            hint="replace it by what it leads to, or remove it",
        )

    # --- looking ---------------------------------------------------------------------------------

    def stat(self, name: str) -> os.stat_result | None:
        """What `lstat` says; None if there is nothing of that name."""
        try:
            with self._in(name) as (at, last):
                return os.stat(last, follow_symlinks=False, **at)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self, name: str) -> bool:
        """True if there is something, a broken link too."""
        return self.stat(name) is not None

    def is_file(self, name: str) -> bool:
        """True for a regular file; not for a link to one."""
        found = self.stat(name)
        return found is not None and stat.S_ISREG(found.st_mode)

    def is_folder(self, name: str) -> bool:
        """True for a folder; not for a link to one."""
        found = self.stat(name)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def is_link(self, name: str) -> bool:
        """True for a symbolic link."""
        found = self.stat(name)
        return found is not None and stat.S_ISLNK(found.st_mode)

    def list(self, name: str = "") -> list[str]:
        """Names in a folder, sorted; [] if there is none. "" is the root itself."""
        try:
            with self._folder(name) as folder:
                return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def _folder(self, name: str) -> Iterator[Any]:
        """A folder as `os.listdir` and `os.fsync` take it."""
        if not name:
            yield self._fd if _AT else str(self.path)
            return
        with self._in(name + "/-") as (at, last):
            yield at["dir_fd"] if _AT else str(Path(last).parent)

    def walk(self, name: str = "") -> Iterator[tuple[str, os.stat_result]]:
        """(name, lstat) of everything below a folder, a folder before what is in it; links are not
        followed."""
        todo = [name]
        while todo:
            folder = todo.pop()
            for entry in self.list(folder):
                whole = f"{folder}/{entry}" if folder else entry
                found = self.stat(whole)
                if found is None:
                    continue  # gone since
                yield whole, found
                if stat.S_ISDIR(found.st_mode):
                    todo.append(whole)

    def readlink(self, name: str) -> str:
        """Where a link leads to."""
        with self._in(name) as (at, last):
            return os.readlink(last, **at)

    # --- reading ---------------------------------------------------------------------------------

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """A regular file, to be read. Raises `LeadsOut` for a link and `OSError` for what is no
        file; never waits for a pipe."""
        with self._in(name) as (at, last):
            try:
                descriptor = os.open(last, _READ, **at)
            except OSError as error:
                if error.errno == errno.ELOOP or (error.errno == errno.EMLINK):
                    raise self._link(name) from None
                raise
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise OSError(errno.EINVAL, "It is no regular file", str(self.path / name))
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The bytes of a file. Raises `HubtoolsError` if it has more than `limit`."""
        with self.open(name) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read() if limit is None else file.read(limit + 1)
        if limit is not None and max(size, len(data)) > limit:
            raise HubtoolsError(f"{self.path / name} has more than {limit:,} bytes.")
        return data

    def sha256(self, name: str, progress: Callable[[int], None] | None = None) -> str:
        """Hex SHA-256 of a file; `progress` gets the bytes of each block."""
        digest = hashlib.sha256()
        with self.open(name) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
                if progress is not None:
                    progress(len(block))
        return digest.hexdigest()

    def fingerprint(self, name: str) -> str | None:
        """SHA-256 of a file, `link:` and its target of a link, None if there is nothing (or
        something that has no bytes: a folder, a pipe)."""
        found = self.stat(name)
        if found is None:
            return None
        if stat.S_ISLNK(found.st_mode):
            return f"link:{self.readlink(name)}"
        return self.sha256(name) if stat.S_ISREG(found.st_mode) else None

    # --- writing ---------------------------------------------------------------------------------

    @contextmanager
    def replacing(self, name: str, *, mode: int | None = None) -> Iterator[BinaryIO]:
        """A file to write; on success it is fsynced and takes the place of `name`, whatever that
        is (a link is replaced, never written through). Folders on the way are made. The mode is
        `mode`, else that of the file there, else what the umask leaves."""
        with self._in(name, make=True) as (at, last):
            if mode is None:
                old = self.stat(name)
                if old is not None and stat.S_ISREG(old.st_mode):
                    mode = stat.S_IMODE(old.st_mode)
            folder, base = (os.path.dirname(last), os.path.basename(last)) if not at else ("", last)
            temporary = os.path.join(folder, TEMPORARY + secrets.token_hex(8) + _ending(base))
            descriptor = os.open(temporary, _WRITE, 0o666, **at)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    yield file
                    file.flush()
                    if mode is not None and os.name != "nt":
                        os.fchmod(file.fileno(), mode)
                    os.fsync(file.fileno())
                _replace(temporary, last, at, at)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, **at)
                raise
            _sync(at)

    def write(self, name: str, data: bytes, *, mode: int | None = None) -> None:
        """Write a file atomically."""
        with self.replacing(name, mode=mode) as file:
            file.write(data)

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file, which is made if there is none, and see it onto the disk.
        Raises `LeadsOut` for a link."""
        with self._opened(name, os.O_WRONLY | os.O_APPEND) as descriptor:
            with os.fdopen(os.dup(descriptor), "ab") as file:
                file.write(data)
            os.fsync(descriptor)

    @contextmanager
    def _opened(self, name: str, flags: int) -> Iterator[int]:
        """The descriptor of a regular file that is there afterwards."""
        flags |= os.O_CREAT | (_READ & ~os.O_RDONLY)
        with self._in(name, make=True) as (at, last):
            try:
                descriptor = os.open(last, flags, 0o666, **at)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise self._link(name) from None
                raise
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "It is no regular file", str(self.path / name))
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Hold the lock file `name` (flock); False if another process does. The lock ends with the
        process, however it ends; the file goes with it. Always True where there is no flock."""
        try:
            import fcntl
        except ImportError:
            yield True
            return
        while True:
            with self._opened(name, os.O_RDWR) as descriptor:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    yield False
                    return
                if not os.fstat(descriptor).st_nlink:
                    continue  # the one that held it has just removed it
                try:
                    yield True
                finally:
                    self.unlink(name, missing_ok=True)
                return

    def write_json(self, name: str, value: Any) -> None:
        """Write `value` as indented JSON with a final newline, atomically."""
        self.write(name, json_bytes(value))

    def symlink(self, target: str, name: str) -> None:
        """Make a link. Raises `FileExistsError` if there is something."""
        with self._in(name, make=True) as (at, last):
            os.symlink(target, last, **at)

    def copy(self, source: str, target: str, *, sync: bool = True) -> str:
        """Copy a file or a link with its mode and times; give its fingerprint, computed from the
        bytes that were copied. The copy shares nothing that a later write could change (blocks are
        shared where the file system copies them on writing). `target` must not exist. Without
        `sync` a power cut may forget it.
        """
        if self.is_link(source):
            self.symlink(self.readlink(source), target)
            return f"link:{self.readlink(target)}"
        with self.open(source) as file, self._in(target, make=True) as (at, last):
            facts = os.fstat(file.fileno())
            descriptor = os.open(last, _WRITE & ~os.O_WRONLY | os.O_RDWR, 0o600, **at)
            with os.fdopen(descriptor, "r+b") as copy:
                cloned = clone(file.fileno(), copy.fileno())
                digest = hashlib.sha256()
                # the source may change meanwhile: the digest is of what the copy holds
                while block := (copy if cloned else file).read(_BLOCK):
                    digest.update(block)
                    if not cloned:
                        copy.write(block)
                copy.flush()
                if os.name != "nt":
                    os.fchmod(copy.fileno(), stat.S_IMODE(facts.st_mode))
                os.utime(
                    copy.fileno() if os.utime in os.supports_fd else last,
                    ns=(facts.st_atime_ns, facts.st_mtime_ns),
                )
                if sync:
                    os.fsync(copy.fileno())
        return digest.hexdigest()

    def rename(self, source: str, target: str, *, replace: bool = False, sync: bool = True) -> None:
        """Give a file, link or folder another name; folders on the way are made. Raises
        `FileExistsError` if `target` exists and `replace` is not set, and falls back to copying
        across file systems (for files). Without `sync` a power cut may forget the new name."""
        with self._in(source) as (here, old), self._in(target, make=True) as (there, new):
            try:
                if replace:
                    _replace(old, new, here, there)
                else:
                    _rename_new(old, new, here, there)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._carry(source, target, replace)
            if sync:
                _sync(there)
                _sync(here)

    def _carry(self, source: str, target: str, replace: bool) -> None:
        """Rename between file systems: a copy beside the target takes its place, then the source
        goes, if it is still what was copied."""
        folder, _, base = target.rpartition("/")
        temporary = f"{folder}/{TEMPORARY}" if folder else TEMPORARY
        temporary += secrets.token_hex(8) + _ending(base)
        try:
            copied = self.copy(source, temporary)
            if self.fingerprint(source) != copied:
                raise HubtoolsError(f"{self.path / source} changed while it was moved.")
            with self._in(temporary) as (at, last), self._in(target) as (there, new):
                (_replace if replace else _rename_new)(last, new, at, there)
        finally:
            self.unlink(temporary, missing_ok=True)
        self.unlink(source)

    def unlink(self, name: str, *, missing_ok: bool = False) -> None:
        """Remove a file or a link."""
        try:
            with self._in(name) as (at, last):
                os.unlink(last, **at)
        except FileNotFoundError:
            if not missing_ok:
                raise

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

    def new_folder(self, parent: str, *, digits: int = 1) -> str:
        """A new folder in `parent`, named after the time, with a number of so many `digits` if
        there is one of this second; give its name."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        for number in range(1000):
            name = f"{parent}/{stamp}" if number == 0 else f"{parent}/{stamp}-{number:0{digits}d}"
            with self._in(name, make=True) as (at, last), suppress(FileExistsError):
                os.mkdir(last, **at)
                return name
        raise HubtoolsError(f"No new folder could be made in {self.path / parent}.")

    def rmdir(self, name: str) -> bool:
        """Remove a folder if it is empty; say whether it was."""
        try:
            with self._in(name) as (at, last):
                os.rmdir(last, **at)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return False
            raise
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
            descriptor = os.open(last, os.O_RDONLY | _NOFOLLOW | os.O_NONBLOCK, **at)
            try:
                os.fchmod(descriptor, mode)
            finally:
                os.close(descriptor)

    def set_times(self, name: str, atime_ns: int, mtime_ns: int) -> None:
        """Set the times of a file, a link or a folder, in nanoseconds; "" is the root itself."""
        times = (atime_ns, mtime_ns)
        if not name:
            os.utime(self._fd if _AT else self.path, ns=times)
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
            os.fsync(folder)

    def sweep(self, name: str = "", *, older_than: float = _HOUR) -> int:
        """Remove the left-overs of killed writes right in a folder: files of this user, called as
        a write calls them, that nothing has written to for so many seconds; give how many."""
        count = 0
        for entry in self.list(name):
            whole = f"{name}/{entry}" if name else entry
            found = self.stat(whole) if _LEFT_OVER.fullmatch(entry) else None
            if found is None or not stat.S_ISREG(found.st_mode):
                continue
            mine = os.name == "nt" or found.st_uid == os.geteuid()
            if mine and time.time() - max(found.st_mtime, found.st_ctime) >= older_than:
                self.unlink(whole, missing_ok=True)
                count += 1
        return count

    # --- the place -------------------------------------------------------------------------------

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold the lock file `name`; it ends with the process, however that ends. Raises
        `BlockingIOError` if another process holds it, `HubtoolsError` if it is no file."""
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        flags = os.O_RDWR | os.O_CREAT | _NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with self._in(name, make=True) as (at, last):
            found = self.stat(name)
            if found is not None and stat.S_ISLNK(found.st_mode):
                raise self._link(name)
            if found is not None and not stat.S_ISREG(found.st_mode):
                raise HubtoolsError(
                    f"{self.path / name} is not the lock file that hubtools keeps there.",
                    hint="look what it is, and move it away",
                )
            descriptor = os.open(last, flags, 0o600, **at)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise _named(error, self.path / name) from None
            yield
        finally:
            os.close(descriptor)

    def free_bytes(self) -> int:
        """What the file system of the folder still takes from this user."""
        return shutil.disk_usage(self._fd if self._fd >= 0 else self.path).free

    def writable(self, name: str = "") -> bool:
        """True if this user may make and remove files in a folder, or in the nearest one above it
        that exists."""
        while name and not self.is_folder(name):
            name = name.rpartition("/")[0]
        with self._folder(name) as folder:
            if _AT and os.access in os.supports_dir_fd:
                return os.access(".", os.W_OK | os.X_OK, dir_fd=folder)
            return os.access(folder, os.W_OK | os.X_OK)


def is_left_over(name: str) -> bool:
    """True for a name (without folders) that only a write that was killed leaves."""
    return _LEFT_OVER.fullmatch(name) is not None


def _is_link(name: str, folder: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _named(error: OSError, path: Path) -> OSError:
    """The error with the whole path: a name inside a descriptor says little."""
    if error.errno is None or (error.filename and os.path.isabs(os.fspath(error.filename))):
        return error
    return OSError(error.errno, error.strerror, str(path))


def _ending(name: str) -> str:
    return os.path.splitext(name)[1][:16]


def _replace(old: str, new: str, here: dict[str, Any], there: dict[str, Any]) -> None:
    if here or there:
        os.replace(old, new, src_dir_fd=here["dir_fd"], dst_dir_fd=there["dir_fd"])
    else:
        os.replace(old, new)


def _rename_new(old: str, new: str, here: dict[str, Any], there: dict[str, Any]) -> None:
    """Rename, never over something: in one step where the system has it (renameat2(2))."""
    renameat2 = _renameat2()
    if renameat2 is not None and here and there:
        names = (os.fsencode(old), os.fsencode(new))
        sys.audit("os.rename", old, new, here["dir_fd"], there["dir_fd"])
        if renameat2(here["dir_fd"], names[0], there["dir_fd"], names[1], _NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS):  # of file systems and kernels without it
            raise OSError(code, os.strerror(code))
    try:
        os.stat(new, follow_symlinks=False, **there)
    except FileNotFoundError:
        _replace(old, new, here, there)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


@cache
def _renameat2() -> Callable[..., int] | None:
    if os.name == "nt":
        return None
    found: Any = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if found is not None:
        letters = ctypes.c_char_p
        found.argtypes = [ctypes.c_int, letters, ctypes.c_int, letters, ctypes.c_uint]
    return cast("Callable[..., int] | None", found)


def _sync(at: dict[str, Any]) -> None:
    if at:
        os.fsync(at["dir_fd"])


def clone(source: int, target: int) -> bool:
    """Share the blocks of a file with an empty one; False where the file system cannot."""
    try:
        import fcntl

        fcntl.ioctl(target, _FICLONE, source)
    except (ImportError, OSError):
        return False
    return True
