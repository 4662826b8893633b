"""`fix`: plan and apply in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from hubtools.dataset.edits.journal import RefusedFiles, apply, finish, undo, unfinished
from hubtools.dataset.edits.journal_files import Journal
from hubtools.dataset.edits.plan import FixPlan
from hubtools.dataset.edits.replay import would
from hubtools.dataset.fix.planner import plan_fix
from hubtools.dataset.workers.guarded import shared_guard
from hubtools.files import StrPath
from hubtools.settings import DatasetSettings


@dataclass(frozen=True)
class Fixed:
    """What was done: the plan as it was carried out, and its journal (None: nothing to do)."""

    plan: FixPlan
    journal: Journal | None


@shared_guard()
def fix(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    *,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    unsafe: Sequence[str] = (),
    only: Sequence[str] = (),
    resolution: int | None = None,
    base: StrPath | None = None,
    on_picture: Callable[[int, int], None] | None = None,
    counted: bool = False,
    plan: FixPlan | None = None,
    trust_state: bool = False,
    rules: Mapping[str, Any] | None = None,
) -> Fixed:
    """Repair the dataset at `folder`, keeping every original in a journal that `undo_fix` brings
    back. A fix that was interrupted is finished first: to call this is to say yes to it.

    Takes what `plan_fix` takes; see there. `plan`: what that has made already. Pictures
    that cannot be edited as promised are left as they are, and named in `plan.left`. Raises
    `ForeignState` if somebody else's fix was interrupted in this folder, unless `trust_state` is
    set.
    """
    make = partial(
        plan_fix, folder, settings, select=select, ignore=ignore, unsafe=unsafe, only=only,
        base=base, resolution=resolution, on_picture=on_picture, counted=counted, rules=rules,
    )  # fmt: skip
    again = partial(planned, make, None if plan is None else plan.made_from)
    if plan is None:
        if unfinished(Path(folder)) is not None:
            finish(Path(folder), trust_state=trust_state)
        plan = again({})
    return apply_or_leave(plan, again)


def planned(
    make: Callable[..., FixPlan], made_from: Mapping[str, str] | None, leave: dict[str, str]
) -> FixPlan:
    """A plan that leaves these files, and knows the state of the folder from before it was made."""
    return replace(make(leave=leave), made_from=made_from)


def apply_saved(plan: FixPlan, *, trust_state: bool = False) -> Fixed:
    """Do what a plan from a file says. Raises `ForeignState` if this user has not written it,
    unless `trust_state` is set, and `RefusedFiles` if a picture cannot be edited as it says."""
    if plan.saved is not None:
        plan.saved.check_own(trust_state, would(plan.saved))
    return Fixed(plan, apply(plan.root, plan))


def apply_or_leave(plan: FixPlan, again: Callable[[dict[str, str]], FixPlan]) -> Fixed:
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
