"""Pictures in archives that lie among the files."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from typing import NamedTuple

from hubtools.causes import says_nothing_of_file
from hubtools.dataset.folder.listing import PICTURE_ENDINGS, Entry, Listing
from hubtools.dataset.folder.zipped import open_zip
from hubtools.limits import MEMBERS

_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_LARGEST = 2_000_000_000  # bytes of a tar file, all of which is read to see what is in it
_MOST = 50  # archives that are looked into


class Member(NamedTuple):
    """A file in an archive."""

    archive: str
    name: str


def packed_pictures(listing: Listing, wanted: Collection[str]) -> dict[str, Member]:
    """Where the pictures `wanted`, which are no files, are in archives: with the same path, below
    the archive's folder or a folder in it, or else with the same last name if only one has it."""
    archives = [
        entry
        for entry in listing.entries
        if entry.base.lower().endswith((".zip", *_TARS)) and not (entry.hidden or entry.junk)
    ]
    if not wanted or not archives or listing.opener is not None:
        return {}
    exact: dict[str, Member] = {}
    by_base: dict[str, list[Member]] = {}
    for entry in archives[:_MOST]:
        for name in _names(listing, entry):
            member = Member(entry.name, name)
            above = f"{entry.folder}/" if entry.folder else ""
            exact.setdefault(above + name.removeprefix("./"), member)
            by_base.setdefault(name.rpartition("/")[2], []).append(member)
    found: dict[str, Member] = {}
    for name in wanted:
        same = by_base.get(name.rpartition("/")[2], [])
        if name in exact:
            found[name] = exact[name]
        elif len(same) == 1:
            found[name] = same[0]
    return found


def _names(listing: Listing, entry: Entry) -> Iterator[str]:
    """The pictures in an archive; none of a broken one, of which another rule speaks."""
    try:
        with listing.open(entry.name) as file:
            if entry.ending == ".zip":
                with open_zip(file) as opened:
                    yield from filter(_is_picture, opened.namelist())
            elif entry.size <= _LARGEST:
                with tarfile.open(fileobj=file, mode="r|*") as tar:
                    for number, info in enumerate(tar):
                        tar.members = []  # type: ignore[attr-defined]  # else it remembers all
                        if number >= MEMBERS:
                            return
                        if info.isfile() and _is_picture(info.name):
                            yield info.name
    except OSError as error:
        if says_nothing_of_file(error):
            raise
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, ValueError):
        return


def _is_picture(name: str) -> bool:
    base = name.rpartition("/")[2]
    hidden = any(part.startswith((".", "__")) for part in name.removeprefix("./").split("/"))
    return not hidden and "." + base.rpartition(".")[2].lower() in PICTURE_ENDINGS
