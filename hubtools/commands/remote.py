"""`prune --remote` as functions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hubtools.commands.asked import ProjectLike, project_of
from hubtools.errors import UsageError
from hubtools.files import StrPath

if TYPE_CHECKING:
    from hubtools.publish.remote import RemotePlan

RepoType = Literal["model", "dataset"]


def plan_prune_remote(
    repo: str,
    project: ProjectLike = None,
    *,
    type: RepoType = "model",
    **settings: Any,
) -> RemotePlan:
    """What of a repository on the Hub is worth keeping, by the judgement of `prune`, and which
    large files only its history or pull requests hold."""
    from hubtools.publish.remote import plan_remote

    project = project_of(plan_prune_remote, project, settings)
    if "prune.dtype" in project.given:
        raise UsageError(
            "--remote judges what lies in a repository, and writes no file in half precision.",
            hint="hubtools prune RUN --dtype fp16 --apply, hubtools card RUN, hubtools push RUN",
        )
    return plan_remote(repo, type, **project.published)


def prune_remote(plan: RemotePlan, *, message: str | None = None) -> str:
    """Open a pull request that deletes from main what the plan drops; its address."""
    from hubtools.publish.remote import remove

    return remove(plan, message=message)


def purge_remote(plan: RemotePlan, confirm: str, *, snapshot: StrPath | None) -> int:
    """Delete the large files for good that main does not hold; how many. `confirm`: the
    repository's name, once more. They are saved in the folder `snapshot` first (None: they are
    not). Raises `UsageError` for another name, and if one of them cannot be saved; `ChecksFailed`
    where main has one of them by now."""
    from hubtools.publish.remote import keep_here, purge_hidden

    if confirm != plan.repo:
        raise UsageError(
            f"Nothing brings back what is deleted from {plan.repo}.",
            hint=f"confirm it by its name: {plan.repo}",
            code="confirmation-needed",
        )
    if snapshot is not None:
        lost = keep_here(plan, Path(snapshot))
        if lost:
            more = f" (and {len(lost) - 1} more)" if lost[1:] else ""
            raise UsageError(
                f"No revision that can be read has {lost[0].name}{more}: it cannot be saved, and"
                " nothing was deleted.",
                hint="delete them unsaved with --no-snapshot, if you mean it",
                code="confirmation-needed",
            )
    return purge_hidden(plan)
