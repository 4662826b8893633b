"""The members of a tar file, which anybody may have written: files are handed on, all else is
named, and nothing is followed."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO

from hubtools.limits import MEMBERS, STREAMED
from hubtools.patterns import regex

BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
_RATIO = 200  # what an archive may unpack to, as a multiple of its bytes
_HARMLESS = 1 << 30
_HEADER = 1 << 20  # bytes of an extended header, which is held in memory
_NAMED = 3
_LABEL = b"V"  # of GNU tar: the name of the archive


class Odd(StrEnum):
    """Why a member is left out, or spoken of; the value is said of its name."""

    NAME = "not a name, or a name twice; left out"
    LINK = "links, which are not followed; left out"
    SPECIAL = "pipes, devices and others that hold no bytes of their own; left out"
    OTHER = "neither pictures nor texts; left out"
    UNWRITABLE = "names that are not UTF-8, which the Hub does not take"


@dataclass
class Members:
    """Reads a tar file from front to back. `size`: bytes of it, 0 if unknown. What was passed by
    is in `odd`, by name."""

    file: BinaryIO
    size: int
    odd: dict[Odd, list[str]] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
        """(name, info, archive) of each file; its bytes are to be read before the next. Raises one
        of `BROKEN` where the archive ends too early, is a bomb, or lists too much."""
        limit = max(_HARMLESS, _RATIO * self.size) if self.size else 1 << 50
        there: set[str] = set()
        count = 0
        with tarfile.open(fileobj=self.file, mode="r|*", tarinfo=Header) as tar:
            for info in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it remembers every file
                if info.offset_data + info.size > limit:
                    raise tarfile.ReadError(
                        "it unpacks to more than 200 times its size, like a bomb"
                    )
                if (count := count + 1) > 2 * MEMBERS or len(there) >= MEMBERS:
                    raise tarfile.ReadError(f"more than {MEMBERS:,} files are not listed")
                if info.isdir() or info.type == _LABEL:
                    continue
                name = plain_name(info.name)
                odd = _odd(name, info, there)
                if odd is not None:
                    self.odd.setdefault(odd, []).append(info.name)
                if odd is Odd.LINK:
                    self.links.append(name)
                if odd in (None, Odd.UNWRITABLE):
                    there.add(name)
                    yield name, info, tar

    def skipped_sentences(self) -> list[str]:
        """A sentence for each kind of what was passed by."""
        return list(skipped_sentences(self.odd))


def skipped_sentences(odd: dict[Odd, list[str]]) -> Iterator[str]:
    """`'../x.png', 'y' and 3 more: not a name, or a name twice; left out`."""
    for kind, names in sorted((kind, names) for kind, names in odd.items() if names):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"{', '.join(map(ascii, names[:_NAMED]))}{more}: {kind}"


def content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | None:
    """The bytes of a member; None for more of them than are read. Raises one of `BROKEN`."""
    if info.size > STREAMED:
        return None
    file = tar.extractfile(info)
    data = file.read() if file is not None else b""
    if len(data) != info.size:
        raise tarfile.ReadError("unexpected end of data")
    return data


def plain_name(name: str) -> str:
    """Without the `./` that `tar c .` begins names with."""
    return name.removeprefix("./")


def unsafe(name: str) -> bool:
    """True for a name that would be written elsewhere, or nowhere, where it is unpacked."""
    parts = name.replace("\\", "/").split("/")
    drive = len(name) > 1 and name[1] == ":"
    return name.startswith(("/", "\\")) or drive or ".." in parts or "\0" in name or not name


def _odd(name: str, info: tarfile.TarInfo, there: set[str]) -> Odd | None:
    if unsafe(name) or name in there:
        return Odd.NAME
    if info.issym() or info.islnk():
        return Odd.LINK
    if not info.isfile() or info.issparse():
        return Odd.SPECIAL
    try:
        name.encode()
    except UnicodeEncodeError:
        return Odd.UNWRITABLE
    return None


class Header(tarfile.TarInfo):
    """Refuses a header that would have to be held in memory and is as large as a picture, and one
    whose digits keep the regular expressions of older `tarfile` busy for hours."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Header:
        info = super().frombuf(buf, encoding, errors)
        extended = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, b"K", b"X")
        if info.type in extended and info.size > _HEADER:
            raise tarfile.ReadError(f"a header of {info.size:,} bytes")
        return info

    def _proc_pax(self, archive: Any) -> Any:
        stream = archive.fileobj
        data = stream.read(-(-self.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE)
        if _DIGITS.search(data):
            raise tarfile.ReadError("a header with a number of hundreds of digits")
        archive.fileobj = _Ahead(data, stream)
        try:
            return super()._proc_pax(archive)  # type: ignore[misc]
        finally:
            archive.fileobj = stream


_DIGITS = regex(rb"[0-9]{200}")


class _Ahead:
    """A stream of which one piece was read already."""

    def __init__(self, data: bytes, stream: Any) -> None:
        self._data: bytes | None = data
        self._stream = stream

    def read(self, size: int) -> bytes:
        """That piece first."""
        data, self._data = self._data, None
        return data if data is not None else self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
