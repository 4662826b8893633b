"""Tar archives, compressed or not: read once from front to back, indexed on the way.

A tar file has no directory. On the first pass pictures are handed on as they come, texts are kept,
and what lies where is written down; with that index (kept in the user's cache) nothing has to be
read again to know what is there, and a picture of an uncompressed archive is found at its place.
"""

from __future__ import annotations

import base64
import io
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import xxhash

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.shards.tar import foreign_row, split_name
from hubtools.dataset.sources.model import MAX_STREAMED, Read, Trouble, identified
from hubtools.dataset.sources.names import is_picture, unsafe
from hubtools.errors import HubtoolsError
from hubtools.files import write_bytes
from hubtools.layout import CARD, METADATA_NAMES, cache_dir
from hubtools.limits import MEMBERS

_BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd")
_RATIO = 200  # what an archive may unpack to, as a multiple of its bytes
_HARMLESS = 1 << 30
_MAX_SIDECAR = 1 << 20
_KEPT = 64_000_000  # bytes of metadata files and sidecars that are kept, all together
_SIDECARS = (".json", ".txt", ".text", ".caption", ".cls")
_FORM = 1


@dataclass
class TarIndex:
    """What a pass found. Offsets are those of the content, in the unpacked stream."""

    members: list[tuple[str, int, int]] = field(default_factory=list)  # name, bytes, offset
    links: list[str] = field(default_factory=list)
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # of WebDataset samples
    sidecars: int = 0
    files: dict[str, bytes] = field(default_factory=dict)  # metadata and card
    troubles: list[Trouble] = field(default_factory=list)


class TarArchive:
    """What lies in a tar file. `open_file` opens it; `identity` is empty if it may change; `size`
    in bytes, 0 if unknown."""

    def __init__(
        self, open_file: Callable[[], BinaryIO], name: str, identity: str, size: int
    ) -> None:
        self.name = name
        self._open_file = open_file
        self._identity = identity
        self._limit = max(_HARMLESS, _RATIO * size) if size else 1 << 50
        key = xxhash.xxh3_128_hexdigest(f"{name}\0{identity}".encode("utf-8", "surrogateescape"))
        self._place = cache_dir() / "tars" / f"{key}.json" if identity else None
        self._index = _loaded(self._place)
        self._by_name: dict[str, tuple[str, int, int]] | None = None

    @property
    def index(self) -> TarIndex:
        """What is in it. Reads all of it if nothing did so before."""
        for _ in self.first() or ():
            pass
        assert self._index is not None
        return self._index

    @property
    def troubles(self) -> list[Trouble]:
        """What is wrong with it."""
        return self.index.troubles

    def first(self) -> Iterator[Read] | None:
        """The pictures as they come, unless an index is there."""
        return self._pass() if self._index is None else None

    def entries(self) -> list[Entry]:
        """All members; links have no bytes."""
        index = self.index
        entries = [self._entry(name, size) for name, size, _ in index.members]
        return entries + [Entry(name, 0, 0, link=True) for name in index.links]

    def _entry(self, name: str, size: int) -> Entry:
        return identified(name, size, self._identity)

    def open(self, name: str) -> BinaryIO:
        """A member, whole in memory. Raises `OSError`."""
        kept = self.index.files.get(name)
        if kept is not None:
            return io.BytesIO(kept)
        place = next((m for m in self.index.members if m[0] == name), None)
        if place is None:
            raise FileNotFoundError(2, "No such file", name)
        for _, what in self.stream([self._entry(name, place[1])]):
            if isinstance(what, bytes):
                return io.BytesIO(what)
            raise OSError(5, str(what), name)
        raise OSError(5, "it is no longer there", name)

    def stream(self, entries: Sequence[Entry]) -> Iterator[Read]:
        """At their places in the archive, or by another pass if it is compressed."""
        if self._by_name is None:
            self._by_name = {member[0]: member for member in self.index.members}
        places = {entry.name: entry for entry in entries}
        for entry in entries:
            if entry.name not in self._by_name:
                yield places.pop(entry.name), Unreadable(0, "it is a link, or not there")
        try:
            with self._open_file() as file:
                if not _is_compressed(file):
                    yield from self._at_places(file, places, self._by_name)
                    return
        except _BROKEN as error:
            yield from _all_failed(places, error)
            return
        try:
            for info, tar in self._members():
                wanted = places.get(_plain(info.name))
                if wanted is not None and info.isfile():
                    del places[wanted.name]
                    yield wanted, _content(tar, info)
                if not places:
                    return
        except _BROKEN as error:
            yield from _all_failed(places, error)
        yield from _all_failed(places, EOFError("it is no longer there"))

    def _at_places(
        self,
        file: BinaryIO,
        places: dict[str, Entry],
        members: dict[str, tuple[str, int, int]],
    ) -> Iterator[Read]:
        for name, size, offset in sorted((members[n] for n in places), key=lambda m: m[2]):
            entry = places.pop(name)
            if size > MAX_STREAMED:
                yield entry, _too_large(size)
                continue
            file.seek(offset)
            data = file.read(size)
            if len(data) == size:
                yield entry, data
            else:
                yield entry, Unreadable(len(data), "the archive is cut off")

    # --- the pass ----------------------------------------------------------------------------

    def _members(self) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
        with (
            self._open_file() as file,
            tarfile.open(fileobj=file, mode="r|*", tarinfo=_Info) as tar,
        ):
            for info in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it remembers every file
                if info.offset_data + info.size > self._limit:
                    raise tarfile.ReadError(
                        "it unpacks to more than 200 times its size, like a bomb"
                    )
                yield info, tar

    def _pass(self) -> Iterator[Read]:
        index = TarIndex()
        samples = _Samples(index, self.name)
        bad: list[str] = []
        there: set[str] = set()
        whole = False
        kept = left_out = 0
        try:
            for info, tar in self._members():
                if len(there) >= MEMBERS:
                    raise tarfile.ReadError(f"more than {MEMBERS:,} files are not listed")
                name = _plain(info.name)
                if info.isdir():
                    continue
                if unsafe(name) or name in there:
                    bad.append(info.name)
                    continue
                there.add(name)
                if not info.isfile():
                    index.links.append(name)
                    continue
                index.members.append((name, info.size, info.offset_data))
                entry = self._entry(name, info.size)
                if is_picture(entry):
                    samples.add(name, b"")
                    yield entry, _content(tar, info)
                elif entry.base in (CARD, *METADATA_NAMES) and kept + info.size <= _KEPT:
                    kept += info.size
                    data = _content(tar, info)
                    if isinstance(data, bytes):
                        index.files[name] = data
                elif entry.base in (CARD, *METADATA_NAMES) or kept > _KEPT:
                    left_out += 1
                elif entry.ending in _SIDECARS and info.size <= _MAX_SIDECAR and not entry.junk:
                    kept += info.size + 200
                    data = _content(tar, info)
                    if isinstance(data, bytes):
                        samples.add(name, data)
            whole = True
        except _BROKEN as error:
            index.troubles.append(
                Trouble(
                    "D801",
                    f"it cannot be read after {len(index.members)} files: {_reason(error)}",
                    self.name,
                )
            )
        samples.end()
        if left_out:
            text = f"{left_out:,} texts are left out: together they have more than {_KEPT:,} bytes"
            index.troubles.append(Trouble("D801", text, self.name))
        if bad:
            more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
            names = ", ".join(map(repr, bad[:3])) + more
            index.troubles.append(
                Trouble("D803", f"{names}: not a name, or a name twice; left out", self.name)
            )
        self._index = index
        if whole and self._place is not None:
            _save(self._place, index)


class _Info(tarfile.TarInfo):
    """Refuses a header that would have to be held in memory, and is as large as a picture."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Info:
        info = super().frombuf(buf, encoding, errors)
        extended = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, b"K", b"X")
        if info.type in extended and info.size > _MAX_SIDECAR:
            raise tarfile.ReadError(f"a header of {info.size:,} bytes")
        return info


class _Samples:
    """Members with one key, gathered into rows."""

    def __init__(self, index: TarIndex, archive: str) -> None:
        self._index, self._archive = index, archive
        self._key: str | None = None
        self._held: dict[str, bytes] = {}

    def add(self, name: str, data: bytes) -> None:
        """The next member; `data` only of texts."""
        key, rest = split_name(name)
        if key != self._key:
            self.end()
            self._key = key
        self._held[rest] = data

    def end(self) -> None:
        """Make a row of what is held."""
        if self._key is None or not self._held:
            return
        place = f"{self._archive}!{self._key}"
        try:
            stored = foreign_row(self._key, self._held, place)
        except HubtoolsError as error:
            told = error.message.removeprefix(place).strip(" .")
            self._index.troubles.append(Trouble("D802", f"the sample {told}", place))
        else:
            name = str(stored.values[FILE_NAME])
            values = {FILE_NAME: name.rpartition("/")[2]}
            for key, value in stored.values.items():
                if key != FILE_NAME:
                    inside = key in stored.pictures
                    values[key] = str(value).rpartition("/")[2] if inside else value
            self._index.rows.append((name, values))
            self._index.sidecars += len(self._held) - len(stored.pictures)
        self._key, self._held = None, {}


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _is_compressed(file: BinaryIO) -> bool:
    head = file.read(6)
    file.seek(0)
    return head.startswith(_COMPRESSED)


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | Unreadable:
    if info.size > MAX_STREAMED:
        return _too_large(info.size)
    file = tar.extractfile(info)
    data = file.read() if file is not None else b""
    if len(data) != info.size:
        raise tarfile.ReadError("unexpected end of data")
    return data


def _too_large(size: int) -> Unreadable:
    return Unreadable(size, f"it has {size:,} bytes; no picture is that large")


def _all_failed(places: dict[str, Entry], error: BaseException) -> Iterator[Read]:
    while places:
        _, entry = places.popitem()
        yield entry, Unreadable(0, f"the archive cannot be read: {_reason(error)}")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")[:150]
    return "it is cut off" if "end of data" in text else text or type(error).__name__


# --- the index in the cache --------------------------------------------------------------------


def _save(place: Path, index: TarIndex) -> None:
    value = {
        "form": _FORM,
        "members": index.members,
        "links": index.links,
        "rows": index.rows,
        "sidecars": index.sidecars,
        "files": {name: base64.b64encode(data).decode() for name, data in index.files.items()},
        "troubles": [[one.rule, one.message, one.path] for one in index.troubles],
    }
    try:
        data = orjson.dumps(value, default=str)
    except (TypeError, ValueError):  # names that are not Unicode
        data = json.dumps(value, default=str).encode()
    try:
        write_bytes(place, data)
    except OSError:
        return


def _loaded(place: Path | None) -> TarIndex | None:
    if place is None:
        return None
    try:
        value = json.loads(place.read_bytes())
        if value["form"] != _FORM:
            return None
        return TarIndex(
            [(str(name), int(size), int(offset)) for name, size, offset in value["members"]],
            [str(name) for name in value["links"]],
            [(str(name), dict(row)) for name, row in value["rows"]],
            int(value["sidecars"]),
            {name: base64.b64decode(data) for name, data in value["files"].items()},
            [Trouble(*one) for one in value["troubles"]],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
