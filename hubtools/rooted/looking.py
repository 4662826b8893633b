"""A folder that is open: walking into it, looking, and reading."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from types import TracebackType
from typing import Any, BinaryIO, Self

from hubtools.causes import is_of_socket, named
from hubtools.disks import is_private
from hubtools.errors import HubtoolsError
from hubtools.fences import AT, LeadsOut, check_fence, make_folder
from hubtools.files import StrPath
from hubtools.layout import WORK_DIR
from hubtools.rooted.names import parts_of
from hubtools.rooted.system import BLOCK, FOLDER, NOFOLLOW, READ, is_link


class Looking:
    """What a `Root` does without changing anything. Files that are made in a `private` one are for
    their owner alone; others have what the umask leaves."""

    private = False
    _heir: tuple[int, int] | None = None  # (user, group) that root gives what it makes to

    def __init__(self, path: StrPath, *, create: bool = False) -> None:
        self.path = Path(path)
        if create:
            make_folder(self.path)
        self._fd = -1
        if not self.path.is_dir():
            raise HubtoolsError(
                f"There is no folder {self.path}.", code="file-not-found", missing=self.path
            )
        if AT:
            self._fd = os.open(self.path, FOLDER & ~NOFOLLOW)
            try:
                check_fence(self.path, self._fd)
            except LeadsOut:
                self.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the folder go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def keep_private(self) -> None:
        """Be `private` if a file in it is its owner's alone. What root makes is then given to the
        owner of the folder, who could not read it else."""
        self.private = is_private(self.path)
        if self.private and os.geteuid() == 0:
            facts = self.path.stat()
            self._heir = (facts.st_uid, facts.st_gid) if facts.st_uid else None

    # --- on the way ------------------------------------------------------------------------------

    @contextmanager
    def _in(self, name: str, *, make: bool = False) -> Iterator[tuple[dict[str, Any], str]]:
        """(`dir_fd` of the folder that `name` lies in, last part); errors name the whole path.

        Where there is no openat, the dictionary is empty and the second is the whole path.
        """
        *folders, last = parts_of(name)
        with self._reached(folders, make, self.path / name) as folder:
            yield ({"dir_fd": folder}, last) if AT else ({}, str(Path(folder) / last))

    @contextmanager
    def _reached(self, folders: list[str], make: bool, asked: Path) -> Iterator[Any]:
        """The folder that these lead to, as `os.listdir` and `os.fsync` take it; errors name
        `asked`."""
        opened = -1
        try:
            if not AT:
                yield str(self._checked(folders, make))
                return
            here = self._fd
            for number, folder in enumerate(folders):
                fd = self._step(here, folder, "/".join(folders[: number + 1]), make)
                if opened >= 0:
                    os.close(opened)
                here = opened = fd
            yield here
        except OSError as error:
            raise named(error, asked) from None
        finally:
            if opened >= 0:
                os.close(opened)

    def _step(self, here: int, folder: str, name: str, make: bool) -> int:
        try:
            return os.open(folder, FOLDER, dir_fd=here)
        except FileNotFoundError:
            if not make:
                raise
            with suppress(FileExistsError):
                os.mkdir(folder, dir_fd=here)
            return os.open(folder, FOLDER, dir_fd=here)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR) and is_link(folder, here):
                raise self._link(name) from None
            if error.errno == errno.ENOTDIR and folder == WORK_DIR:
                raise self._taken(name) from None
            raise

    def _checked(self, folders: list[str], make: bool) -> Path:
        here = self.path
        for folder in folders:
            here = here / folder
            if here.is_symlink() or (hasattr(os.path, "isjunction") and os.path.isjunction(here)):
                raise self._link(here.relative_to(self.path).as_posix())
            if here.name == WORK_DIR and here.exists() and not here.is_dir():
                raise self._taken(here.relative_to(self.path).as_posix())
            if make:
                here.mkdir(exist_ok=True)
        return here

    def _link(self, name: str) -> LeadsOut:
        return LeadsOut(
            f"{self.path / name} is a symbolic link; hubtools does not go through it.",
            hint="replace it by what it leads to, or remove it",
        )

    def _taken(self, name: str) -> HubtoolsError:
        return HubtoolsError(
            f"{self.path / name} is no folder; hubtools keeps a folder of that name there.",
            hint=f"look what it is, and move it away: mv {quote(str(self.path / name))} SOMEWHERE",
            code="file-exists",
        )

    # --- looking ---------------------------------------------------------------------------------

    def stat(self, name: str) -> os.stat_result | None:
        """What `lstat` says; None if there is nothing of that name."""
        try:
            with self._in(name) as (at, last):
                return os.stat(last, follow_symlinks=False, **at)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def holds(self, name: str, folder: Looking) -> bool:
        """True if `name` is the folder that is open as `folder`, and no other in its place."""
        found = self.stat(name)
        if found is None or not AT:
            return found is not None
        return os.path.samestat(found, os.fstat(folder._fd))

    def mark(self, name: str) -> tuple[int, ...] | None:
        """What is another once a file was written to, or another one lies there; None if there is
        nothing."""
        found = self.stat(name)
        return found and (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

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

    def are_one(self, one: str, other: str) -> bool:
        """True for two names under which the file system has one file or folder: only one of them
        is listed, and both are there. Numbers alone do not tell: exFAT in user space has one for
        each name, and a file with two names is listed twice."""
        parts, others = parts_of(one), parts_of(other)
        if len(parts) != len(others):
            return False
        above = ""
        for here, there in zip(parts, others, strict=True):
            first, second = f"{above}{here}", f"{above}{there}"
            facts, found = self.stat(first), self.stat(second)
            if facts is None or found is None:
                return False
            if here != there:
                listed = self.list(above.rstrip("/"))
                both = here in listed and there in listed
                if both and not (stat.S_ISDIR(found.st_mode) and os.path.samestat(facts, found)):
                    return False
            above = f"{first}/"
        return True

    def list(self, name: str = "") -> list[str]:
        """Names in a folder, sorted; [] if there is none. "" is the root itself."""
        try:
            with self._folder(name) as folder:
                return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def _folder(self, name: str) -> Iterator[Any]:
        """A folder as `os.listdir` and `os.fsync` take it; errors name it."""
        folders = list(parts_of(name)) if name else []
        with self._reached(folders, False, self.path / name) as folder:
            yield folder

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
        with self.opened(name) as file:
            yield file

    def opened(self, name: str) -> BinaryIO:
        """As `open`, to be closed by whoever asks."""
        return os.fdopen(self.descriptor(name)[0], "rb")

    def descriptor(self, name: str) -> tuple[int, os.stat_result]:
        """The same, as the number of the open file, and what the system says of it."""
        with self._in(name) as (at, last):
            try:
                descriptor = os.open(last, READ, **at)
            except OSError as error:
                if error.errno == errno.ELOOP or (error.errno == errno.EMLINK):
                    raise self._link(name) from None
                if is_of_socket(error, last, at):
                    raise self._no_file(name) from None
                raise
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                os.close(descriptor)
                raise self._no_file(name)
        return descriptor, facts

    def _no_file(self, name: str) -> OSError:
        return OSError(errno.EINVAL, "It is no regular file", str(self.path / name))

    def read(self, name: str, limit: int | None = None) -> bytes:
        """The bytes of a file. Raises `HubtoolsError` if it has more than `limit`."""
        with self.open(name) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read() if limit is None else file.read(limit + 1)
        if limit is not None and max(size, len(data)) > limit:
            raise HubtoolsError(
                f"{self.path / name} has more than {limit:,} bytes.", code="too-large"
            )
        return data

    def sha256(self, name: str, progress: Callable[[int], None] | None = None) -> str:
        """Hex SHA-256 of a file; `progress` gets the bytes of each block."""
        digest = hashlib.sha256()
        with self.open(name) as file:
            while block := file.read(BLOCK):
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
