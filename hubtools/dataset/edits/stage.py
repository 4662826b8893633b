"""What a plan needs before anything changes: copies of all originals, and all that will be new."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable
from functools import partial

from hubtools.dataset.edits.closed import Action, check_operations
from hubtools.dataset.edits.journal_files import FIXES, JOURNAL, STAGING, Journal, Step, is_staging
from hubtools.dataset.edits.pixels import Refused, edited
from hubtools.dataset.edits.plan import FixPlan, Operation
from hubtools.dataset.edits.rewrites import is_rewrite, rewritten
from hubtools.dataset.folder.names import fold
from hubtools.dataset.pictures.reading import Unreadable, read_picture
from hubtools.dataset.workers.guarded import scan_one
from hubtools.errors import HubtoolsError
from hubtools.files import human_bytes
from hubtools.layout import WORK_DIR
from hubtools.rooted import Root

_SPARE = 1 << 20  # bytes for the journal itself
_ONE_SYNC = sys.platform == "linux"  # there sync(2) waits until everything is on the disk


class RefusedFiles(HubtoolsError):
    """Edits that turned out impossible while the plan was prepared; nothing was changed."""

    default_code = "file-not-usable"

    def __init__(self, files: dict[str, str]) -> None:
        first = next(iter(files.items()))
        super().__init__(f"{first[0]} cannot be changed: {first[1]}.")
        self.files = files


def check(root: Root, operations: Iterable[Operation]) -> None:
    """Raises `HubtoolsError` if the operations cannot be carried out on what lies there now."""
    operations = tuple(operations)
    try:
        check_operations(
            ((op.action, op.path, op.target, op.before) for op in operations), folds=_folds(root)
        )
    except ValueError as error:
        raise HubtoolsError(
            f"This is no plan for {root.path}: {error}.", code="wrong-kind"
        ) from None
    vacated = {op.path for op in operations}
    needed = _SPARE
    folders: set[str] = set()
    for op in operations:
        if op.path is not None:
            found = root.stat(op.path)
            if found is None:
                raise changed(root, op.path)
            if not root.removable(op.path):
                raise HubtoolsError(
                    f"{root.path / op.path} belongs to somebody else, and in that folder only its"
                    " owner may move it; nothing was done.",
                    hint="copy the folder, and fix the copy",
                    code="permission-denied",
                )
            needed += found.st_size * (2 if op.action is Action.EDIT else 1)
        if op.target is not None and op.target not in vacated:
            _check_free(root, op.path, op.target)
        needed += len(op.content.encode()) if op.content is not None else 0
        folders |= {name.rpartition("/")[0] for name in (op.path, op.target) if name is not None}
    for folder in sorted(folders):
        if not root.writable(folder):
            raise HubtoolsError(
                f"You may not change files in {root.path / folder}; nothing was done.",
                hint=f"chmod u+w {root.path / folder}",
                code="permission-denied",
            )
    free = root.free_bytes()
    if needed > free:
        raise HubtoolsError(
            f"Keeping the originals takes {human_bytes(needed)}, and the disk of {root.path} has"
            f" {human_bytes(free)} left; nothing was done.",
            hint="free some space, or fix fewer files at a time with --select",
            code="disk-full",
        )


def _check_free(root: Root, path: str | None, target: str) -> None:
    parts = target.split("/")
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        found = root.stat(above)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            raise _in_the_way(root, above)
    if root.exists(target) and not (path is not None and same(root, path, target)):
        raise _in_the_way(root, target)


def _in_the_way(root: Root, name: str) -> HubtoolsError:
    return HubtoolsError(f"{root.path / name} is in the way; nothing was done.", code="file-exists")


def changed(root: Root, name: str) -> HubtoolsError:
    """Say that a file is not what the plan was made for."""
    return HubtoolsError(
        f"{root.path / name} has changed since the plan was made; nothing was done.",
        hint="run `hubtools fix` again",
        code="file-changed",
    )


def same(root: Root, one: str, other: str) -> bool:
    """True for two names that the file system takes for the same, and that differ in case only."""
    return fold(one) == fold(other) and root.are_one(one, other)


def _folds(root: Root) -> bool:
    """True if the file system takes names for the same that differ in case."""
    return same(root, WORK_DIR, WORK_DIR.upper())


def stage(
    root: Root, journal: Journal, plan: FixPlan, on_file: Callable[[int, int], None] | None
) -> Journal:
    """Write all originals and all new files into the journal's folder.

    Raises `RefusedFiles` if a picture cannot be edited as promised, `HubtoolsError` if a file is
    not what the plan was made for.
    """
    steps: list[Step] = []
    refused: dict[str, str] = {}
    if any(op.path is None for op in plan.operations):
        root.keep_private()
    for number, op in enumerate(plan.operations):
        if op.path is not None and _copied(root, op.path, journal.original(op.path)) != op.before:
            raise changed(root, op.path)
        after = pixels = None
        if op.target is not None:
            try:
                after, pixels = _make(root, op, journal, number)
            except Refused as error:
                refused[str(op.path)] = str(error)
                continue
        steps.append(
            Step(op.action.value, op.path, op.target, op.before, after, op.rules, op.why, pixels)
        )
        if on_file is not None:
            on_file(number + 1, len(plan.operations))
    if refused:
        raise RefusedFiles(refused)
    if _ONE_SYNC:
        os.sync()
    for name, found in root.walk(journal.name):
        if stat.S_ISDIR(found.st_mode):
            root.sync(name)
    root.sync(journal.name)
    modes = _modes(root, steps)
    return Journal(journal.root, journal.id, journal.state, tuple(steps), folders=modes)


def _copied(root: Root, source: str, target: str) -> str | None:
    """Copy an original; its fingerprint, or None if it is gone or no file any more."""
    try:
        return root.copy(source, target, sync=not _ONE_SYNC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL and not root.is_file(source):
            return None
        raise


def _make(root: Root, op: Operation, journal: Journal, number: int) -> tuple[str, str | None]:
    """Write what `op.target` will be, out of the original that was kept; (its fingerprint, the
    hash of its pixels if an edit proves them). What is renamed needs no second copy."""
    if op.action is Action.RENAME:
        assert op.before is not None
        return op.before, None
    pixels, mode = None, None
    if op.path is not None and not root.is_link(original := journal.original(op.path)):
        found = root.stat(original)
        mode = stat.S_IMODE(found.st_mode) if found is not None else None
    if op.path is not None and is_rewrite(op.edits):
        pixels = _rewritten(root, op, journal, number, mode)
    else:
        if op.content is not None:
            data = op.content.encode("utf-8")
        else:
            assert op.path is not None
            data, pixels = edited(picture_of(root, op.path, journal.original(op.path)), op.edits)
        root.write(journal.new(number), data, mode=mode)
    if op.path is not None and mode is not None:
        root.carry_attributes(journal.original(op.path), journal.new(number))
        if (owner := root.stat(op.path)) is not None:
            root.carry_owner(owner, journal.new(number))
    return root.sha256(journal.new(number)), pixels


def _rewritten(root: Root, op: Operation, journal: Journal, number: int, mode: int | None) -> str:
    """Write a shard or an archive anew; the hash of its pictures."""
    assert op.path is not None
    original, new = journal.original(op.path), journal.new(number)
    if root.is_link(original):
        raise Refused("it is a link")
    with root.create(new) as out:
        proof = rewritten(partial(root.open, original), out, partial(root.open, new), op.edits)
    if mode is not None:
        root.chmod(new, mode)
    return proof


def picture_of(root: Root, name: str, original: str) -> bytes:
    """The bytes of a picture as it was kept; of a link (`copy-links`, asked for by name) those that
    it leads to, if they are a picture."""
    if not root.is_link(original):
        return root.read(original)
    try:
        data = read_picture(str(root.path / name))
    except Unreadable as error:
        raise Refused(str(error)) from None
    if scan_one(data, name).problem is not None:
        raise Refused("it leads to something that is no picture")
    return data


def _modes(root: Root, steps: Iterable[Step]) -> dict[str, int]:
    """Modes of the folders that would be empty, and so gone, afterwards."""
    found: dict[str, int] = {}
    for step in steps:
        name = step.path or ""
        while name := name.rpartition("/")[0]:
            facts = root.stat(name) if name not in found else None
            if facts is not None:
                found[name] = stat.S_IMODE(facts.st_mode)
    return found


def sweep(root: Root, operations: Iterable[Operation] = ()) -> None:
    """Remove what killed runs of ours have left: journals that had not begun, half written files
    in the folders that are now worked on."""
    for id in root.list_made(FIXES):
        name = f"{FIXES}/{id}"
        if not root.is_folder(name):
            continue
        if is_staging(root, id):
            discard(root, id)
        elif root.is_file(f"{name}/{JOURNAL}"):
            root.unlink(f"{name}/{STAGING}", missing_ok=True)
        else:
            root.rmdir(name)  # only if it is empty
    folders = {"", WORK_DIR, FIXES}
    for op in operations:
        folders |= {name.rpartition("/")[0] for name in (op.path, op.target) if name is not None}
    for folder in folders:
        root.sweep(folder)


def discard(root: Root, id: str) -> None:
    """Remove the folder of a journal that has not begun; the mark that says so goes last."""
    name = f"{FIXES}/{id}"
    for entry in root.list(name):
        if entry != STAGING:
            root.remove_tree(f"{name}/{entry}")
    root.unlink(f"{name}/{STAGING}", missing_ok=True)
    root.rmdir(name)
