"""Folders that are written under another name and appear when they are whole; what may be copied
into them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hubtools.causes import naming
from hubtools.disks import private_mode, set_mode
from hubtools.errors import HubtoolsError
from hubtools.fences import make_folder
from hubtools.files import LinkedOut, bytes_of, json_bytes, open_inside
from hubtools.leftovers import untouched
from hubtools.owned import is_own
from hubtools.rooted import Root
from hubtools.rooted.outputs import filled
from hubtools.trust import seal

_HOUR = 3600.0


def check_free(to: Path, kind: str) -> None:
    """Raises `HubtoolsError` if a folder to be made holds something, or is something else; not if
    it is `is_left_whole`."""
    taken = to.is_symlink() or (to.exists() and (not to.is_dir() or any(to.iterdir())))
    if taken and not is_left_whole(to, kind):
        raise _there_already(to)


def _there_already(to: Path) -> HubtoolsError:
    return HubtoolsError(
        f"{to} is there already.", hint="give an empty or a new folder", code="file-exists"
    )


def is_left_whole(to: Path, kind: str) -> bool:
    """True if a run of this user may have made the folder `to` by `appearing`, and was killed right
    after that: made again, it is compared with what is there."""
    if to.is_symlink() or not to.is_dir() or not any(to.iterdir()):
        return False
    with Root(to.parent) as parent:
        return is_own(parent, f".{to.name}.{kind}.json")


@contextmanager
def appearing(to: Path, kind: str) -> Iterator[Root]:
    """A folder `.NAME.KIND` beside `to` to write into; it takes the name `to` at the end. A sealed
    file beside it says whose it is, as long as it is there.

    What a killed run of this user has left there is removed; anything else of that name stays.
    Raises `HubtoolsError` if `to` holds something (but for the very same, of a run that was killed
    when it was whole), or if something else has that name.
    """
    name = f".{to.name}.{kind}"
    mark = f"{name}.json"
    if to.parent.is_dir():
        with Root(to.parent) as parent:
            _sweep(parent, kind, mark)
    check_free(to, kind)
    way = _compared if is_left_whole(to, kind) else filled
    make_folder(to.parent)
    with Root(to.parent) as parent:
        _clear(parent, name, mark)
        sealed = json_bytes(seal(to.parent, mark, {"for": to.name}))
        parent.write(mark, sealed, check=partial(_clear, parent, name, mark))
        try:
            with parent.holding(mark), way(parent, name, to.name) as work:
                yield work
        finally:
            parent.unlink(mark, missing_ok=True)


@contextmanager
def _compared(parent: Root, name: str, to: str) -> Iterator[Root]:
    """A new folder `name` of an open one, to write into; at the end it goes, if the folder `to`
    holds the very same. Raises `HubtoolsError` if that is another one."""
    parent.mkdir(name)
    with parent.inside(name) as work:
        try:
            yield work
            with parent.inside(to) as there:
                if _sums(work) != _sums(there):
                    raise _there_already(parent.path / to)
        finally:
            if parent.holds(name, work):
                parent.remove_tree(name)


def _sums(root: Root) -> dict[str, str | None]:
    return {name: root.fingerprint(name) for name, _ in root.walk()}


def _clear(parent: Root, name: str, mark: str) -> None:
    """Remove what a killed run of this user has left. Raises `HubtoolsError` if it is something
    else, or if that run is alive."""
    if not parent.exists(name) and not parent.exists(mark):
        return
    marked = is_own(parent, mark)
    empty = parent.is_folder(name) and not parent.list(name)
    if not (marked or (empty and not parent.exists(mark))):
        raise HubtoolsError(
            f"{parent.path / (name if parent.exists(name) else mark)} is in the way, and was not"
            " left by a run of yours.",
            hint="look what it is, and move it away",
            code="file-exists",
        )
    with ExitStack() as stack:
        if marked:
            try:
                stack.enter_context(parent.holding(mark))
            except BlockingIOError:
                raise HubtoolsError(
                    f"Another hubtools is writing into {parent.path / name}.",
                    hint="wait for it, or give another folder",
                    code="busy",
                ) from None
        if parent.is_folder(name):
            parent.remove_tree(name)


def _sweep(parent: Root, kind: str, own: str) -> None:
    """Remove the marks of killed runs of this user whose folders had just appeared, but `own`."""
    for mark in parent.list():
        if mark == own or not (mark.startswith(".") and mark.endswith(f".{kind}.json")):
            continue
        found = parent.stat(mark)
        old = found is not None and untouched(found, _HOUR)
        if old and not parent.exists(mark.removesuffix(".json")) and is_own(parent, mark):
            with suppress(BlockingIOError), parent.holding(mark, remove=True):
                pass


def one_on_this_disk(one: str, other: str) -> HubtoolsError:
    """Of two files the second would take the place of the first."""
    return HubtoolsError(
        f"{one} and {other} are one file on this disk.",
        hint="choose a place on one that tells names apart which differ in case only",
        code="file-not-usable",
    )


def copy_own(folder: Path, name: str, to: Root, target: str) -> None:
    """Copy a file of a folder into another, where there is no `target` yet. Raises `HubtoolsError`
    for a link that leads out of the folder (the Hub's cache, whose files are links to its blobs, is
    one place). A file that nobody else may read stays one."""
    with open_own(folder, name) as source, naming(to.path / target), to.create(target) as copy:
        if (mode := private_mode(source.fileno())) is not None:
            set_mode(copy.fileno(), mode)
        shutil.copyfileobj(source, copy)


def keep_private(folder: Path, names: Iterable[str], made: BinaryIO) -> None:
    """Leave an open file to its owner alone if it is made of files of a folder of which one is
    that; those that are not there do not count."""
    for name in names:
        with suppress(FileNotFoundError), open_own(folder, name) as source:
            if (mode := private_mode(source.fileno())) is not None:
                set_mode(made.fileno(), mode)
                return


def read_own(folder: Path, name: str, limit: int) -> bytes:
    """The bytes of a file of a folder. Raises as `open_own`, and `HubtoolsError` for more than
    `limit` bytes."""
    with open_own(folder, name) as file:
        data = bytes_of(file, limit)
    if data is None:
        raise HubtoolsError(
            f"{folder / name} has more than {limit:,} bytes, and is not read.", code="too-large"
        )
    return data


def open_own(folder: Path, name: str) -> BinaryIO:
    """A file of a folder, to be read; what is judged is the open file itself, so a link made
    meanwhile changes nothing. Raises `HubtoolsError` for a link that leads out of the folder, and
    `OSError` for no regular file."""
    try:
        return open_inside(folder, name)
    except LinkedOut:
        raise HubtoolsError(
            f"{folder / name} is a link out of the folder; it is not copied.",
            hint="remove it, or put the file in its place",
            code="link-refused",
        ) from None
