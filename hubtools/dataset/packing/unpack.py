"""`unshard`: the pictures and metadata that shards were made of, or that others' shards hold."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.causes import naming
from hubtools.dataset.edits.plan import check_name
from hubtools.dataset.folder.appearing import (
    appearing,
    check_free,
    one_on_this_disk,
    open_own,
    read_own,
)
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Entry
from hubtools.dataset.folder.names import fold
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.packing.metadata_files import MetadataFileWriter, writer_for
from hubtools.dataset.pictures.header import opened, opens_as_trusted, webp_canvas
from hubtools.dataset.shards.opening import open_shard
from hubtools.dataset.shards.rows import entries, goes_along
from hubtools.dataset.shards.stored import Reader, Stored
from hubtools.dataset.sources.names import is_packable
from hubtools.disks import is_private
from hubtools.errors import HubtoolsError, require_extra
from hubtools.files import StrPath, open_regular
from hubtools.front_edits import with_key
from hubtools.layout import CARD, METADATA_NAMES
from hubtools.limits import CARD_FILE
from hubtools.rooted import Root

_ENDINGS = (".parquet", ".tar", ".tgz", ".gz")
_ELSEWHERE = re.compile(r"/|~|[A-Za-z]:|\w{2,9}://")
_SHARD = re.compile(r"(?:.*/)?([\w.]+?)-\d{5}-of-\d{5}[^/]*")


@dataclass(frozen=True)
class Unsharded:
    """What `unshard` wrote into `folder`. `bytes` are those of the pictures; `skipped` has a
    sentence for each kind of members of tar files that are no files, such as links."""

    folder: Path
    shards: int
    rows: int
    pictures: int
    bytes: int
    splits: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def unshard(
    shards: StrPath, to: StrPath, *, on_row: Callable[[int], None] | None = None
) -> Unsharded:
    """Unpack a folder of shards (or one shard) into `to`, which must be empty or not there yet.

    Shards that `shard` wrote give the same files, byte for byte, and the same metadata rows;
    parquet and WebDataset shards of others give a folder of pictures with a metadata.jsonl, each
    split but train in a folder of its name. All of it appears at once, when all of it is there.
    """
    shards, to = Path(shards), Path(to)
    check_free(to, "unshard")
    found = _find(shards)
    if any(path.suffix == ".parquet" for path in found):
        require_extra("shards", "Reading parquet")
    with appearing(to, "unshard") as work:
        unpacker = _Unpacker(work)
        folder = shards if shards.is_dir() else shards.parent
        for path in found:
            name = path.relative_to(folder).as_posix()
            work.private = work.private or is_private(path)
            # a file that was named is the user's word, one in a folder is the folder's
            own = partial(open_own, folder, name) if shards.is_dir() else None
            unpacker.shard(path, own or partial(open_regular, path), on_row)
        unpacker.close()
        if not unpacker.rows:
            raise HubtoolsError(
                f"{shards} holds no rows.", hint="is it the whole file?", code="nothing-there"
            )
        left = _carry(folder, found, work)
        _carry_card(folder, work, unpacker)
        if left and shards.is_dir():  # beside one that was named all kinds of things lie
            more = f" and {len(left) - 1} more" if left[1:] else ""
            said = f"{folder}: {left[0]}{more} stayed there, as no part of a dataset"
            unpacker.skipped.append(said)
        if hasattr(os, "sync"):
            os.sync()  # one for all files, before the name that says they are there
    return Unsharded(
        to,
        len(found),
        unpacker.rows,
        unpacker.pictures,
        unpacker.bytes,
        tuple(unpacker.splits),
        tuple(unpacker.skipped),
    )


def _find(shards: Path) -> list[Path]:
    if shards.exists() and not shards.is_dir():
        return [shards]
    if not shards.is_dir():
        raise HubtoolsError(
            f"There is no file or folder {shards}.",
            hint="give the folder that holds the shards",
            code="file-not-found",
            missing=shards,
        )
    found = [
        shards / entry.name
        for entry in entries(shards)
        if entry.ending in _ENDINGS and not entry.hidden and entry.base not in METADATA_NAMES
    ]
    if not found:
        raise HubtoolsError(f"{shards} holds no .parquet or .tar files.", code="nothing-there")
    _complete(shards, found)
    return found


def _complete(shards: Path, found: list[Path]) -> None:
    """Raises `HubtoolsError` if a name says that there is a shard more."""
    names = {path.relative_to(shards).as_posix() for path in found}
    for name in sorted(names):
        parts = re.fullmatch(r"(.*-)(\d{5})-of-(\d{5})(.*)", name)
        for number in range(int(parts[3])) if parts else ():
            assert parts is not None
            wanted = f"{parts[1]}{number:05d}-of-{parts[3]}{parts[4]}"
            if wanted not in names:
                raise HubtoolsError(
                    f"{shards} lacks {wanted}.",
                    hint="fetch it, or unshard each file by itself",
                    code="file-not-found",
                )


class _Unpacker:
    """Writes pictures and metadata into a folder, row by row."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._tables: dict[str, MetadataFileWriter] = {}
        self.rows = self.pictures = self.bytes = 0
        self.splits: dict[str, None] = {}
        self.skipped: list[str] = []
        self.description: dict[str, Any] | None = None

    def shard(
        self,
        path: Path,
        opener: Callable[[], BinaryIO],
        on_row: Callable[[int], None] | None,
    ) -> None:
        """Unpack one shard."""
        reader = open_shard(path, opener)
        described = reader.description
        if described is not None:
            _check_description(path, described)
        self.description = self.description or described
        split = described["split"] if described else _split_of(path)
        self.splits[split] = None
        rows = self._own(path, reader, described) if described else self._foreign(reader, split)
        for source, values, pictures, again in rows:
            for name, data in pictures.items():
                self._picture(path, name, data, again=again)
            if source is not None:
                self._table(_checked(path, source)).add(values)
            self.rows += 1
            if on_row is not None:
                on_row(self.rows)
        self.skipped += [f"{path}: {one}" for one in reader.skipped]

    def _own(
        self, path: Path, reader: Reader, described: dict[str, Any]
    ) -> Iterator[tuple[str | None, dict[str, Any], dict[str, bytes], bool]]:
        told = sum(count for _, count in described["sources"])
        sources = (source for source, count in described["sources"] for _ in range(count))
        number = 0
        for stored in reader:
            source = next(sources, None)
            number += 1
            pictures = {str(stored.values.get(key)): data for key, data in stored.pictures.items()}
            yield source, _relative(stored, source), pictures, True
        if number != told:
            raise HubtoolsError(
                f"{path} is no whole shard: {number} of {told} rows.", code="file-damaged"
            )

    def _foreign(
        self, reader: Reader, split: str
    ) -> Iterator[tuple[str | None, dict[str, Any], dict[str, bytes], bool]]:
        folder = "" if split == "train" else f"{split}/"
        for stored in reader:
            pictures: dict[str, bytes] = {}
            values = {FILE_NAME: None, **stored.values}
            for key, data in stored.pictures.items():
                name = self._free(folder, stored.values.get(key), data)
                values[key] = name[len(folder) :]
                pictures[name] = data
            yield f"{folder}metadata.jsonl", values, pictures, False

    def _free(self, folder: str, wanted: Any, data: bytes) -> str:
        """A name for a picture of others: its own if it is one and is free."""
        base = wanted if isinstance(wanted, str) else ""
        base = base.replace("\\", "/")
        if _ELSEWHERE.match(base):  # folders of another machine tell whose it is
            base = base.rpartition("/")[2]
        entry = Entry(base, 0, 0)
        try:
            check_name(base)
            base.encode()  # the Hub takes no other names
            usable = entry.is_picture
        except ValueError:
            usable = False
        if usable and not self._root.exists(folder + base):
            return folder + base
        ending = entry.ending if entry.ending in PICTURE_ENDINGS else _ending(data)
        return f"{folder}{self.rows:09d}{ending}"

    def _picture(self, path: Path, name: str, data: bytes, *, again: bool) -> None:
        _checked(path, name)
        if not is_packable(name):
            raise HubtoolsError(
                f"{path}: {name!r} is no name of a picture; nothing was unpacked.",
                code="file-damaged",
            )
        try:
            with self._root.create(name) as file:
                file.write(data)
        except FileExistsError:
            # two rows may share a picture
            if again and self._holds(name, data):
                return
            raise HubtoolsError(
                f"{path}: two pictures are called {name}.", code="file-damaged"
            ) from None
        except NotADirectoryError:
            raise HubtoolsError(
                f"{path}: {name!r} would lie inside another picture.", code="file-not-usable"
            ) from None
        self.pictures += 1
        self.bytes += len(data)

    def _holds(self, name: str, data: bytes) -> bool:
        found = self._root.stat(name)
        same = found is not None and stat.S_ISREG(found.st_mode) and found.st_size == len(data)
        return same and self._root.read(name) == data

    def _table(self, source: str) -> MetadataFileWriter:
        if source not in self._tables:
            self._check_apart(source)
            self._tables[source] = writer_for(self._root, source)
        return self._tables[source]

    def _check_apart(self, source: str) -> None:
        """Raises `HubtoolsError` if the file system takes this metadata file for another one of the
        shards: the second would take the place of the first."""
        folder = source.rpartition("/")[0]
        for other in self._tables:
            above = other.rpartition("/")[0]
            if fold(other) != fold(source) or not (folder and above):
                continue
            self._root.mkdir(folder)
            if self._root.are_one(above, folder):
                raise one_on_this_disk(other, source)

    def close(self) -> None:
        """Finish the metadata files."""
        for table in self._tables.values():
            table.close()


def _check_description(path: Path, described: Any) -> None:
    """Raises `HubtoolsError` unless it is what `shard` writes: anybody can write something else."""
    if not isinstance(described, dict) or described.get("hubtools") != 1:
        raise HubtoolsError(
            f"{path} was written by another version of hubtools.", code="other-version"
        )
    sources, split = described.get("sources"), described.get("split")
    good = isinstance(split, str) and isinstance(sources, list)
    good = good and isinstance(described.get("card"), dict)
    files, absent = described.get("files"), described.get("absent")
    if isinstance(files, dict) and isinstance(absent, list):
        good = good and all(isinstance(name, str) for name in (*files.values(), *absent))
    else:
        good = False
    good = good and isinstance(described.get("ending", ""), str)
    for item in sources if isinstance(sources, list) else ():
        pair = isinstance(item, list) and len(item) == 2
        good = good and pair and isinstance(item[1], int) and 0 <= item[1] <= 1 << 40
        good = good and isinstance(item[0], (str, type(None)))
        if good and item[0] is not None:
            entry = Entry(_checked(path, item[0]), 0, 0)
            good = entry.base in METADATA_NAMES and not entry.hidden
    if not good:
        raise HubtoolsError(
            f"{path}: what it says of itself is damaged; nothing was unpacked.", code="file-damaged"
        )


def _checked(path: Path, name: str) -> str:
    try:
        return check_name(name)
    except ValueError as error:
        raise HubtoolsError(
            f"{path}: {error}; nothing was unpacked.", code="file-damaged"
        ) from None


def _relative(stored: Stored, source: str | None) -> dict[str, Any]:
    """The row as its metadata file has it: names relative to that file's folder."""
    folder = (source or "").rpartition("/")[0]
    values = dict(stored.values)
    if folder:
        for key in stored.pictures:
            values[key] = str(values[key]).removeprefix(f"{folder}/")
    return values


def _split_of(path: Path) -> str:
    match = _SHARD.fullmatch(path.as_posix())
    return match[1].rpartition("/")[2] if match else "train"


def _ending(data: bytes) -> str:
    if not opens_as_trusted(data):
        return ".webp" if webp_canvas(data) else ".ico"
    try:
        with opened(data) as picture:
            kind = (picture.format or "png").lower()
    except Exception:
        return ".png"  # whatever it is, nothing may be lost; validate says what is wrong with it
    return {"jpeg": ".jpg", "mpo": ".jpg"}.get(kind, f".{kind}")


# --- the card --------------------------------------------------------------------------------


def _carry(folder: Path, found: list[Path], work: Root) -> list[str]:
    """Take along the licence beside the shards; give the names of other files there, which stay:
    somebody's settings and programs would become this user's."""
    left: list[str] = []
    passed = {CARD, *(path.relative_to(folder).as_posix() for path in found)}
    for entry in entries(folder):
        if entry.name in passed:
            continue
        if not goes_along(entry):
            if not (entry.hidden or entry.junk):
                left.append(entry.name)
        elif not work.exists(entry.name):
            with (
                open_own(folder, entry.name) as source,
                naming(work.path / entry.name),
                work.create(entry.name) as copy,
            ):
                shutil.copyfileobj(source, copy)
    return left


def _carry_card(folder: Path, work: Root, unpacker: _Unpacker) -> None:
    """Take along the card, which says again what it said before the pictures were packed."""
    card = folder / CARD
    if not card.is_file():
        return
    before = read_own(folder, CARD, CARD_FILE)
    if unpacker.description is None:
        former: dict[str, Any] = {}
    else:
        former = unpacker.description["card"]
    changed: bytes | None = before
    for key in ("configs", "dataset_info"):
        changed = with_key(changed, key, former.get(key)) if changed is not None else None
    if changed is None:
        raise HubtoolsError(
            f"The front matter of {card} cannot be changed for certain.",
            hint="remove `configs:` and `dataset_info:` from it by hand",
            code="file-not-usable",
        )
    if changed.strip():
        work.write(CARD, changed)
