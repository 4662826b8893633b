"""Zip archives: listed by their directory, read member by member, never unpacked."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.folder.zipped import open_zip
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.shards.members import unsafe
from hubtools.dataset.sources.model import MAX_STREAMED, MAX_TEXT, Read, Trouble, identified
from hubtools.errors import HubtoolsError

# What a member may unpack to, as a multiple of its bytes, before it is called a bomb: deflate
# reaches a thousand with zeros only.
_RATIO = 200
_HARMLESS = 32 << 20
_BROKEN = (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, zlib.error)


class ZipArchive:
    """What lies in a zip file. `open_file` opens it; `identity` is empty if it may change."""

    def __init__(self, open_file: Callable[[], BinaryIO], name: str, identity: str) -> None:
        self.name = name
        self.troubles: list[Trouble] = []
        self._open_file = open_file
        self._identity = identity
        self._opened: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] | None = None

    def _zip(self) -> zipfile.ZipFile:
        if self._opened is None:
            try:
                self._opened = open_zip(self._open_file())
            except _BROKEN as error:
                raise HubtoolsError(
                    f"{self.name} is no whole zip archive: {_reason(error)}.",
                    hint="pack or fetch it again",
                    code="file-damaged",
                ) from None
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which opens the file itself."""
        return {**self.__dict__, "_opened": None}

    def first(self) -> Iterator[Read] | None:
        """A zip file has a directory."""
        return None

    def entries(self) -> list[Entry]:
        """All members with names that are safe."""
        return [
            identified(name, info.file_size, self._identity and f"{self._identity}.{info.CRC}")
            for name, info in self._listed().items()
        ]

    def _listed(self) -> dict[str, zipfile.ZipInfo]:
        if self._members is not None:
            return self._members
        members: dict[str, zipfile.ZipInfo] = {}
        bad, locked = [], []
        for info in self._zip().infolist():
            if info.is_dir():
                continue
            name = info.filename.removeprefix("./")
            if unsafe(name) or name in members:
                bad.append(info.filename)
                continue
            if info.flag_bits & 1:
                locked.append(name)
            members[name] = info
        if bad:
            self.troubles.append(
                Trouble("D803", f"{_some(bad)}: not a name, or a name twice; left out", self.name)
            )
        if locked:
            self.troubles.append(
                Trouble("D804", f"{len(locked)} of {len(members)} files are encrypted", self.name)
            )
        self._members = members
        return members

    def open(self, name: str) -> BinaryIO:
        """A member, whole in memory. Raises `OSError`."""
        info = self._listed().get(name)
        if info is None:
            raise FileNotFoundError(2, "No such file", name)
        try:
            return io.BytesIO(self._read(info, MAX_TEXT))
        except Unreadable as error:
            raise OSError(5, str(error), name) from None

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """In the order they lie in the file."""
        members = self._listed()
        for entry in sorted(entries, key=lambda entry: members[entry.name].header_offset):
            try:
                yield entry, self._read(members[entry.name], MAX_STREAMED)
            except Unreadable as error:
                yield entry, error

    def _read(self, info: zipfile.ZipInfo, limit: int) -> bytes:
        if info.flag_bits & 1:
            raise Unreadable(info.file_size, "it is encrypted")
        if info.file_size > limit:
            raise Unreadable(info.file_size, f"it unpacks to {info.file_size:,} bytes")
        if info.file_size > max(_HARMLESS, _RATIO * info.compress_size):
            raise Unreadable(
                info.file_size,
                f"it unpacks from {info.compress_size:,} to {info.file_size:,} bytes, like a zip"
                " bomb",
            )
        try:
            with self._zip().open(info) as member:
                return member.read()
        except _BROKEN as error:
            raise Unreadable(0, f"the archive is damaged: {_reason(error)}") from None
        except MemoryError:
            raise Unreadable(info.file_size, "it takes more memory than there is") from None

    def close(self) -> None:
        """Let go of the file."""
        with suppress(Exception):
            if self._opened is not None:
                self._opened.close()


def _some(names: list[str]) -> str:
    rest = len(names) - 3
    return ", ".join(map(repr, names[:3])) + (f" and {rest} more" if rest > 0 else "")


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")[:150] or type(error).__name__
