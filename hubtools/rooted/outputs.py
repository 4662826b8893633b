"""What hubtools wrote may be written over; what a person made may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from hubtools.causes import is_absent
from hubtools.errors import HubtoolsError
from hubtools.files import json_value, not_replaced, replacing
from hubtools.layout import WORK_DIR, WRITTEN, new_replaced
from hubtools.limits import JSON_FILE
from hubtools.rooted.root import Root
from hubtools.whereabouts import from_here

_MOST = 1 << 26  # bytes of a file that is judged


def check_output(root: Root, name: str, what: str, is_one: Callable[[bytes], bool]) -> None:
    """As `files.check_replaceable`, of a file in an open folder: raises `HubtoolsError` if one is
    there that is no `what` (`a picture`) of hubtools, as `is_one` tells from its bytes. A
    link, a folder or a pipe is none."""
    if not root.exists(name):
        return
    data = b"?"
    if root.is_file(name):
        try:
            with root.open(name) as file:
                data = file.read(_MOST)
        except OSError as error:
            if not is_absent(error):
                raise
        except HubtoolsError:
            pass  # not to be read: nobody can say that it is ours
    if data and not is_one(data):
        raise not_replaced(root.path / name, what)


@contextmanager
def writing_over(
    path: Path, check: Callable[[Path], object], *, private: bool = False
) -> Iterator[BinaryIO]:
    """As `files.replacing`, of an output that takes long to make: `check` is asked once more when
    all of it is on the disk, and raises if something that is nobody's output lies there by now."""
    with replacing(path, private=private, check=check) as file:
        yield file


def keep_replaced(root: Root, name: str) -> str:
    """Copy a file that is about to be replaced, and that somebody may have changed, into
    `.hubtools/replaced` of an open folder; answers its place there."""
    kept = f"{new_replaced()}/{name}"
    root.copy_whole(name, kept)
    return kept


def drop_replaced(root: Root, name: str, kept: str, sha256: str) -> bool:
    """Remove the copy `kept` that `keep_replaced` has made of the file `name`, if it has this hex
    SHA-256 and stays what it is meanwhile; says whether it went."""
    mark = root.mark(kept)
    if not root.is_file(kept) or root.sha256(kept) != sha256:
        return False
    try:
        root.unlink(kept, check=partial(root.check_mark, kept, mark))
    except HubtoolsError as error:
        if error.code != "file-changed":
            raise
        return False
    top = kept.removesuffix(f"/{name}").rpartition("/")[0]  # .hubtools/replaced
    while kept != top:
        kept = kept.rpartition("/")[0]
        if not root.rmdir(kept):
            break
    return True


def keep_changed(root: Root, name: str, note: Callable[[str], None]) -> None:
    """Keep a file that somebody has changed, as `keep_replaced`, and tell `note` of it."""
    tell_kept(root, name, keep_replaced(root, name), note)


def tell_kept(root: Root, name: str, kept: str, note: Callable[[str], None]) -> None:
    """Tell that a file was changed, and is `kept` now."""
    note(
        f"{name} is not the file that hubtools has left: somebody has changed it."
        f" It is now {from_here(root.path / kept)}."
    )


def note_written(root: Root, name: str, sha256: str) -> None:
    """Note the sum of a file of an open folder as hubtools has written it: for files that have no
    room for a sum of themselves."""
    known = sums_written(root)
    if known.get(name) != sha256:
        root.write_json(WRITTEN, known | {name: sha256})


def sums_written(root: Root) -> dict[str, str]:
    """{name: SHA-256} of what was noted so; of what cannot be read, nothing."""
    if not root.is_file(WRITTEN):
        return {}
    try:
        found = json_value(root.read(WRITTEN, JSON_FILE))
    except (ValueError, HubtoolsError):
        return {}
    return found if isinstance(found, dict) else {}


def forget_written(root: Root) -> None:
    """Remove what `note_written` has noted in an open folder."""
    root.unlink(WRITTEN, missing_ok=True)
    if root.is_folder(WORK_DIR):
        root.rmdir(WORK_DIR)


def keeping(
    root: Root, name: str, is_ours: Callable[[bytes], bool], note: Callable[[str], None]
) -> Callable[[], None]:
    """A `check` of `Root.write`: has a file that is not ours, as its bytes tell, kept and told."""

    def check() -> None:
        if root.is_file(name) and not is_ours(root.read(name)):
            keep_changed(root, name, note)

    return check


@contextmanager
def filled(parent: Root, name: str, to: str) -> Iterator[Root]:
    """A new folder `name` of an open one, to write into; at the end it takes the name `to`, of
    which at most an empty folder may be there. What somebody has put into its place stays:
    `HubtoolsError` is raised then."""
    parent.mkdir(name)
    with parent.inside(name) as work:
        try:
            yield work
            if not parent.holds(name, work):
                raise HubtoolsError(
                    f"{parent.path / name} was changed for something else meanwhile.",
                    hint="look who changes it, and run the same command again",
                    code="file-changed",
                )
            if parent.is_folder(to):
                parent.rmdir(to)
            parent.rename(name, to)
        finally:
            if parent.holds(name, work):
                parent.remove_tree(name)
