"""Big files on disk by their SHA-256. A file is there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from hubtools.causes import naming
from hubtools.files import sync_folder
from hubtools.localhub.names import is_sha256


class Blobs:
    """`folder/ab/abcdef...`; uploads on their way lie in `incoming` and are renamed when whole."""

    def __init__(self, folder: Path, incoming: Path) -> None:
        self.folder = folder
        self.incoming = incoming
        folder.mkdir(parents=True, exist_ok=True)
        incoming.mkdir(parents=True, exist_ok=True)
        for leftover in incoming.iterdir():  # of a killed process; we hold the lock of the root
            leftover.unlink()

    def path(self, sha256: str) -> Path:
        """Where the blob is if it is there."""
        if not is_sha256(sha256):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self.folder / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """True if the blob is there (and whole)."""
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def receive(self) -> Incoming:
        """Start receiving a blob."""
        return Incoming(self, self.incoming / secrets.token_hex(16))

    def drop(self, sha256: str) -> None:
        """Delete the blob if it is there."""
        self.path(sha256).unlink(missing_ok=True)

    def all(self) -> list[str]:
        """The SHA-256 of every blob."""
        return [path.name for path in self.folder.glob("??/*") if is_sha256(path.name)]


class Incoming:
    """A blob on its way: feed it, then `keep` or `discard` it."""

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file: BinaryIO = path.open("xb")
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        with naming(self._path):
            self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    @property
    def sha256(self) -> str:
        """Of what has come so far."""
        return self._digest.hexdigest()

    def keep(self) -> None:
        """Make it a blob: synced to the disk, then renamed. Keeping the same one twice is fine."""
        with naming(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        final = self._blobs.path(self.sha256)
        final.parent.mkdir(exist_ok=True)
        os.replace(self._path, final)
        sync_folder(final.parent)

    def discard(self) -> None:
        """Forget it. Does nothing after `keep`."""
        with suppress(OSError):  # what is still to be written goes with the file
            self._file.close()
        self._path.unlink(missing_ok=True)
