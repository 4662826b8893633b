"""Files of a dataset, wherever they lie, and those that lie on this machine."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote

from hubtools.dataset.folder.listing import Entry, walk
from hubtools.files import open_regular

# what a person may write
KINDS = "a folder, .zip, .tar(.gz), .parquet, hf://datasets/owner/name or another address"


class Store(Protocol):
    """Files with names, and a name for all of them."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def single(self) -> bool:
        """True if it is one file, which `entries` names."""

    def entries(self) -> list[Entry]:
        """All files, in the order of their names."""

    def open(self, name: str) -> BinaryIO:
        """A file, to be read and sought in. Raises `OSError`."""

    def read(self, entry: Entry) -> bytes | str:
        """The bytes of a file, or the path at which this machine has it already. Raises
        `Unreadable` for a file that fails, `HubtoolsError` if nothing can be reached any more."""


@dataclass(frozen=True)
class LocalStore:
    """A folder or a file of this machine."""

    path: Path

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.name or str(self.path)

    @cached_property
    def single(self) -> bool:
        """True for a file."""
        return self.path.is_file()

    def entries(self) -> list[Entry]:
        """One walk."""
        if not self.single:
            return list(walk(self.path).entries)
        stat = self.path.stat()
        name, modified = self.path.name, stat.st_mtime_ns
        return [Entry(name, stat.st_size, modified, ctime_ns=stat.st_ctime_ns)]

    def open(self, name: str) -> BinaryIO:
        """From the disk."""
        return open_regular(self.path if self.single else self.path / name)

    def read(self, entry: Entry) -> bytes | str:
        """Its path."""
        return str(self.path if self.single else self.path / entry.name)


def local_path(address: str) -> Path | None:
    """The path that an address of this machine means; None for any other address."""
    if address.startswith(("file://", "local://")):
        path = unquote(address.partition("://")[2])
        return Path(path.lstrip("/") if os.name == "nt" else path)
    return None if scheme_of(address) else Path(address)


def scheme_of(address: str) -> str | None:
    """`hf`, `https`, ... of an address; a drive letter is none."""
    match = re.match(r"([a-z][a-z0-9+.-]+):/", address, re.IGNORECASE)
    return match[1].lower() if match else None
