"""Big files on disk by their SHA-256. A file is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from hubtools.causes import naming
from hubtools.errors import HubtoolsError
from hubtools.localhub.names import is_sha256
from hubtools.rooted import Root

_INCOMING = "incoming"
_BLOBS = "blobs"
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_VIEW = re.compile(r"view-[a-z0-9_]{1,16}")  # a repository laid out for its pages


class Blobs:
    """`blobs/ab/abcdef...` in the Hub's folder; uploads on their way lie in `incoming` and are
    renamed when whole. No link is followed: the folder may have come from somebody else."""

    def __init__(self, place: Root) -> None:
        self._place = place
        for folder in (_BLOBS, _INCOMING):
            place.mkdir(folder)
        for name in place.list(_INCOMING):  # of a killed process; we hold the lock of the root
            if _UPLOAD.fullmatch(name) and place.is_file(f"{_INCOMING}/{name}"):
                place.unlink(f"{_INCOMING}/{name}", missing_ok=True)
            elif _VIEW.fullmatch(name) and place.is_folder(f"{_INCOMING}/{name}"):
                place.remove_tree(f"{_INCOMING}/{name}")

    @property
    def incoming(self) -> Path:
        """Where temporary files may lie."""
        return self._place.path / _INCOMING

    @contextmanager
    def view(self) -> Iterator[Root]:
        """A folder of its own to lay files out in, which goes at the end."""
        name = f"{_INCOMING}/view-{secrets.token_hex(8)}"
        self._place.mkdir(name, mode=0o700)
        with self._place.inside(name) as made:
            try:
                yield made
            finally:
                with suppress(OSError, HubtoolsError):
                    if self._place.holds(name, made):
                        self._place.remove_tree(name)

    def has(self, sha256: str, size: int) -> bool:
        """True if the blob is there (and whole)."""
        found = self._place.stat(_name(sha256))
        return found is not None and stat.S_ISREG(found.st_mode) and found.st_size == size

    def open(self, sha256: str) -> BinaryIO:
        """Its bytes. Raises `FileNotFoundError` if it is gone."""
        return self._place.opened(_name(sha256))

    def receive(self) -> Incoming:
        """Start receiving a blob."""
        return Incoming(self._place, f"{_INCOMING}/{secrets.token_hex(16)}")

    def drop(self, sha256: str) -> None:
        """Delete the blob if it is there."""
        self._place.unlink(_name(sha256), missing_ok=True)

    def all(self) -> list[str]:
        """The SHA-256 of every blob."""
        return [
            name
            for folder in self._place.list(_BLOBS)
            if len(folder) == 2 and self._place.is_folder(f"{_BLOBS}/{folder}")
            for name in self._place.list(f"{_BLOBS}/{folder}")
            if is_sha256(name)
        ]


def _name(sha256: str) -> str:
    if not is_sha256(sha256):
        raise ValueError(f"not a SHA-256: {sha256!r}")
    return f"{_BLOBS}/{sha256[:2]}/{sha256}"


class Incoming:
    """A blob on its way: feed it, then `keep` or `discard` it."""

    def __init__(self, place: Root, name: str) -> None:
        self._place, self._name = place, name
        self._file: BinaryIO = place.create(name)
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        with naming(self._place.path / self._name):
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Of what has come so far."""
        return self._digest.hexdigest()

    def keep(self) -> None:
        """Make it a blob: synced to the disk, then renamed. Keeping the same one twice is fine."""
        with naming(self._place.path / self._name):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        self._place.rename(self._name, _name(self.sha256), replace=True)

    def discard(self) -> None:
        """Forget it. Does nothing after `keep`."""
        with suppress(OSError):  # what is still to be written goes with the file
            self._file.close()
        self._place.unlink(self._name, missing_ok=True)
