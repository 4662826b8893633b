"""`push --undo` as functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.commands.asked import Progress, ProjectLike, project_of
from hubtools.commands.releasing import Kind, target_of_push
from hubtools.files import StrPath

if TYPE_CHECKING:
    from hubtools.publish.undo import Undone, UndoPlan


def plan_undo_push(
    folder: StrPath | None = None,
    repo: str | None = None,
    project: ProjectLike = None,
    *,
    type: Kind = "auto",
    space: bool = False,
    trust_state: bool = False,
) -> UndoPlan:
    """What `undo_push` would do; `space`: to the Space of a run folder."""
    from hubtools.publish.undo import plan_undo

    source, target, repo_type = target_of_push(
        folder, repo, project_of(undo_push, project, {}), "space" if space else type
    )
    return plan_undo(Path(source), target, repo_type, trust_state=trust_state)


def undo_push(
    folder: StrPath | None = None,
    repo: str | None = None,
    project: ProjectLike = None,
    *,
    type: Kind = "auto",
    space: bool = False,
    trust_state: bool = False,
    plan: UndoPlan | None = None,
    on_commit: Progress | None = None,
) -> Undone:
    """Make a repository what it was before the last push from a folder: one commit on top, verified
    by checksum; undoing that is the push again. `plan`: do what this one says. Raises
    `ChecksFailed` if somebody else committed since."""
    from hubtools.publish.undo import undo

    if plan is None:
        plan = plan_undo_push(
            folder, repo, project, type=type, space=space, trust_state=trust_state
        )
    return undo(plan, on_commit=on_commit or (lambda done, total: None))
