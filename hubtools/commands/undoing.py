"""`push --undo`, `prune --undo` and `--purge`, `fix --journal` and `--purge` as functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.commands.asked import Progress, ProjectLike, folder_of, project_of
from hubtools.commands.releasing import Kind, target_of_push
from hubtools.files import StrPath

if TYPE_CHECKING:
    from hubtools.dataset.edits.journal_files import Journal
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
        folder, repo, project_of(undo_push, project, {}), "space" if space else type, undo=True
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


def undo_prune(
    run_dir: StrPath | None = None, project: ProjectLike = None, *, trust_state: bool = False
) -> int:
    """Bring back what the last `prune` of a run folder (default: the project's) has moved, and what
    those right before it have that were stopped, byte for byte; how many files. Raises
    `ForeignState` for a list that somebody else wrote, unless `trust_state`, and `HubtoolsError`
    where a file is in the way."""
    from hubtools.publish import trash

    project = project_of(undo_push, project, {})
    return trash.undo(Path(run_dir or project.run_to_change), trust=trust_state)


def purge_prune(
    run_dir: StrPath | None = None, project: ProjectLike = None, *, trust_state: bool = False
) -> int:
    """Delete for good what every `prune` of a run folder has moved; the bytes that are free now.
    Calling it is the yes that the command asks for. Raises as `undo_prune`."""
    from hubtools.publish import trash

    project = project_of(undo_push, project, {})
    return trash.purge(Path(run_dir or project.run_to_change), trust=trust_state)


def fix_journal(path: StrPath | None = None, project: ProjectLike = None) -> list[Journal]:
    """The fixes of a folder of pictures (default: the project's), oldest first, those of others
    too. Raises `HubtoolsError` for a damaged one."""
    from hubtools.dataset.edits.journal_files import journals

    folder, _ = folder_of(path, project_of(undo_push, project, {}), change=False)
    return journals(folder)


def purge_fix(
    path: StrPath | None = None, project: ProjectLike = None, *, trust_state: bool = False
) -> int:
    """Delete for good the originals that the fixes of a folder keep; the bytes that are free now.
    Calling it is the yes that the command asks for. Raises `ForeignState` for a journal that
    somebody else wrote, unless `trust_state`."""
    from hubtools.dataset.edits.journal import purge

    folder, _ = folder_of(path, project_of(undo_push, project, {}), change=True)
    return purge(folder, trust_state=trust_state)
