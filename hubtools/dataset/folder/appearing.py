"""Folders that are written under another name and appear when they are whole; what may be copied
into them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hubtools.causes import naming
from hubtools.errors import HubtoolsError
from hubtools.files import json_value, leads_out, open_regular
from hubtools.rooted import Root
from hubtools.trust import is_sealed, seal

_MARK = ".hubtools-work.json"


def check_free(to: Path) -> None:
    """Raises `HubtoolsError` if a folder to be made holds something, or is something else."""
    if to.is_symlink() or (to.exists() and (not to.is_dir() or any(to.iterdir()))):
        raise HubtoolsError(
            f"{to} is there already.", hint="give an empty or a new folder", code="file-exists"
        )


@contextmanager
def appearing(to: Path, kind: str) -> Iterator[Path]:
    """A folder `.NAME.KIND` beside `to` to write into; it takes the name `to` at the end.

    What a killed run of this user has left there is removed; anything else of that name stays.
    Raises `HubtoolsError` if `to` holds something, or if something else has that name.
    """
    check_free(to)
    to.parent.mkdir(parents=True, exist_ok=True)
    name = f".{to.name}.{kind}"
    with Root(to.parent) as parent:
        if parent.exists(name):
            if not _is_ours(parent, name):
                raise HubtoolsError(
                    f"{to.parent / name} is in the way, and was not left by a run of yours.",
                    hint="look what it is, and move it away",
                    code="file-exists",
                )
            parent.remove_tree(name)
        parent.mkdir(name)
        mark = f"{name}/{_MARK}"
        parent.write_json(mark, seal(to.parent, mark, {"for": to.name}))
        try:
            yield to.parent / name
            parent.unlink(mark)
            if parent.is_folder(to.name):
                parent.rmdir(to.name)
            parent.rename(name, to.name)
        finally:
            if parent.is_folder(name):
                parent.remove_tree(name)


def _is_ours(parent: Root, name: str) -> bool:
    if not parent.is_folder(name):
        return False
    if not parent.list(name):
        return True  # killed before it had a mark
    mark = f"{name}/{_MARK}"
    try:
        return is_sealed(parent.path, mark, json_value(parent.read(mark, 1 << 16)))
    except (FileNotFoundError, ValueError, RecursionError):
        return False


def copy_own(folder: Path, name: str, target: Path) -> None:
    """Copy a file of a folder. Raises `HubtoolsError` for a link that leads out of the folder (the
    Hub's cache, whose files are links to its blobs, is one place)."""
    with open_own(folder, name) as source, naming(target), target.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def read_own(folder: Path, name: str, limit: int) -> bytes:
    """The bytes of a file of a folder. Raises as `open_own`, and `HubtoolsError` for more than
    `limit` bytes."""
    with open_own(folder, name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise HubtoolsError(
            f"{folder / name} has more than {limit:,} bytes, and is not read.", code="too-large"
        )
    return data


def open_own(folder: Path, name: str) -> BinaryIO:
    """A file of a folder, to be read; what is judged is the open file itself, so a link made
    meanwhile changes nothing. Raises as `own_bytes_checked`, and `OSError` for no regular file."""
    file = open_regular(folder / name)
    try:
        real = own_bytes_checked(folder, name)
        if not os.path.samestat(os.fstat(file.fileno()), os.lstat(real)):
            raise HubtoolsError(
                f"{folder / name} has changed while it was read.",
                hint="run the command again",
                code="file-changed",
            )
    except BaseException:
        file.close()
        raise
    return file


def own_bytes_checked(folder: Path, name: str) -> Path:
    """Where a file of a folder really is. Raises `HubtoolsError` for a link that leads out."""
    if leads_out(folder, name):
        raise HubtoolsError(
            f"{folder / name} is a link out of the folder; it is not copied.",
            hint="remove it, or put the file in its place",
            code="link-refused",
        )
    return (folder / name).resolve()
