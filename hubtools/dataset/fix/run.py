"""`fix`: plan and apply in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.dataset.edits.journal import RefusedFiles, apply, finish, undo, unfinished
from hubtools.dataset.edits.journal_files import Journal
from hubtools.dataset.edits.plan import Plan
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.files import StrPath
from hubtools.settings import DatasetSettings


@dataclass(frozen=True)
class Fixed:
    """What was done: the plan as it was carried out, and its journal (None: nothing to do)."""

    plan: Plan
    journal: Journal | None


@shared_guard()
def fix(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    unsafe: Sequence[str] = (),
    resolution: int | None = None,
    base: StrPath | None = None,
    trust_state: bool = False,
    rules: Mapping[str, Any] | None = None,
) -> Fixed:
    """Repair the dataset at `folder`, keeping every original in a journal that `undo_fix` brings
    back. A fix that was interrupted is finished first: to call this is to say yes to it.

    Takes what `plan_fix` takes; see there. Pictures that cannot be edited as promised are left as
    they are, and named in `plan.left`. Raises `ForeignState` if somebody else's fix was interrupted
    in this folder, unless `trust_state` is set.
    """
    if unfinished(Path(folder)) is not None:
        finish(Path(folder), trust_state=trust_state)

    def again(leave: dict[str, str]) -> Plan:
        return plan_fix(
            folder, settings, select=select, ignore=ignore, unsafe=unsafe,
            resolution=resolution, base=base, leave=leave, rules=rules,
        )  # fmt: skip

    return apply_or_leave(again({}), again)


def apply_or_leave(plan: Plan, again: Callable[[dict[str, str]], Plan]) -> Fixed:
    """Apply a plan; if edits are refused, plan `again` without those files and apply that."""
    leave: dict[str, str] = {}
    while True:
        try:
            return Fixed(plan, apply(plan.root, plan))
        except RefusedFiles as refused:
            if refused.files.keys() <= leave.keys():
                raise  # the same again: a plan that does not leave them would never end
            leave |= refused.files
            plan = again(leave)


def undo_fix(folder: StrPath, id: str | None = None, *, trust_state: bool = False) -> Journal:
    """Put back what the fix `id` (default the last) has changed, byte for byte.

    Raises `ForeignState` if somebody else has written its journal, as in a copy of a folder, unless
    `trust_state` is set.
    """
    return undo(Path(folder), id, trust_state=trust_state)
