"""After a push: what is in the repository is what the plan says."""

from __future__ import annotations

from hubtools.errors import ChecksFailed
from hubtools.findings import plural
from hubtools.hub.client import RemoteFile, remote_files
from hubtools.publish.again import url_of
from hubtools.publish.plan import PushPlan


def verified(plan: PushPlan, revision: str) -> dict[str, RemoteFile]:
    """The files of a revision, each planned one compared with the hash that was checked.

    Raises `ChecksFailed` if one is another, is missing, or is still there.
    """
    there = remote_files(plan.repo, plan.repo_type, revision)
    wrong, absent = [], []
    for file in plan.files:
        remote = there.get(file.name)
        if file.content is None:
            if remote is not None:
                wrong.append(file.name)
        elif remote is None:
            absent.append(file.name)
        elif not remote.holds(file.content):
            wrong.append(file.name)
    if not wrong and not absent:
        return there
    names = ", ".join([*wrong, *absent][:3])
    if wrong:
        hint = (
            f"look at {url_of(plan.repo, plan.repo_type)}/commit/{revision} now: what should not be"
            " public is in the history; make the repository private or delete it, and revoke any"
            " token in it"
        )
    elif ".gitignore" in there:
        hint = "a .gitignore in the repository keeps files out; remove it there"
    else:
        hint = "push again"
    raise ChecksFailed(
        f"{plan.repo} does not hold what was checked and sent:"
        f" {plural(len(wrong) + len(absent), 'file')} ({names}).",
        hint=hint,
        code="hub-changed",
    )
