"""When the repository moved on: a plan is made anew during a push, and a saved one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote

from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.hub.client import RemoteFile, endpoint, last_changes, remote_files, resource_of
from hubtools.hub.errors import status_of
from hubtools.plans import Changes
from hubtools.publish.content import changed
from hubtools.publish.plan import Action, PushPlan, make_plan
from hubtools.publish.release import RepoType


class Moved(HubtoolsError):
    """Somebody else made a repository, or a commit, between the plan and the act."""

    default_code = "hub-changed"

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
        code="hub-changed",
    )


def url_of(repo: str, repo_type: str) -> str:
    """A repository's page."""
    return f"{endpoint()}/{resource_of(repo, repo_type)}"


def moved_since(
    folder: Path, repo: str, repo_type: RepoType, then: str | None, now: str | None, saved: Path
) -> ChecksFailed:
    """The error for a saved plan that builds on another commit than main is at `now`: it says what
    others have changed since."""
    new = f"make a new plan: `hubtools push {quote(str(folder))} {repo} --plan {quote(str(saved))}`"
    if now is None:
        return ChecksFailed(
            f"{repo} is gone since the plan {saved} was made; nothing was sent.",
            hint=f"if it is to be made again, {new}",
            code="hub-changed",
        )
    there = remote_files(repo, repo_type, now)
    before = {} if then is None else _marks_at(repo, repo_type, then)
    if before is None:
        said = f"its history does not hold the commit {str(then)[:8]} that the plan builds on"
    else:
        found = Changes.between(before, {name: file.mark for name, file in there.items()})
        who = last_changes(repo, repo_type, [*found.changed, *found.added], now)
        said = found.said(who) or f"no file, but its head is {now[:8]}, not {str(then)[:8]}"
    since = "did not exist when" if then is None else "has changed since"
    return ChecksFailed(
        f"{repo} {since} the plan {saved} was made ({said}); nothing was sent.",
        hint=f"look at {url_of(repo, repo_type)}/commits/main, take over what you need, and {new}",
        code="hub-changed",
    )


def _marks_at(repo: str, repo_type: RepoType, revision: str) -> dict[str, str] | None:
    """The marks of the files of a commit; None if the repository has no such commit."""
    try:
        files = remote_files(repo, repo_type, revision)
    except Exception as error:
        if status_of(error) != 404:
            raise
        return None
    return {name: file.mark for name, file in files.items()}
