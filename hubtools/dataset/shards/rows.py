"""Rows of a dataset folder with the pictures they name, read one after the other.

`hubtools.dataset.metadata` reads whole files, to tell everything that is wrong with them. Here a
file is read line by line and the first mistake ends it, so that a million rows need no more memory
than ten.
"""

from __future__ import annotations

import csv
import io
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from shlex import quote
from typing import Any

import orjson
import xxhash

from hubtools.causes import says_nothing_of_file
from hubtools.dataset.folder.appearing import open_own
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Entry, check_folder, leads_to_folder
from hubtools.dataset.folder.names import ACTED_ON, escapes
from hubtools.dataset.metadata import FILE_NAME
from hubtools.dataset.metadata.bounded import deepest
from hubtools.dataset.metadata.parquet_batches import (
    batches,
    open_parquet,
    parquet_errors,
    told_of,
)
from hubtools.errors import HubtoolsError
from hubtools.fences import walking
from hubtools.files import json_value
from hubtools.layout import METADATA_NAMES
from hubtools.limits import DEPTH, LINE

# The column that `datasets` makes of `file_name`; it makes `mask` of `mask_file_name`.
IMAGE = "image"
_SUFFIX = "_" + FILE_NAME


@dataclass(frozen=True, slots=True)
class Sample:
    """A row. `values` is all of it in its order; its file columns (keys of `files`) are relative
    to the dataset there and in `files`. `source` is its metadata file, None if it has none."""

    source: str | None
    line: int | None
    values: dict[str, Any]
    files: dict[str, str]

    @property
    def name(self) -> str:
        """Its picture, relative to the dataset."""
        return self.files[FILE_NAME]

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        if self.source is None:
            return self.name
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass
class Contents:
    """What lies in a dataset folder. Of the pictures only a hash of each name is kept: eight
    bytes instead of some hundred."""

    metadata: list[str] = field(default_factory=list)
    pictures: array[int] = field(default_factory=lambda: array("Q"))
    carried: list[str] = field(default_factory=list)  # card, licence: they go along as they are
    others: list[str] = field(default_factory=list)  # what a shard has no place for (first few)
    others_hashes: array[int] = field(default_factory=lambda: array("Q"))


_CARRIED = ("readme.md", "license", "licence", "notice", "citation", ".gitattributes")
_NAMED = 20


def hash_of(name: str) -> int:
    """64 bits that stand for a name."""
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogateescape"))


def entries(root: Path) -> Iterator[Entry]:
    """All files below `root`, folder by folder, sorted within each; links to folders are not
    entered. Sizes are left 0."""
    pending = [""]
    while pending:
        folder = pending.pop()
        with walking(root / folder) as found:
            items = sorted(
                (item.name, item.is_dir(follow_symlinks=False), leads_to_folder(item))
                for item in found
            )
        below = []
        for last, is_folder, leads in items:
            name = f"{folder}/{last}" if folder else last
            if is_folder:
                if last not in (".git", ".hubtools"):
                    below.append(name)
            elif not leads:
                yield Entry(name, 0, 0)
        pending.extend(reversed(below))


def goes_along(entry: Entry) -> bool:
    """True for a file at the top of a dataset that goes along with its pictures as it is: the card,
    the licence, .gitattributes; nothing that programs act on."""
    if "/" in entry.name or entry.ending in ACTED_ON | PICTURE_ENDINGS:
        return False
    named = not (entry.hidden or entry.junk) and entry.name.lower().startswith(_CARRIED)
    return named or entry.name == ".gitattributes"


def look(root: Path) -> Contents:
    """One walk over a dataset folder. Raises `HubtoolsError` if there is none."""
    check_folder(root)
    found = Contents()
    for entry in entries(root):
        if goes_along(entry):
            found.carried.append(entry.name)
        elif entry.hidden or entry.junk:
            continue
        elif entry.base in METADATA_NAMES:
            found.metadata.append(entry.name)
        elif entry.ending in PICTURE_ENDINGS:
            found.pictures.append(hash_of(entry.name))
        else:
            found.others_hashes.append(hash_of(entry.name))
            if len(found.others) < _NAMED:
                found.others.append(entry.name)
    found.metadata.sort()
    return found


def read_samples(root: Path, metadata: list[str]) -> Iterator[Sample]:
    """All rows in the order of the metadata; without any, a row for every picture.

    Raises `HubtoolsError` with file and line for a row that cannot be read or names no picture
    inside the folder: none is skipped.
    """
    if not metadata:
        for entry in entries(root):
            if entry.ending in PICTURE_ENDINGS and not entry.hidden and not entry.junk:
                yield Sample(None, None, {FILE_NAME: entry.name}, {FILE_NAME: entry.name})
        return
    for name in metadata:
        folder = name.rpartition("/")[0]
        for line, values in _rows(root, name):
            yield _sample(root, name, folder, line, values)


def column_of(key: str) -> str:
    """`image` for `file_name`, `mask` for `mask_file_name`: what `datasets` calls the column."""
    return IMAGE if key == FILE_NAME else key.removesuffix(_SUFFIX)


def _sample(
    root: Path, source: str, folder: str, line: int | None, values: dict[str, Any]
) -> Sample:
    place = str(root / source) + (f":{line}" if line else "")
    files: dict[str, str] = {}
    named = dict(values)
    for key, value in values.items():
        if key.endswith("file_names") and isinstance(value, list):
            raise HubtoolsError(
                f"{place}: {key} names several pictures; shards hold one a column.",
                hint="give each picture a column of its own, e.g. left_file_name",
                code="file-damaged",
            )
        if key != FILE_NAME and not key.endswith(_SUFFIX):
            continue
        if value is None and key != FILE_NAME:
            continue
        if not isinstance(value, str) or not value.strip():
            raise HubtoolsError(
                f"{place}: {key} names no picture.", hint=_told(root), code="file-damaged"
            )
        name = os.path.normpath(os.path.join(folder, value.replace("\\", "/"))).replace(os.sep, "/")
        if escapes(name) or escapes(value) or (folder and not name.startswith(f"{folder}/")):
            raise HubtoolsError(
                f"{place}: {value} lies outside the folder of its metadata.",
                hint=_told(root),
                code="link-refused",
            )
        files[key] = named[key] = name
    if FILE_NAME not in files:
        raise HubtoolsError(
            f"{place}: the record has no {FILE_NAME}.", hint=_told(root), code="file-damaged"
        )
    return Sample(source, line, named, files)


def _told(root: Path) -> str:
    return f"`hubtools validate {quote(str(root))}` tells more, `hubtools fix` repairs most of it"


def _rows(root: Path, name: str) -> Iterator[tuple[int | None, dict[str, Any]]]:
    if not (root / name).is_file():
        raise HubtoolsError(
            f"{root / name} is no regular file.", hint=_told(root), code="file-damaged"
        )
    ending = name.rpartition(".")[2]
    if ending == "csv":
        yield from _csv_rows(root, name)
    elif ending == "parquet":
        yield from _parquet_rows(root, name)
    else:
        yield from _json_rows(root, name)


def _json_rows(root: Path, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    path = root / name
    with open_own(root, name) as lines:
        for number in count(1):
            line = lines.readline(LINE + 1)
            if not line:
                break
            if len(line) > LINE:
                raise HubtoolsError(
                    f"{path}:{number}: the line has more than {LINE:,} bytes.",
                    hint=_told(root),
                    code="too-large",
                )
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                value = _parsed(text)
            except ValueError as error:
                raise HubtoolsError(
                    f"{path}:{number}: {error}.", hint=_told(root), code="file-damaged"
                ) from None
            if not isinstance(value, dict):
                raise HubtoolsError(
                    f"{path}:{number}: the line is no JSON object.",
                    hint=_told(root),
                    code="file-damaged",
                )
            yield number, value


def _parsed(line: bytes) -> Any:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in line and b"Infinity" not in line:
            raise ValueError(str(error).split(":")[0]) from None
        return json_value(line)
    if line.count(b"{") + line.count(b"[") > DEPTH and deepest(value):
        raise ValueError("it is nested too deeply")
    return value


def _csv_rows(root: Path, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    path = root / name
    try:
        with io.TextIOWrapper(open_own(root, name), encoding="utf-8-sig", newline="") as text:
            reader = csv.reader(text)
            header = [name.strip() for name in next(reader, [])]
            if len(set(header)) != len(header):
                raise HubtoolsError(
                    f"{path}:1: two columns have one name.", hint=_told(root), code="file-damaged"
                )
            begin = reader.line_num + 1
            for fields in reader:
                line, begin = begin, reader.line_num + 1
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise HubtoolsError(
                        f"{path}:{line}: {len(fields)} fields for {len(header)} columns.",
                        hint=_told(root),
                        code="file-damaged",
                    )
                yield line, dict(zip(header, fields, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise HubtoolsError(
            f"{path} cannot be read as CSV: {error}.", hint=_told(root), code="file-damaged"
        ) from None


def _parquet_rows(root: Path, name: str) -> Iterator[tuple[None, dict[str, Any]]]:
    try:
        with open_own(root, name) as opened, open_parquet(opened) as file:
            for batch in batches(file):
                for values in batch.to_pylist():
                    yield None, values
    except parquet_errors() as error:
        if says_nothing_of_file(error):
            raise
        raise HubtoolsError(
            f"{root / name} is no parquet file that can be read: {told_of(error)}.",
            code="file-damaged",
        ) from None
