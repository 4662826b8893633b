"""The captions of pictures that `init --from` takes over: beside them, in tables, in names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from shlex import quote
from typing import Any

from hubtools.dataset.folder.appearing import read_own
from hubtools.dataset.folder.listing import FOREIGN_ENDINGS, PICTURE_ENDINGS, Entry, Listing
from hubtools.dataset.metadata import parse_metadata, read_metadata
from hubtools.dataset.metadata.roles import names_file, names_files
from hubtools.dataset.metadata.sidecars import decoded_all
from hubtools.errors import HubtoolsError
from hubtools.files import json_value, read_within
from hubtools.journey.trainers.config import Captions, PictureSet
from hubtools.journey.trainers.everydream import Folders
from hubtools.limits import JSON_FILE, SIDECAR
from hubtools.safe_yaml import load_yaml

Texts = tuple[str, ...]


class Said:
    """What a set says of its pictures, which lie in the folder of `listing`; `table` is the file
    with its captions, if it has one."""

    def __init__(self, listing: Listing, wanted: PictureSet, table: Path | None) -> None:
        self._listing, self._wanted, self._table = listing, wanted, table
        self._folder = listing.root

    def of(self, name: str) -> Texts:
        """The captions of a picture, without what stands for those that have none. Raises
        `HubtoolsError` for one that cannot be read."""
        return self._reader(name)

    def often(self, name: str) -> float:
        """How often its folder says that it appears."""
        return self._folders.often(name) if self._wanted.captions is Captions.EVERYDREAM else 1

    @cached_property
    def _reader(self) -> Callable[[str], Texts]:
        wanted = self._wanted
        if wanted.captions is Captions.PROMPT:
            prompts = wanted.prompts
            if not prompts and self._table is not None:  # a text with one in each line
                texts = self._decode({self._table.name: read_within(self._table, SIDECAR)})
                prompts = lines_of(texts[self._table.name])
            return lambda name: prompts
        if self._table is not None:
            return lambda name: _one(self.row(name).get("said"))
        if wanted.captions is Captions.FILE_NAME:
            return lambda name: _one(PurePosixPath(name).stem.replace("_", " "))
        if wanted.captions is Captions.EVERYDREAM:
            return lambda name: _one(self._folders.caption(name))
        if self._listing.metadata and wanted.captions is not Captions.LINES:
            return lambda name: self._in_metadata.get(name, ())
        read = lines_of if wanted.captions is Captions.LINES else _one
        return lambda name: read(self._texts.get(self._beside[name], ""))

    # --- beside the pictures ---------------------------------------------------------------------

    @cached_property
    def _beside(self) -> dict[str, str]:
        names, ending = self._listing.names, self._wanted.ending
        kinds = PICTURE_ENDINGS | FOREIGN_ENDINGS
        found = (one.name for one in self._listing.entries if one.ending in kinds)
        return {name: beside(name, names, ending) for name in found}

    @cached_property
    def _texts(self) -> dict[str, str]:
        there = sorted(set(self._beside.values()) & set(self._listing.names))
        return self._decode({name: read_own(self._folder, name, SIDECAR) for name in there})

    def _decode(self, texts: Mapping[str, bytes]) -> dict[str, str]:
        hint = f"save it as UTF-8: `hubtools fix {quote(str(self._folder))}`"
        return decoded_all(self._folder, texts, hint=hint)

    @cached_property
    def _folders(self) -> Folders:
        def read(name: str) -> str:
            return self._decode({name: read_own(self._folder, name, SIDECAR)})[name]

        def parse(text: str) -> Any:
            try:
                return load_yaml(text)
            except Exception:  # whatever the reader's own is called
                return None

        return Folders(self._listing.names, read, parse)

    @cached_property
    def _in_metadata(self) -> dict[str, Texts]:
        found: dict[str, Texts] = {}
        for entry in self._listing.metadata:
            file = read_metadata(self._folder, entry)
            column = caption_column(self._folder, [entry])
            for row, name in zip(file.rows, file.pictures, strict=True):
                value = row.values.get(column)
                texts = value if isinstance(value, list) else [value]
                if name is not None and all(isinstance(text, str) for text in texts):
                    found[name] = tuple(str(text) for text in texts if _is_said(text))
        return found

    # --- in a table ------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Records of its table by the picture that they name, as they write it, the caption as
        `said`. Raises `HubtoolsError` for a line that is none."""
        if self._table is None or self._wanted.captions is Captions.PROMPT:
            return {}
        found: dict[str, dict[str, Any]] = {}
        for values in _records(self._table):
            keys = (*self._wanted.named, "file_name", "image_path", "filename")
            name = next((values[one] for one in keys if isinstance(values.get(one), str)), None)
            columns = (*self._wanted.said, "caption", "text")
            said = next((values[one] for one in columns if _is_said(values.get(one))), None)
            if name is not None:
                found[name] = {**values, "said": said}
        return found

    @cached_property
    def _by_part(self) -> dict[str, dict[str, Any]]:
        """The same by what trainers also call a picture: its name without folder, or ending."""
        found: dict[str, dict[str, Any]] = {}
        for name, values in self.rows.items():
            path = PurePosixPath(name.replace("\\", "/"))
            for key in (path.as_posix(), path.name, path.stem):
                found.setdefault(key, values)
        return found

    def row(self, name: str) -> dict[str, Any]:
        """The record of a picture; empty if there is none."""
        path = PurePosixPath(name)
        keys = (name, path.with_suffix("").as_posix(), path.name, path.stem)
        return next((self._by_part[key] for key in keys if key in self._by_part), {})


def _records(table: Path) -> list[dict[str, Any]]:
    data = read_within(table, JSON_FILE)
    if table.suffix == ".json":  # of sd-scripts: {picture: {"caption": ..., "tags": ...}}
        told = json_value(data)
        named = told.items() if isinstance(told, dict) else ()
        return [
            {"file_name": name, "caption": one.get("caption") or one.get("tags")}
            for name, one in named
            if isinstance(one, dict)
        ]
    ending = table.suffix if table.suffix in (".csv", ".parquet") else ".jsonl"
    found = parse_metadata(Entry(f"{table.name}{ending}", len(data), 0), data)
    trouble = next(iter(found.troubles), None)
    if trouble is not None:
        at = f"{table}:{trouble.line}" if trouble.line else str(table)
        raise HubtoolsError(f"{at}: {trouble.message}.", hint="correct it", code="file-damaged")
    return [row.values for row in found.rows]


def _is_said(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _one(text: Any) -> Texts:
    """A caption in one line; none of nothing."""
    words = " ".join(text.split()) if isinstance(text, str) else ""
    return (words,) if words else ()


def lines_of(text: str) -> Texts:
    """Each line that says something."""
    return tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())


def beside(name: str, names: Collection[str], ending: str | None = None) -> str:
    """The file that holds the caption of a picture: its name with .txt, or .caption, or `ending`
    before them."""
    ends = [".txt", ".caption"]
    if ending and ending.startswith(".") and ending != "." and "/" not in ending:
        ends.insert(0, ending)
    places = [PurePosixPath(name).with_suffix(end).as_posix() for end in ends]
    return next((place for place in places if place in names), places[0])


def caption_column(folder: Path, entries: list[Entry]) -> str:
    """The column of the metadata that looks like captions: a usual name, else the first text."""
    for entry in entries:
        found = read_metadata(folder, entry)
        texts = [
            column
            for column in found.columns
            if not (names_file(column) or names_files(column))
            and any(isinstance(r.values.get(column), str) for r in found.rows)
        ]
        for usual in ("text", "prompt", "caption"):
            if usual in texts:
                return usual
        if texts:
            return texts[0]
    return "text"
