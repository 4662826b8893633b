"""`caption`: plan and apply in one call."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubtools.dataset.caption.planner import CaptionPlan, plan_captions
from hubtools.dataset.edits.journal import apply, finish
from hubtools.dataset.edits.journal_files import Journal
from hubtools.files import StrPath
from hubtools.settings import DatasetSettings


@dataclass(frozen=True)
class Captioned:
    """What was done, and its journal (None: nothing to do); `undo_fix` brings all of it back."""

    plan: CaptionPlan
    journal: Journal | None


def caption(
    folder: StrPath,
    settings: DatasetSettings | None = None,
    *,
    plan: CaptionPlan | None = None,
    trust_state: bool = False,
    **options: Any,
) -> Captioned:
    """Caption the pictures of `folder`, or edit their captions; every original is kept in the
    journal of `fix`. A change that was interrupted is finished first: to call this is to say yes.

    Takes what `plan_captions` takes; see there. `plan`: what that has made already. Raises
    `ForeignState` if somebody else's change was interrupted in this folder, unless `trust_state` is
    set.
    """
    if plan is None:
        finish(Path(folder), trust_state=trust_state)
        plan = plan_captions(folder, settings, **options)
    return Captioned(plan, apply(Path(folder), plan.plan))
