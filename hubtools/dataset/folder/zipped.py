"""Zip archives of strangers: opened and read within bounds."""

from __future__ import annotations

import zipfile
from typing import BinaryIO

from hubtools.limits import MEMBERS

_DIRECTORY = 24_000_000  # bytes of the list of files, which is read as a whole


def open_zip(file: BinaryIO) -> zipfile.ZipFile:
    """The archive. Raises `zipfile.BadZipFile` for none, and for one of too many files."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end and end[zipfile._ECD_SIZE] > _DIRECTORY:  # type: ignore[attr-defined]
        raise zipfile.BadZipFile(f"it lists more than {MEMBERS:,} files")
    opened = zipfile.ZipFile(file)
    if len(opened.filelist) > MEMBERS:
        raise zipfile.BadZipFile(f"it lists {len(opened.filelist):,} files, more than {MEMBERS:,}")
    return opened


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of a file inside. Raises `OSError` if there are more than `limit`, `KeyError` if
    there is no such file."""
    with archive.open(name) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise OSError(27, f"it unpacks to more than {limit:,} bytes", name)
    return data
