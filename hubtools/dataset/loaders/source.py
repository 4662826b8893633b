"""What the simulator may look at: the listing, parsed metadata, and files by name when it must."""

from __future__ import annotations

import io
import os
import posixpath
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hubtools.causes import is_absent
from hubtools.dataset.folder.listing import UNENTERED, Entry, Listing
from hubtools.dataset.folder.names import fold
from hubtools.dataset.folder.splits import Splits, infer_splits
from hubtools.dataset.loaders.model import LoadError, RowFiles
from hubtools.dataset.loaders.parquet_files import ParquetTable
from hubtools.dataset.loaders.shards import Shard
from hubtools.dataset.loaders.tables import Table, read_table
from hubtools.dataset.loaders.tar_files import TarTable
from hubtools.dataset.metadata import MetadataFile, parse_metadata
from hubtools.dataset.pictures.header import pillow_limits_default, starts_as_text
from hubtools.dataset.pictures.reading import UNREAD, Unreadable, read_picture
from hubtools.dataset.workers.guarded import run_guarded
from hubtools.dataset.workers.pool import Failure
from hubtools.files import bytes_of
from hubtools.limits import RECORD_COST, STREAMED
from hubtools.programs import program


@dataclass
class Source:
    """A dataset folder. `sound` are pictures already known to decode; `card` is the text of a
    README.md that stands for the one that is there."""

    listing: Listing
    metadata: dict[str, MetadataFile]
    sound: frozenset[str]
    card: str | None = None

    @classmethod
    def of(
        cls, listing: Listing, metadata: Iterable[MetadataFile], sound: Iterable[str] = ()
    ) -> Source:
        """Gather; files of no known soundness are opened by Pillow when a row asks for them."""
        return cls(listing, {file.name: file for file in metadata}, frozenset(sound))

    def __post_init__(self) -> None:
        self._tables: dict[str, Table] = {}
        # (name, module): a table as a module reads it, which may be another than its ending's
        self.others: dict[tuple[str, str], Table | LoadError] = {}
        self._endings: dict[str, tuple[str, str]] = {}
        self._opened: dict[tuple[str, bool], str | None] = {}
        self._bare: dict[str, bool] = {}
        self.shards: dict[str, Shard] = {}  # those that were read already
        self._read: dict[str, Shard] = {}  # and those that were read for this
        self.troubled: dict[str, str] = {}  # why pictures in them do not decode
        # what `foldered` has made of tables of records: files and broken rows
        self.rows: dict[Any, RowFiles] = {}

    @property
    def root(self) -> Path:
        """The dataset folder."""
        return self.listing.root

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Entries by name, links that lead nowhere left out."""
        return {
            entry.name: entry
            for entry in self.listing.entries
            if not (entry.link and not entry.mtime_ns)
        }

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All file names, sorted."""
        return tuple(self.entries)

    @cached_property
    def visible(self) -> tuple[str, ...]:
        """File names that globs without a dot find."""
        return tuple(name for name, entry in self.entries.items() if not entry.hidden)

    @cached_property
    def guessed(self) -> Splits:
        """The splits that the names suggest."""
        return infer_splits(self.visible)

    @cached_property
    def root_name(self) -> str:
        """What files at the top are labelled with."""
        return self.root.resolve().name if self.listing.opener is None else self.root.name

    def ending(self, name: str) -> tuple[str, str]:
        """The suffix of a name and the one before it, in lower case, with their dots."""
        if (known := self._endings.get(name)) is None:
            stem, ending = posixpath.splitext(name)
            known = (ending.lower(), posixpath.splitext(stem)[1].lower())
            self._endings[name] = known
        return known

    def read(self, name: str) -> bytes:
        """The bytes of a text or a table. Raises `OSError`, and `LoadError` if there are too many
        to look at."""
        with self.listing.open(name) as file:
            data = bytes_of(file, RECORD_COST)
        if data is None:
            raise LoadError(
                f"{name} has more than {RECORD_COST:,} bytes, and is not followed", sure=False
            )
        return data

    def table(self, name: str, separator: str = ",") -> Table:
        """A .jsonl, .json, .csv or .parquet file as its reader sees it."""
        if name not in self._tables:
            file = self.metadata.get(name)
            if file is None:
                file = parse_metadata(self.entries[name], self.read(name))
            self._tables[name] = read_table(file, separator)
        return self._tables[name]

    def shard(self, name: str, kind: type[Shard]) -> Shard:
        """A parquet or tar file, without its pictures. Raises `LoadError` without pyarrow."""
        known = self.shards.get(name) or self._read.get(name)
        if known is None:
            with self.listing.open(name) as file:
                if kind is ParquetTable:
                    known = ParquetTable.read(name, file)
                else:
                    known = TarTable.read(name, file, self.entries[name].size)
            self._read[name] = known
        return known

    def trouble(self, name: str, *, header_only: bool = False) -> str | None:
        """Why Pillow cannot read the picture `name` (or only its header), None if it can."""
        if name in self.sound:
            return None
        key = (name, header_only)
        if key not in self._opened:
            self._opened[key] = self._trouble(name, header_only)
        return self._opened[key]

    def _trouble(self, name: str, header_only: bool) -> str | None:
        if name in self.shards:
            return "Pillow knows no such picture format"
        if self.listing.opener is None:
            if self._absent(name):
                return "there is no such file"
            return _trouble(self.listing.place(name), header_only)
        name = posixpath.normpath(name)
        if name not in self.entries:
            return "it is a folder" if name in self._folders else "there is no such file"
        try:
            with self.listing.open(name) as file:
                data = bytes_of(file, STREAMED)
        except OSError as error:
            return f"the file cannot be read: {error.strerror or error}"
        return "it is too large" if data is None else why_unread(data, header_only=header_only)

    @cached_property
    def _folders(self) -> frozenset[str]:
        """All folders that files lie in."""
        found: set[str] = set()
        for name in self.names:
            while (name := name.rpartition("/")[0]) and name not in found:
                found.add(name)
        return frozenset(found)

    def _absent(self, name: str) -> bool:
        """True if the listing, or the lack of its folder, says that there is no such file."""
        if name in self.entries or name.endswith("."):
            return False
        folder = name.rpartition("/")[0]
        if (bare := self._bare.get(folder)) is None:
            try:
                bare = not (self.root / folder).is_dir()
            except OSError:  # the name is too long
                bare = False
            self._bare[folder] = bare
        if bare:
            return True
        return folder in self._listed and fold(name) not in self._folded

    @cached_property
    def _listed(self) -> frozenset[str]:
        """Folders of which the listing knows all files."""
        entered = {
            name for name in self.listing.folders if name.rpartition("/")[2] not in UNENTERED
        }
        return frozenset({"", *entered}) - {"" if n == "." else n for n in self.listing.unreadable}

    @cached_property
    def _folded(self) -> frozenset[str]:
        """Whatever is there, by what some file systems take for the same name."""
        names = [entry.name for entry in self.listing.entries]
        return frozenset(map(fold, (*names, *self.listing.folders, *self.listing.linked_folders)))


def _trouble(path: Path, header_only: bool) -> str | None:
    try:
        if path.is_dir():
            return "it is a folder"
        data = read_picture(str(path))
    except ValueError:  # a NUL in the name
        return "there is no such file"
    except OSError as error:
        return "there is no such file" if is_absent(error) else f"{UNREAD}{error.strerror}"
    except Unreadable as error:
        return "there is no such file" if not os.path.lexists(path) else error.facts.problem
    return why_unread(data, header_only=header_only)


def why_unread(data: bytes, *, header_only: bool = False) -> str | None:
    """Why Pillow cannot read the bytes of a picture, None if it can."""
    answer = run_guarded(TROUBLE, data, "header" if header_only else None)
    return answer.reason if isinstance(answer, Failure) else answer


def trouble(path: str | bytes, known: str | None) -> str | None:
    """For a worker: `picture_trouble`; `known` is "header" if no more is asked for."""
    return picture_trouble(read_picture(path), header_only=known == "header")


TROUBLE = f"{__name__}:{trouble.__name__}"


def picture_trouble(data: bytes, *, header_only: bool = False) -> str | None:
    """Open and decode a picture as `datasets.Image` does; the reason it fails, or None."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings(), pillow_limits_default():
        warnings.simplefilter("ignore")
        try:
            formats = () if starts_as_text(data) else None  # no plug-in need be asked
            with Image.open(io.BytesIO(data), formats=formats) as picture:
                if picture.format == "EPS" and not header_only:  # a program: it is not run here
                    there = any(map(program, ("gs", "gswin32c", "gswin64c")))
                    return None if there else "Unable to locate Ghostscript on paths"
                if not header_only:
                    picture.load()
                    if picture.getexif().get(0x0112) is not None:
                        ImageOps.exif_transpose(picture)
        except UnidentifiedImageError:
            return "Pillow knows no such picture format"
        except Exception as error:
            # plug-ins raise nearly anything on hostile bytes, and so do the loaders then
            return " ".join(str(error).split())[:120] or type(error).__name__
    return None
