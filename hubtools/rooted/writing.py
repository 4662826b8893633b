"""A folder that is open: writing, copying and renaming files in it."""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from hubtools import renaming
from hubtools.causes import named, naming
from hubtools.disks import set_mode
from hubtools.errors import HubtoolsError
from hubtools.fences import forget
from hubtools.files import json_bytes, taking_place
from hubtools.renaming import Facts, OverwriteCheck, changed, facts_of, put, put_over, remove
from hubtools.rooted import system
from hubtools.rooted.looking import Looking
from hubtools.rooted.system import BLOCK, READ, WRITE, clone
from hubtools.unfinished import temporary_for

_TRIES = 8  # copies of a file that other programs go on to change


def _fixed(folder: Path) -> HubtoolsError:
    """An overlay renames no folder of its lower layers (overlayfs, `redirect_dir=off`)."""
    name, copy = shlex.quote(str(folder)), shlex.quote(f"{folder}.copy")
    return HubtoolsError(
        f"{folder} cannot get another name: it lies on another file system, or in the image of"
        " a container.",
        hint=f"cp -a {name} {copy} && rm -r {name} && mv {copy} {name}",
        code="not-supported",
    )


class Writing(Looking):
    """What a `Root` does with single files."""

    @property
    def _new(self) -> int:
        return 0o600 if self.private else 0o666

    @contextmanager
    def replacing(
        self,
        name: str,
        *,
        mode: int | None = None,
        check: Callable[[], object] | None = None,
        was: bytes | None = None,
    ) -> Iterator[BinaryIO]:
        """A file to write; on success it is fsynced and takes the place of `name`, whatever that
        is (a link is replaced, never written through). Folders on the way are made. The mode is
        `mode`, else that of the file there, else that of new ones.

        `check` is asked when all is written, and raises if what lies there must stay; nothing that
        comes later is replaced, and with `was` nothing that has not these bytes."""
        guard = None if check is None else OverwriteCheck(self.path / name, check, was)
        with self._in(name, make=True) as (at, last):
            if mode is None:
                old = self.stat(name)
                if old is not None and stat.S_ISREG(old.st_mode):
                    mode = stat.S_IMODE(old.st_mode)
                elif self.private:
                    mode = 0o600
            with taking_place(at, last, mode, guard) as file:
                self._hand_over(file.fileno())
                yield file

    def _hand_over(self, descriptor: int) -> None:
        if self._heir is not None:
            with suppress(OSError):
                os.fchown(descriptor, *self._heir)

    def write(
        self,
        name: str,
        data: bytes,
        *,
        mode: int | None = None,
        check: Callable[[], object] | None = None,
    ) -> None:
        """Write a file atomically; `check` as in `replacing`."""
        with self.replacing(name, mode=mode, check=check) as file:
            file.write(data)

    def write_over(self, name: str, data: bytes, was: bytes | None) -> None:
        """Write a file in the place of one with the bytes `was` (None: where nothing lies). Raises
        `HubtoolsError` if something else lies there by now, which stays."""

        def check() -> None:
            if not (not self.exists(name) if was is None else self._holds(name, was)):
                raise changed(self.path / name)

        with self.replacing(name, check=check, was=was) as file:
            file.write(data)

    def check_mark(self, name: str, mark: tuple[int, ...] | None) -> None:
        """Raise `HubtoolsError` unless what lies there still has this `mark`."""
        if self.mark(name) != mark:
            raise changed(self.path / name)

    def _holds(self, name: str, data: bytes) -> bool:
        return self.is_file(name) and self.read(name) == data

    @contextmanager
    def filling(self, name: str, *, mode: int | None = None) -> Iterator[BinaryIO]:
        """As `replacing`, of a file that is not there. Raises `HubtoolsError` if something has
        appeared under its name by then, which stays."""

        def check() -> None:
            if self.exists(name):
                raise HubtoolsError(
                    f"{self.path / name} has appeared meanwhile; it stays as it is.",
                    hint="run the same command again",
                    code="file-changed",
                )

        with self.replacing(name, mode=mode, check=check) as file:
            yield file

    def write_new(self, name: str, data: bytes) -> bool:
        """Write a file atomically where nothing has its name; says whether it did."""
        if self.exists(name):
            return False
        try:
            with self.filling(name) as file:
                file.write(data)
        except HubtoolsError as error:
            if error.code != "file-changed":
                raise
            return False
        return True

    def append(self, name: str, data: bytes) -> None:
        """Write at the end of a file, which is made if there is none, and see it onto the disk; its
        other names (of a copy by hard links) stay what they are. Raises `LeadsOut` for a link."""
        found = self.stat(name)
        if found is not None and stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
            self._set_apart(name)
        with self._opened(name, os.O_WRONLY | os.O_APPEND) as descriptor, naming(self.path / name):
            with os.fdopen(os.dup(descriptor), "ab") as file:
                file.write(data)
            os.fsync(descriptor)

    def _set_apart(self, name: str) -> None:
        """Put a copy of a file in its place, which is no other name of another file."""
        for _ in range(_TRIES):
            folder, _, base = name.rpartition("/")
            temporary = f"{folder}/{temporary_for(base)}" if folder else temporary_for(base)
            try:
                with self._in(temporary) as (here, copy), self._in(name) as (there, last):
                    found = facts_of(last, there)
                    self.copy(name, temporary)
                    if found and put_over(copy, last, here, there, found):
                        return
            finally:
                self.unlink(temporary, missing_ok=True)
        raise changed(self.path / name)

    @contextmanager
    def _opened(self, name: str, flags: int) -> Iterator[int]:
        """The descriptor of a regular file that is there afterwards."""
        flags |= os.O_CREAT | (READ & ~os.O_RDONLY)
        with self._in(name, make=True) as (at, last):
            try:
                descriptor = os.open(last, flags, self._new, **at)
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

    def create(self, name: str) -> BinaryIO:
        """A new file, open for writing; it is not synced, so who makes many syncs once. Folders on
        the way are made. Raises `FileExistsError` if there is anything, `LeadsOut` for a link on
        the way."""
        with self._in(name, make=True) as (at, last):
            file = os.fdopen(os.open(last, WRITE | os.O_EXCL, self._new, **at), "wb")
            self._hand_over(file.fileno())
            return file

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
            descriptor = os.open(last, WRITE & ~os.O_WRONLY | os.O_RDWR, 0o600, **at)
            with os.fdopen(descriptor, "r+b") as copy:
                cloned = clone(file.fileno(), copy.fileno())
                digest = hashlib.sha256()
                # the source may change meanwhile: the digest is of what the copy holds
                while block := (copy if cloned else file).read(BLOCK):
                    digest.update(block)
                    if not cloned:
                        copy.write(block)
                copy.flush()
                system.carry_attributes(file.fileno(), copy.fileno())
                set_mode(copy.fileno(), stat.S_IMODE(facts.st_mode))
                os.utime(
                    copy.fileno() if os.utime in os.supports_fd else last,
                    ns=(facts.st_atime_ns, facts.st_mtime_ns),
                )
                if sync:
                    os.fsync(copy.fileno())
        return digest.hexdigest()

    def copy_whole(self, source: str, target: str) -> str:
        """As `copy`; a kill leaves no half copy under the name `target`."""
        folder, _, base = target.rpartition("/")
        temporary = f"{folder}/{temporary_for(base)}" if folder else temporary_for(base)
        try:
            copied = self.copy(source, temporary)
            self.rename(temporary, target)
        except BaseException:
            self.unlink(temporary, missing_ok=True)
            raise
        return copied

    def carry_attributes(self, source: str, target: str) -> None:
        """Give a file the extended attributes and the access list of another one."""
        with self.open(source) as file, self.open(target) as other:
            system.carry_attributes(file.fileno(), other.fileno())

    def carry_owner(self, owner: os.stat_result, name: str) -> None:
        """Give a file to the user and the group of another one, as far as this user may."""
        if os.name == "nt":
            return
        with self.open(name) as file, suppress(OSError):
            mine = os.fstat(file.fileno())
            if (mine.st_uid, mine.st_gid) != (owner.st_uid, owner.st_gid):
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
                set_mode(file.fileno(), stat.S_IMODE(mine.st_mode))

    def rename(
        self,
        source: str,
        target: str,
        *,
        replace: bool = False,
        sync: bool = True,
        check: Callable[[], object] | None = None,
    ) -> None:
        """Give a file, link or folder another name; folders on the way are made. Raises
        `FileExistsError` if `target` exists and `replace` is not set, and falls back to copying
        across file systems (for files). Without `sync` a power cut may forget the new name. With
        `check` a file is renamed over what that does not raise for, and over nothing else."""
        if check is not None:
            guard = OverwriteCheck(self.path / target, check)

            def renamed(old: str, new: str, here: dict[str, Any], there: dict[str, Any]) -> None:
                put(old, new, here, there, guard)
        else:
            renamed = renaming.replace if replace else renaming.rename_new
        with self._in(source) as (here, old), self._in(target, make=True) as (there, new):
            try:
                renamed(old, new, here, there)
            except OSError as error:
                if isinstance(error, PermissionError):  # of it, and not of its new place
                    raise named(error, self.path / source) from None
                if error.errno != errno.EXDEV:
                    raise
                if self.is_folder(source):
                    raise _fixed(self.path / source) from None
                self._carry(source, target, renamed)
            if sync:
                system.sync(there)
                system.sync(here)
        forget(self.path / source)
        forget(self.path / target)

    def _carry(self, source: str, target: str, renamed: Callable[..., None]) -> None:
        """Rename between file systems: a copy beside the target takes its place, then the source
        goes, if it is still what was copied."""
        folder, _, base = target.rpartition("/")
        temporary = f"{folder}/{temporary_for(base)}" if folder else temporary_for(base)

        def facts() -> Facts | None:
            with self._in(source) as (at, last):
                return facts_of(last, at)

        def unchanged() -> None:
            if facts() != found:
                raise changed(self.path / source)

        found = facts()

        try:
            copied = self.copy(source, temporary)
            if self.fingerprint(source) != copied:
                raise HubtoolsError(
                    f"{self.path / source} changed while it was moved.", code="file-changed"
                )
            with self._in(temporary) as (at, last), self._in(target) as (there, new):
                renamed(last, new, at, there)
        finally:
            self.unlink(temporary, missing_ok=True)
        self.unlink(source, check=unchanged)

    def take(self, source: Path, name: str) -> None:
        """Move a file here that lies where nobody but this user writes: at once where that is the
        same file system, else by copying. What has the name is replaced, but for a folder."""
        with self._in(name, make=True) as (at, last):
            try:
                os.rename(source, last, **({"dst_dir_fd": at["dir_fd"]} if at else {}))
                return
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
        with source.open("rb") as file, self.replacing(name) as copy:
            shutil.copyfileobj(file, copy, BLOCK)
        source.unlink()

    def unlink(
        self, name: str, *, missing_ok: bool = False, check: Callable[[], object] | None = None
    ) -> None:
        """Remove a file or a link. `check` raises if what lies there must stay; nothing that comes
        later is removed."""
        try:
            with self._in(name) as (at, last):
                if check is None:
                    os.unlink(last, **at)
                else:
                    remove(last, at, OverwriteCheck(self.path / name, check))
        except FileNotFoundError:
            if not missing_ok:
                raise
