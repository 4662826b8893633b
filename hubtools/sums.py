"""The sum of some bytes; the sums of all files of a folder, in a file as `sha256sum` prints it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hubtools.causes import cannot_be
from hubtools.errors import HubtoolsError
from hubtools.files import sha256_of, write_text

SUMS = "SHA256SUMS"


def sum_of(data: bytes) -> str:
    """The hex SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def write_sums(folder: Path) -> None:
    """Write `SHA256SUMS` of all files below `folder`, as `sha256sum` prints them."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != SUMS
    )
    write_text(folder / SUMS, "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names))


def check_sums(folder: Path) -> None:
    """Compare the files below `folder` with its `SHA256SUMS`.

    Raises `HubtoolsError` if it is missing or if a file is missing or another.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise cannot_be("read", folder / SUMS, error, "fetch it again") from None
    except ValueError:
        raise HubtoolsError(
            f"{folder} has no readable {SUMS}.", hint="fetch it again", code="file-damaged"
        ) from None
    for line in lines:
        wanted, _, name = line.partition("  ")
        path = folder / name
        if not path.is_file() or sha256_of(path) != wanted:
            missing = "is missing" if not path.is_file() else "is not what it was"
            raise HubtoolsError(
                f"{path} {missing} (by {SUMS}).",
                hint="delete the folder and fetch it again",
                code="file-damaged",
            )
