"""Zip archives among the files: what is inside, without unpacking them."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field

from hubtools.causes import is_out_of_reach, says_nothing_of_file
from hubtools.dataset.folder.listing import Entry
from hubtools.dataset.folder.zipped import open_zip, read_member
from hubtools.dataset.loaders.endings import MODULE_OF
from hubtools.dataset.loaders.model import LoadError
from hubtools.dataset.loaders.source import TROUBLE, Source
from hubtools.dataset.loaders.tables import Table, read_table
from hubtools.dataset.metadata import parse_metadata
from hubtools.dataset.workers.guarded import run_guarded
from hubtools.dataset.workers.pool import Failure
from hubtools.layout import METADATA_NAMES
from hubtools.limits import RECORD_COST, STREAMED

# datasets.config.ARCHIVES_MAX_NUMBER_FOR_MODULE_INFERENCE
MAX_LOOKED_INTO = 10


@dataclass
class Archive:
    """A zip file: the members that `datasets` iterates over, sorted."""

    name: str
    members: tuple[str, ...]
    source: Source
    tables: list[Table] = field(default_factory=list)

    @classmethod
    def read(
        cls, source: Source, name: str, metadata_names: tuple[str, ...] | str = METADATA_NAMES
    ) -> Archive:
        """Raises `LoadError` for what is no zip archive."""
        try:
            with source.listing.open(name) as file, open_zip(file) as opened:
                inside = [m for m in opened.namelist() if not m.endswith("/")]
                members = tuple(sorted(member for member in inside if not _hidden(member)))
                tables = [
                    read_table(parse_metadata(Entry(m, 0, 0), read_member(opened, m, RECORD_COST)))
                    for m in members
                    if m.rpartition("/")[2] in metadata_names
                ]
        except OSError as error:
            if not is_out_of_reach(error) and says_nothing_of_file(error):
                raise
            raise LoadError(f"{name} cannot be read: {error.strerror or error}") from None
        except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
            raise LoadError(f"{name} is no zip archive: {error}") from None
        return cls(name, members, source, tables)

    def trouble(self, member: str) -> str | None:
        """Why a picture inside cannot be read, None if it can."""
        member = posixpath.normpath(member)
        try:
            with self.source.listing.open(self.name) as file, open_zip(file) as opened:
                data = read_member(opened, member, STREAMED)
        except KeyError:
            return "there is no such file in the archive"
        except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
            if says_nothing_of_file(error):
                raise
            return "it cannot be read from the archive"
        answer = run_guarded(TROUBLE, data)
        return answer.reason if isinstance(answer, Failure) else answer


def _hidden(member: str) -> bool:
    return any(part.startswith((".", "__")) for part in member.split("/"))


def module_inside(source: Source, names: list[str]) -> str | None:
    """The module for the most frequent ending in the archives; the first of several as frequent."""
    votes: Counter[str] = Counter()
    for name in [n for n in names if n.endswith(".zip")][:MAX_LOOKED_INTO]:
        try:
            with source.listing.open(name) as file, open_zip(file) as opened:
                inside = opened.namelist()
        except OSError as error:
            if not is_out_of_reach(error) and says_nothing_of_file(error):
                raise
            raise LoadError(f"{name} cannot be read: {error.strerror or error}") from None
        except zipfile.BadZipFile as error:
            raise LoadError(f"{name} is no zip archive: {error}") from None
        votes.update(
            "." + part.lower()
            for member in inside
            for part in member.rpartition("/")[2].split(".")[1:]
        )
    return MODULE_OF.get(votes.most_common(1)[0][0]) if votes else None
