"""Tar archives, compressed or not: read once from front to back, indexed on the way.

A tar file has no directory. On the first pass pictures are handed on as they come, texts are kept,
and what lies where is written down; with that index (kept in the user's cache) nothing has to be
read again to know what is there, and a picture of an uncompressed archive is found at its place.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import xxhash

from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.loaders.tar_files import TarTable, why_undecoded
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.pictures.reading import Unreadable
from hubtools.dataset.shards.members import BROKEN, Members, content
from hubtools.dataset.shards.tar import foreign_row, split_name
from hubtools.dataset.sources.model import MAX_STREAMED, Read, Trouble, identified
from hubtools.errors import HubtoolsError
from hubtools.files import json_value
from hubtools.findings import plural
from hubtools.kept import read_kept, write_kept
from hubtools.layout import CARD, METADATA_NAMES, cache_dir

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd")
_MAX_SIDECAR = 1 << 20
_KEPT = 64_000_000  # bytes of metadata files and sidecars that are kept, all together
_SIDECARS = (".json", ".txt", ".text", ".caption", ".cls")
_FORM = 3


@dataclass
class TarIndex:
    """What a pass found. Offsets are those of the content, in the unpacked stream."""

    members: list[tuple[str, int, int]] = field(default_factory=list)  # name, bytes, offset
    links: list[str] = field(default_factory=list)
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # of WebDataset samples
    sidecars: int = 0
    files: dict[str, bytes] = field(default_factory=dict)  # metadata and card
    troubles: list[Trouble] = field(default_factory=list)
    undecoded: dict[str, str] = field(default_factory=dict)  # members that are not what they end in
    # of samples that are no rows, or have several: by key and column
    json: dict[str, dict[str, Any]] = field(default_factory=dict)


class TarArchive:
    """What lies in a tar file. `open_file` opens it; `identity` is empty if it may change; `size`
    in bytes, 0 if unknown."""

    def __init__(
        self, open_file: Callable[[], BinaryIO], name: str, identity: str, size: int
    ) -> None:
        self.name = name
        self._open_file = open_file
        self._identity = identity
        self._size = size
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

    def table(self, name: str, prefix: str) -> TarTable:
        """It as the loader of WebDataset sees it; `prefix` goes before names of members."""
        index = self.index
        values = {split_name(row)[0]: found for row, found in index.rows}
        table = TarTable.of(
            name,
            (member for member, _, _ in index.members),
            prefix,
            index.undecoded,
            lambda key: index.json.get(key) or _json_of(values.get(key, {})),
        )
        for trouble in index.troubles:
            if trouble.rule in ("D801", "D803"):
                table.stop(f"{name}: {trouble.message}", sure=trouble.rule == "D801")
        return table

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
        except BROKEN as error:
            yield from _all_failed(places, error)
            return
        try:
            with self._open_file() as file:
                for name, info, tar in Members(file, self._size):
                    wanted = places.pop(name, None)
                    if wanted is not None:
                        yield wanted, _content(tar, info)
                    if not places:
                        return
        except BROKEN as error:
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

    def _pass(self) -> Iterator[Read]:
        index = TarIndex()
        samples = _Samples(index, self.name)
        texts = _Texts(index, samples)
        whole = False
        members: Members | None = None
        try:
            with self._open_file() as file:
                members = Members(file, self._size)
                for name, info, tar in members:
                    index.members.append((name, info.size, info.offset_data))
                    entry = self._entry(name, info.size)
                    if entry.is_picture:
                        samples.add(name, b"")
                        yield entry, _content(tar, info)
                    else:
                        texts.add(entry, tar, info)
            whole = True
        except BROKEN as error:
            reason = (
                f"it cannot be read after {plural(len(index.members), 'file')}: {_reason(error)}"
            )
            index.troubles.append(Trouble("D801", reason, self.name))
        samples.end()
        for text in texts.skipped_sentences():
            index.troubles.append(Trouble("D801", text, self.name))
        if members is not None:
            index.links += members.links
            index.troubles += [
                Trouble("D803", text, self.name) for text in members.skipped_sentences()
            ]
        self._index = index
        if whole and self._place is not None:
            _save(self._place, index)


class _Texts:
    """Metadata files, cards and texts beside pictures, as many as are kept."""

    def __init__(self, index: TarIndex, samples: _Samples) -> None:
        self._index, self._samples = index, samples
        self._kept = 0
        self._too_many = 0
        self._too_large: list[str] = []

    def add(self, entry: Entry, tar: tarfile.TarFile, info: tarfile.TarInfo) -> None:
        """The next one that is no picture."""
        table = entry.base in (CARD, *METADATA_NAMES)
        sidecar = entry.ending in _SIDECARS and not entry.junk
        if not (table or sidecar):
            return
        if sidecar and not table and info.size > _MAX_SIDECAR:
            self._too_large.append(entry.name)
        elif self._kept + info.size > _KEPT:
            self._too_many += 1
        else:
            self._kept += info.size + 200
            data = _content(tar, info)
            if not isinstance(data, bytes):
                self._too_large.append(entry.name)
            elif table:
                self._index.files[entry.name] = data
            else:
                reason = why_undecoded(split_name(entry.name)[1], data)
                if reason is not None:
                    self._index.undecoded[entry.name] = reason
                self._samples.add(entry.name, data)

    def skipped_sentences(self) -> Iterator[str]:
        """What is left out."""
        if self._too_many:
            yield (
                f"{self._too_many:,} texts are left out: together they have more than"
                f" {_KEPT:,} bytes"
            )
        if self._too_large:
            more = len(self._too_large) - 1
            yield (
                f"{self._too_large[0]!a}{f' and {more} more' if more else ''}: texts of more than"
                f" {_MAX_SIDECAR:,} bytes, which are left out"
            )


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
        failed = False
        try:
            stored = foreign_row(self._key, self._held, place)
        except HubtoolsError as error:
            told = error.message.removeprefix(place).strip(" .")
            self._index.troubles.append(Trouble("D802", f"the sample {told}", place))
            failed = True
        else:
            name = str(stored.values[FILE_NAME])
            values = {FILE_NAME: name.rpartition("/")[2]}
            for key, value in stored.values.items():
                if key != FILE_NAME:
                    inside = key in stored.pictures
                    values[key] = str(value).rpartition("/")[2] if inside else value
            self._index.rows.append((name, values))
            self._index.sidecars += len(self._held) - len(stored.pictures)
        listed = [name for name in self._held if name.lower().endswith(("json", "jsn"))]
        if listed and (listed != ["json"] or failed):
            self._index.json[self._key] = {name: _parsed(self._held[name]) for name in listed}
        self._key, self._held = None, {}


def _is_compressed(file: BinaryIO) -> bool:
    head = file.read(6)
    file.seek(0)
    return head.startswith(_COMPRESSED)


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes | Unreadable:
    data = content(tar, info)
    return data if data is not None else _too_large(info.size)


def _too_large(size: int) -> Unreadable:
    return Unreadable(size, f"it has {size:,} bytes; no picture is that large")


def _all_failed(places: dict[str, Entry], error: BaseException) -> Iterator[Read]:
    while places:
        _, entry = places.popitem()
        yield entry, Unreadable(0, f"the archive cannot be read: {_reason(error)}")


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split()).rstrip(".")[:150]
    return "it is cut off" if "end of data" in text else text or type(error).__name__


def _parsed(data: bytes) -> Any:
    try:
        return json_value(data)
    except ValueError:
        return None


def _json_of(values: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a sample, of what is known of its row."""
    found = {k: v for k, v in values.items() if not k.endswith(FILE_NAME) and k != "text"}
    return {"json": found.get("json", found)} if found else {}


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
        "undecoded": index.undecoded,
        "json": index.json,
    }
    try:
        data = orjson.dumps(value, default=str)
    except (TypeError, ValueError):  # names that are not Unicode
        data = json.dumps(value, default=str).encode()
    write_kept(place, [data])


def _loaded(place: Path | None) -> TarIndex | None:
    if place is None:
        return None
    try:
        value = json_value(read_kept(place) or b"")
        if value["form"] != _FORM:
            return None
        return TarIndex(
            [(str(name), int(size), int(offset)) for name, size, offset in value["members"]],
            [str(name) for name in value["links"]],
            [(str(name), dict(row)) for name, row in value["rows"]],
            int(value["sidecars"]),
            {name: base64.b64decode(data) for name, data in value["files"].items()},
            [Trouble(*one) for one in value["troubles"]],
            {str(name): str(why) for name, why in value["undecoded"].items()},
            dict(value["json"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
