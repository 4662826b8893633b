"""WebDataset shards: a tar file of `000000012.json` and `000000012.png`, in the order of rows.

The keys are numbers, since readers cut names at their first dot (`a.1.png` and `a.2.png` would be
one sample); the JSON has the row with the picture's own name.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from hubtools.dataset.folder.listing import PICTURE_ENDINGS
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.shards.members import BROKEN, Header, Members, Odd, content
from hubtools.dataset.shards.rows import Sample, column_of
from hubtools.dataset.shards.stored import Stored
from hubtools.errors import HubtoolsError
from hubtools.files import json_value

_KEY = "hubtools"


class TarWriter:
    """Writes one tar file, the same bytes for the same rows."""

    def __init__(self, file: BinaryIO, description: Mapping[str, Any], ending: str) -> None:
        self._ending = ending
        self._number = int(description["first"])
        # `comment` is the one keyword of a pax header that every reader passes by in silence
        headers = {"comment": json.dumps({_KEY: {**description, "ending": ending}})}
        self._tar = tarfile.TarFile(
            fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers
        )

    def add(self, sample: Sample, pictures: Mapping[str, bytes]) -> None:
        """Append a row with the bytes of its pictures, by file column."""
        try:
            row = json.dumps(sample.values, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            raise HubtoolsError(
                f"{sample.place} holds a value that JSON has no form for: {error}.",
                hint="shard with --format parquet",
                code="file-damaged",
            ) from None
        self._put("json", row)
        for key, data in pictures.items():
            self._put(_member(key, self._ending), data)
        self._number += 1
        self._tar.members = []  # type: ignore[attr-defined]  # else it remembers every file

    def _put(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(f"{self._number:09d}.{name}")
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def close(self) -> None:
        """Write the end of the file."""
        self._tar.close()

    def abandon(self) -> None:
        """Let go of the file, whatever state it is in."""
        self._tar.close()


def _member(key: str, ending: str) -> str:
    return ending if key == FILE_NAME else f"{column_of(key)}.{ending}"


class TarReader:
    """Reads a WebDataset shard in one go, without seeking. Raises `HubtoolsError` if it is
    damaged. Of a shard that others wrote, the first picture of a sample is its `file_name`, JSON
    gives its values, and a `.txt` its `text`. `skipped` names what was passed by, once read."""

    def __init__(self, path: Path, opener: Callable[[], BinaryIO]) -> None:
        self._path, self._opener = path, opener
        self.description: dict[str, Any] | None = None
        self.skipped: list[str] = []
        try:
            with opener() as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=Header) as tar:
                comment = tar.pax_headers.get("comment", "")
            if comment.startswith('{"' + _KEY + '"'):
                self.description = json_value(comment)[_KEY]
        except BROKEN as error:
            raise self._broken(error) from None

    def __iter__(self) -> Iterator[Stored]:
        key: str | None = None
        members: dict[str, bytes] = {}
        try:
            with self._opener() as file:
                found = Members(file, os.fstat(file.fileno()).st_size)
                for whole, info, tar in found:
                    base, name = split_name(whole)
                    if key is not None and base != key:
                        yield self._stored(key, members, found)
                        members = {}
                    key = base
                    data = content(tar, info)
                    if data is None:
                        raise self._broken(f"{whole!a} has {info.size:,} bytes")
                    members[name] = data
        except BROKEN as error:
            raise self._broken(error) from None
        if key is not None:
            yield self._stored(key, members, found)
        self.skipped = found.skipped_sentences()

    def _stored(self, key: str, members: dict[str, bytes], found: Members) -> Stored:
        place = f"{self._path}: {key}"
        if self.description is not None:
            try:
                values = json_value(members["json"], unique=True)
                ending = self.description["ending"]
                names = self.description["files"].values()
                wanted = {name: _member(name, ending) for name in names if values.get(name)}
                whole = FILE_NAME in wanted and members.keys() == {"json", *wanted.values()}
            except (KeyError, ValueError, TypeError, AttributeError):
                whole = False
            if not whole:
                raise HubtoolsError(f"{place} is no whole sample.", code="file-damaged")
            return Stored(values, {name: members[member] for name, member in wanted.items()})
        found.odd.setdefault(Odd.OTHER, []).extend(
            f"{key}.{name}" for name in members if not _is_read(name)
        )
        return foreign_row(key, members, place)

    def _broken(self, error: Exception | str) -> HubtoolsError:
        return HubtoolsError(f"{self._path} is no whole tar file: {error}.", code="file-damaged")


def split_name(name: str) -> tuple[str, str]:
    """(key, rest): a name is cut at the first dot of its last part, as WebDataset has it."""
    folder, slash, base = name.rpartition("/")
    stem, _, rest = base.partition(".")
    return folder + slash + stem, rest


_TEXTS = (".txt", ".text", ".caption", ".cls")


def _is_read(name: str) -> bool:
    ending = "." + name.rpartition(".")[2].lower()
    return ending in PICTURE_ENDINGS or ending in (".json", *_TEXTS)


def foreign_row(key: str, members: dict[str, bytes], place: str) -> Stored:
    """The row that a sample of others stands for: its first picture is `file_name`. Raises
    `HubtoolsError`, which begins with `place`, for one without a picture or with broken JSON."""
    values: dict[str, Any] = {FILE_NAME: None}
    pictures: dict[str, bytes] = {}
    for name, data in members.items():
        ending = "." + name.rpartition(".")[2].lower()
        if ending in PICTURE_ENDINGS:
            column = (
                FILE_NAME if not pictures else f"{name.rpartition('.')[0] or 'other'}_file_name"
            )
            values[column] = f"{key}.{name}"
            pictures[column] = data
        elif ending == ".json":
            try:
                found = json_value(data, unique=True)
            except ValueError as error:
                why = f": {error}" if type(error) is ValueError else ""
                raise HubtoolsError(
                    f"{place}.{name} is no JSON that is read{why}.", code="file-damaged"
                ) from None
            found = found if isinstance(found, dict) else {"json": found}
            values |= {k: v for k, v in found.items() if not k.endswith(FILE_NAME)}
        elif ending in _TEXTS:
            column = "text" if ending != ".cls" else "cls"
            values[column] = data.decode("utf-8", errors="replace").strip()
    if not pictures:
        raise HubtoolsError(
            f"{place} has no picture.",
            hint="only sets of pictures are unpacked",
            code="nothing-there",
        )
    return Stored(values, pictures)
