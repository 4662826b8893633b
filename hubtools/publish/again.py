"""When the repository moved on while a push was under way: a new plan, judged anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.hub.client import RemoteFile, last_changes
from hubtools.publish.content import changed
from hubtools.publish.plan import Action, PushPlan, make_plan


class Moved(HubtoolsError):
    """Somebody else made a repository, or a commit, between the plan and the act."""

    def __init__(self, repo: str) -> None:
        super().__init__(f"{repo} was changed while it was pushed to.", hint="push again")


def made_anew(plan: PushPlan) -> PushPlan:
    """The plan against the repository as it is now: of the files that it spoke of, with the bytes
    that it spoke of. Raises `ChecksFailed` if one has changed on disk."""
    fresh = make_plan(plan.root, plan.repo, plan.repo_type, plan.options, False, plan.sent)
    return narrowed(plan, fresh)


def narrowed(plan: PushPlan, fresh: PushPlan) -> PushPlan:
    """`fresh`, with nothing in it that `plan` does not have. Raises `ChecksFailed` if it lacks a
    file, or has another content of one."""
    new = {file.name: file for file in fresh.files if file.source is not None}
    for file in plan.files:
        if file.source is not None:
            other = new.get(file.name)
            if other is None or other.content != file.content or other.source != file.source:
                raise changed(file.source)
    kept = {file.name for file in plan.files if file.source is not None}
    deleted = set(plan.deletions)
    return replace(
        fresh,
        files=tuple(
            file
            for file in fresh.files
            if file.name in (deleted if file.action is Action.DELETE else kept)
        ),
    )


def check_moved(
    plan: PushPlan,
    now: Mapping[str, str | None],
    head: str | None,
    there: Mapping[str, RemoteFile] | None = None,
) -> None:
    """Raise `ChecksFailed` if somebody else changed a file that the plan speaks of since the plan
    was made. `now`: the marks of the files at the commit `head`."""
    moved = []
    for file in plan.files:
        mark = now.get(file.name)
        if mark == file.there or (mark is None and file.action is Action.DELETE):
            continue
        if file.content is not None and mark in (file.content.sha256, file.content.sha1):
            continue  # they did the same
        moved.append(file.name)
    if not moved:
        return
    who = last_changes(plan.repo, plan.repo_type, moved, head) if head else {}
    named = ", ".join(f"{n} ({who[n]})" if n in who else f"{n}" for n in moved[:5])
    more = f" and {len(moved) - 5} more" if len(moved) > 5 else ""
    raise ChecksFailed(
        f"Somebody else changed {named}{more} in {plan.repo} while this push was under way;"
        " nothing was overwritten.",
        hint="look at it, take over what you need, and push again",
    )
