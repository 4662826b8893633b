"""Opening what holds further files: zip, tar, gzip, bzip2, xz, parquet, arrow. Nothing is written
to the disk, no path within is followed, and what is unpacked is counted."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from hubtools.causes import says_nothing_of_file
from hubtools.leaks.stream import is_text
from hubtools.publish.contents.gzips import fields
from hubtools.publish.contents.holes import HELD
from hubtools.publish.contents.member import Budget, Member, NotOpened
from hubtools.publish.contents.sheets import sheets
from hubtools.publish.contents.tables import rows

# What is shorter holds nothing that is packed.
_TINY = 24
# Shorter fields of a zip's entries hold times and numbers of users.
_NOTED = 48

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"]\0\0", "lzma"),
    (b"PAR1", "parquet"),
    (b"PARE", "an encrypted parquet file"),
    (b"ARROW1\0\0", "arrow"),
    (b"\xff\xff\xff\xff", "arrow stream"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x04\x22\x4d\x18", "an LZ4 file"),
    (b"\x1f\x9d", "a compressed file (.Z)"),
    (b"MSCF", "a cabinet archive"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"Salted__", "an encrypted file"),
    (b"age-encryption.org/", "an encrypted file"),
)


_MAGICS = tuple(magic for magic, _ in _MAGIC)  # to be asked for at once
# Those that are letters only.
_WORDS = (b"BZh", b"PAR1", b"PARE", b"MSCF", b"ORC", b"Salted__")


def packing(head: bytes) -> str | None:
    """What kind of container begins so; None if it is none. What cannot be opened has an article
    in its name."""
    for magic, kind in _MAGIC if head.startswith(_MAGICS) else ():
        if head.startswith(magic):
            if kind == "lzma" and not _is_lzma(head):
                continue
            if magic in _WORDS and is_text(head):
                continue  # a caption may well begin so
            if kind == "arrow stream" and not 8 <= int.from_bytes(head[4:8], "little") < 1 << 20:
                continue
            return kind
    return "tar" if _is_tar(head[:512]) else None


def _is_lzma(head: bytes) -> bool:
    """The header of .lzma: properties, size of the dictionary (a power of two, or half as much
    again), length or nothing but ones, and a zero, with which the data begins."""
    dictionary = int.from_bytes(head[1:5], "little")
    known = int.from_bytes(head[5:13], "little") < 1 << 40 or head[5:13] == b"\xff" * 8
    return known and head[13:14] == b"\0" and f"{dictionary:b}".strip("0") in ("1", "11")


def members(kind: str, file: IO[bytes], budget: Budget) -> Iterator[Member]:
    """What is in a container. Raises `NotOpened` where it cannot be read on; what came before
    counts. A file of a member is good until the next one is asked for."""
    if " " in kind and kind != "arrow stream":
        raise NotOpened(f"{kind} cannot be opened here")
    try:
        if kind == "zip":
            yield from _zip(file, budget)
        elif kind == "tar":
            yield from _tar(file, budget)
        elif kind in ("parquet", "arrow", "arrow stream"):
            yield from rows(kind, file, budget)
        else:
            yield from _packed(kind, file, budget)
    except NotOpened:
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, ValueError) as error:
        if says_nothing_of_file(error):
            raise
        raise NotOpened(f"the {kind} is damaged ({_brief(error)})") from None
    except (NotImplementedError, RuntimeError, struct.error, MemoryError, KeyError) as error:
        raise NotOpened(f"the {kind} cannot be opened ({_brief(error)})") from None


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:80]


class _Counted(io.RawIOBase):
    """Forward reading that is taken off the budget; going back starts anew, by `again`."""

    def __init__(self, file: IO[bytes], budget: Budget, first: bytes = b"") -> None:
        self._file, self._budget, self._first = file, budget, first

    def read(self, size: int = -1) -> bytes:
        if self._first:
            part, self._first = self._first[:size], self._first[size:]
            return part
        data = self._file.read(min(size, 1 << 20) if size > 0 else 1 << 20)
        self._budget.take(len(data))
        return data


def _held(name: str, file: IO[bytes], budget: Budget) -> Member:
    """A member that is held whole, if it is not too long; a longer one is told."""
    data = bytearray()
    while part := file.read(min(1 << 20, HELD + 1 - len(data))):
        budget.take(len(part))
        data += part
        if len(data) > HELD:
            return _long(name, file, bytes(data), budget)
    return Member(name, io.BytesIO(data))


def _long(name: str, file: IO[bytes], first: bytes, budget: Budget) -> Member:
    """Too long to be held: it can be read once, as bytes; within it nothing can be opened."""
    if (kind := packing(first[:4096])) is not None and kind != "tar":
        return Member(name, None, f"{kind} of more than {HELD >> 20} MB in a container; not opened")
    return Member(name, _Once(_Counted(file, budget, first)))  # type: ignore[arg-type]


class _Once:
    """A long member: its beginning can be read again, the rest once."""

    def __init__(self, file: _Counted) -> None:
        self._file, self._place = file, 0
        self._head = file.read(4096)

    def seek(self, place: int, whence: int = 0) -> int:
        self._place = place
        return place

    def read(self, size: int = -1) -> bytes:
        if self._place < len(self._head):
            part = self._head[self._place :]
            if size >= 0:
                part = part[:size]
            self._place += len(part)
            return part
        data = self._file.read(size)
        self._place += len(data)
        return data


def _zip(file: IO[bytes], budget: Budget) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            budget.take(64)  # a bomb may be made of names
            for name, data in (("comment", info.comment), ("extra", info.extra)):
                if len(data) > _NOTED:
                    yield Member(f"{info.filename} ({name})", io.BytesIO(data))
            if info.is_dir() and not info.file_size:
                continue
            if info.flag_bits & 1:
                yield Member(info.filename, None, "it is encrypted, and cannot be looked into")
                continue
            with archive.open(info) as member:
                yield _held(info.filename, member, budget)
        yield from sheets(archive, budget)
        listed, end, comment = archive.infolist(), archive.start_dir, archive.comment
    yield from _between(file, listed, end)
    if len(comment) > _TINY:
        yield Member("(comment)", io.BytesIO(comment))
    yield from _behind_zip(file, end)


def _between(file: IO[bytes], listed: list[zipfile.ZipInfo], end: int) -> Iterator[Member]:
    """Bytes before the directory that no listed member covers: two archives one behind the other
    show the last one's members only."""
    place = 0
    for info in sorted(listed, key=lambda info: info.header_offset):
        yield from _gap(file, place, info.header_offset)
        file.seek(info.header_offset + 26)
        extra = file.read(4)
        names = int.from_bytes(extra[:2], "little") + int.from_bytes(extra[2:], "little")
        place = max(place, info.header_offset + 30 + names + info.compress_size)
    yield from _gap(file, place, end)


def _gap(file: IO[bytes], start: int, end: int) -> Iterator[Member]:
    if end - start <= _TINY:  # sums and sizes behind a member
        return
    if end - start > HELD:
        yield Member("(not listed)", None, "many bytes of it belong to no member")
        return
    file.seek(start)
    data = file.read(end - start)
    first = data.find(b"PK\x03\x04")
    if first >= 0:
        yield Member("(not listed)", io.BytesIO(data[first:]))
    if len(before := data[: first if first >= 0 else None]) > _TINY and before.strip(b"\0"):
        yield Member("(not listed)", io.BytesIO(before))


def _behind_zip(file: IO[bytes], directory: int) -> Iterator[Member]:
    """What follows the end of the archive and its comment."""
    file.seek(directory)
    data = file.read(HELD)
    end = data.rfind(b"PK\x05\x06")
    if end < 0:
        return
    length = int.from_bytes(data[end + 20 : end + 22], "little")
    yield from _rest(data[end + 22 + length :])


def _rest(data: bytes) -> Iterator[Member]:
    """What stands behind the end of something, if it is anything."""
    if len(data) > _TINY and data.strip(b"\0"):
        yield Member("(behind its end)", io.BytesIO(data))


_STREAMS: dict[str, Callable[[], Any]] = {
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


def _behind_streams(kind: str, file: IO[bytes]) -> bytes:
    """What follows the last bzip2 or xz stream, which Python's readers pass over. What it unpacks
    to has been read, so that no bomb is left."""
    file.seek(0)
    opened: Any = None
    while block := file.read(1 << 18):
        while block:
            if opened is None:
                block = block.lstrip(b"\0")
                opened = _STREAMS[kind]()
                begin = block
            try:
                opened.decompress(block)
            except (OSError, EOFError, ValueError, lzma.LZMAError):
                return begin + file.read(HELD)
            block = opened.unused_data if opened.eof else b""
            opened = None if opened.eof else opened
    return b""


def _packed(kind: str, file: IO[bytes], budget: Budget) -> Iterator[Member]:
    data = bytearray()
    if kind == "gzip":
        yield from fields(file, HELD)
        file.seek(0)
    try:
        member = _unpacked(kind, file, budget, data)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        if data:  # what came before it was damaged, or ended
            yield Member(kind, io.BytesIO(data))
        raise
    yield member
    if kind in _STREAMS and isinstance(member.file, io.BytesIO):
        yield from _rest(_behind_streams(kind, file))


def _unpacked(kind: str, file: IO[bytes], budget: Budget, data: bytearray) -> Member:
    """The unpacked file; `data` is what was read of it."""
    opened: Any
    if kind == "gzip":
        opened = gzip.GzipFile(fileobj=file)
    elif kind == "bzip2":
        opened = bz2.BZ2File(file)
    else:
        opened = lzma.LZMAFile(file)  # noqa: SIM115
    while part := opened.read1(1 << 20):
        budget.take(len(part))
        data += part
        if len(data) > HELD:
            if _is_tar(bytes(data[:512])):
                return Member("tar", _Again(opened, budget))  # type: ignore[arg-type]
            return _long(kind, opened, bytes(data), budget)
    return Member(kind, io.BytesIO(data))


class _Again:
    """An unpacked file that begins anew when somebody seeks back: read often, it counts often."""

    def __init__(self, file: IO[bytes], budget: Budget) -> None:
        self._file, self._budget = file, budget

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._budget.take(len(data) // 3)
        return data


# --- tar ------------------------------------------------------------------------------------------


def _is_tar(block: bytes) -> bool:
    """A header's sum agrees (POSIX.1-2008, pax, ustar)."""
    if len(block) < 512 or not block[0]:
        return False
    try:
        said = int(block[148:156].strip(b"\0 ") or b"-1", 8)
    except ValueError:
        return False
    return said == sum(block) - sum(block[148:156]) + 8 * 32


def _tar(file: IO[bytes], budget: Budget) -> Iterator[Member]:
    """Files in a tar, in one pass; long names and pax records are read as members too."""
    while len(block := _exactly(file, 512)) == 512:
        if not block.strip(b"\0"):
            continue
        if not _is_tar(block):
            yield from _rest(block + file.read(HELD))
            raise NotOpened(
                "the tar is damaged: what follows its last good member was read as bytes"
            )
        size = _number(block[124:136])
        name = (
            block[345:500].rstrip(b"\0") + b"/"
            if block[257:262] == b"ustar" and block[345]
            else b""
        ) + block[:100].rstrip(b"\0")
        part = _Part(file, size, budget)
        kind = block[156:157]
        if kind in (b"0", b"\0", b"7", b"x", b"g", b"L", b"K", b"S") and size:
            yield _held(name.decode("utf-8", "replace"), part, budget)  # type: ignore[arg-type]
        part.skip(0)
        yield from _rest(_exactly(file, -size % 512))  # what fills its last block
    yield from _rest(block)


class _Part:
    """The next bytes of a file."""

    def __init__(self, file: IO[bytes], size: int, budget: Budget) -> None:
        self._file, self._left, self._budget = file, size, budget

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def skip(self, more: int) -> None:
        """Go to the end, and so many bytes further."""
        self._left += more
        while self._left > 0 and self.read(1 << 20):
            pass


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b"\0 ") or b"0", 8)
