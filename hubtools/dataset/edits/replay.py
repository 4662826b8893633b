"""Plans of fixes as files: what `fix --plan` writes and `fix --from-plan` does, or refuses."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from hubtools.dataset.edits.closed import Action, check_operations
from hubtools.dataset.edits.journal_files import journals
from hubtools.dataset.edits.pixels import EDITS, Refused, edited
from hubtools.dataset.edits.plan import FixPlan, Operation, check_name
from hubtools.dataset.edits.rewrites import REWRITES, Opener, is_rewrite, rewritten
from hubtools.dataset.edits.stage import picture_of
from hubtools.dataset.folder.names import fold
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.files import StrPath
from hubtools.findings import plural
from hubtools.layout import PROJECT_FILE
from hubtools.plans import SavedPlan, no_plan, read_plan, state_of
from hubtools.plans.fields import only
from hubtools.rooted import Root

# What `--dry-run --format json` prints beside the plan.
BESIDE = frozenset({"left", "remaining", "applied", "journal"})
_KEYS = ("action", "path", "target", "rules", "why", "before", "content", "edits")


def load_plan(root: Path, plan: StrPath | SavedPlan) -> FixPlan:
    """Read a saved plan for the dataset at `root`; `done` is set if the folder is as the plan would
    leave it. Raises `HubtoolsError` if the file is none, if it contradicts itself (a file named
    twice, one inside another), or if any file of the folder is another than it was made from."""
    saved = read_plan(plan, "fix", BESIDE)
    operations = operations_of(saved)
    unsafe = tuple(map(str, saved.options["unsafe"]))
    with Root(root) as opened:
        for op in operations:
            if op.path is not None:
                opened.stat(op.path)  # raises `LeadsOut` for a link on the way
    for op in operations:
        if op.path is not None and saved.made_from.get(op.path) != op.before:
            raise no_plan(saved.path, "fix", f"{op.path!r} is not what it was made from")
    found = FixPlan(root, operations, unsafe=unsafe, made_from=saved.made_from, saved=saved)
    changes = saved.changes(root)
    if not any(changes) or not operations:
        if any(changes):
            raise saved.changed(root, changes)
        return found
    if _is_done(saved, root, operations):
        return replace(found, done=True)
    raise saved.changed(root, changes)


def operations_of(saved: SavedPlan) -> tuple[Operation, ...]:
    """What the operations of an envelope say. Raises `HubtoolsError` if that cannot be."""
    try:
        only(saved.options, ("unsafe",))
        if not isinstance(saved.options["unsafe"], list):
            raise TypeError("unsafe is no list")
        found = tuple(map(_operation, saved.operations))
        check_operations((op.action, op.path, op.target, op.before) for op in found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise no_plan(saved.path, "fix", error) from None
    return found


def would(saved: SavedPlan) -> str:
    """What a plan does, for the question whether it is to be trusted."""
    return f"change {plural(len(operations_of(saved)), 'file')}"


def lines_of(saved: SavedPlan) -> list[str]:
    """All that a plan says, to be read."""
    return [op.line for op in operations_of(saved)]


def _operation(item: Mapping[str, Any]) -> Operation:
    only(item, _KEYS)
    path, target = item["path"], item["target"]
    for name in (path, target):
        if name is not None:
            check_name(name)
    if path is None and target is None:
        raise ValueError("an operation names no file")
    # what git and hubtools act on is no part of a dataset
    if target is not None and {fold(part) for part in target.split("/")} & {".git", PROJECT_FILE}:
        raise ValueError(f"{target!r} is not for a plan to write")
    edits = tuple(str(edit) for edit in item["edits"])
    if any(edit.partition("=")[0] not in EDITS | REWRITES for edit in edits):
        raise ValueError(f"unknown edit in {list(edits)}")
    action = Action(item["action"])
    if (action is Action.WRITE) != isinstance(item["content"], str):
        raise ValueError(f"{action.value} of {path or target} has the wrong content")
    if action is Action.WRITE:
        item["content"].encode("utf-8")
    if (action is Action.EDIT) != bool(edits):
        raise ValueError(f"{action.value} of {path or target} has the wrong edits")
    return Operation(
        action, path, target, tuple(map(str, item["rules"])), tuple(map(str, item["why"])),
        item["before"], item["content"], edits,
    )  # fmt: skip


def _is_done(saved: SavedPlan, root: Path, operations: tuple[Operation, ...]) -> bool:
    """True if every file of the folder is as the plan would leave it. What an edit has made of a
    picture is known from the journal of this user."""
    made = {
        (step.path, step.target, step.before): step.after
        for journal in journals(root)
        if journal.ours and journal.state == "done"
        for step in journal.steps
    }
    after: dict[str, str | None] = dict(saved.made_from)
    for op in operations:
        if op.path is not None:
            after.pop(op.path, None)
    for op in operations:
        if op.target is None:
            continue
        if op.content is not None:
            after[op.target] = hashlib.sha256(op.content.encode("utf-8")).hexdigest()
        elif op.action is Action.RENAME:
            after[op.target] = op.before
        else:
            after[op.target] = made.get((op.path, op.target, op.before))
    now: dict[str, str | None] = dict(state_of(root, saved.path))
    return now == after


@shared_guard()
def settled(plan: FixPlan, again: Callable[[dict[str, str]], FixPlan]) -> FixPlan:
    """A plan whose edits are all possible: each is tried, and what is refused is left in one that
    is made `again`, as applying it at once would do."""
    leave: dict[str, str] = {}
    while True:
        refused: dict[str, str] = {}
        with Root(plan.root) as root:
            for op in plan.of(Action.EDIT):
                assert op.path is not None
                try:
                    if is_rewrite(op.edits):
                        _tried(root, op.path, op.edits)
                    else:
                        edited(picture_of(root, op.path, op.path), op.edits)
                except Refused as error:
                    refused[op.path] = str(error)
        if refused.keys() <= leave.keys():
            return plan
        leave |= refused
        plan = again(leave)


def _tried(root: Root, name: str, edits: Sequence[str]) -> None:
    """Write a shard anew for nothing but to see that it can be. Raises `Refused`."""
    with tempfile.NamedTemporaryFile(prefix="hubtools-fix-") as file:
        again = cast("Opener", partial(Path(file.name).open, "rb"))
        rewritten(partial(root.open, name), cast(BinaryIO, file), again, edits)
