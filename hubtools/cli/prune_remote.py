"""`hubtools prune --remote`: a repository on the Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hubtools.cli.folding import folded
from hubtools.cli.output import Output
from hubtools.errors import ExitCode, UsageError
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.project import Project
    from hubtools.publish.remote import RemotePlan


def run(
    repo: str,
    kind: Literal["model", "dataset"],
    project: Project,
    out: Output,
    *,
    apply: bool,
    purge: bool,
    snapshot: Path | None,
    no_snapshot: bool,
    confirm: str | None,
) -> int:
    """Show what the repository holds; with `apply` open a pull request, with `purge` delete for
    good what main does not hold."""
    from hubtools.commands.remote import plan_prune_remote, prune_remote, purge_remote
    from hubtools.files import human_bytes

    if purge and (snapshot is None) is not no_snapshot:
        raise UsageError(
            "Say where the files are to be saved before they are deleted for good.",
            hint="--snapshot FOLDER, or --no-snapshot if nothing of them is worth keeping",
            code="confirmation-needed",
        )
    plan = plan_prune_remote(repo, project, type=kind)
    if project.prune.dtype is not None:
        out.note("prune.dtype is heeded in run folders only: no file of a repository is rewritten")
    _show(plan, out)
    if apply:
        if not plan.removed:
            out.result(f"There is nothing to delete on main of {repo}")
            return ExitCode.DONE
        url = prune_remote(plan)
        out.result(
            f"A pull request deletes {plural(len(plan.removed), 'file')}"
            f" ({human_bytes(plan.bytes_removed)}); merge it, or close it",
            essential=url,
            url=url,
            removed=len(plan.removed),
        )
    elif purge:
        if not plan.hidden:
            out.result(f"{repo} holds no large files but those of main")
            return ExitCode.DONE
        count = purge_remote(plan, _confirmed(plan, confirm, out), snapshot=snapshot)
        out.result(
            f"{plural(count, 'file')} ({human_bytes(plan.bytes_hidden)}) deleted for good;"
            " the Hub may count them for 36 hours more",
            deleted=count,
            snapshot=str(snapshot) if snapshot else None,
        )
    return ExitCode.DONE


def _confirmed(plan: RemotePlan, confirm: str | None, out: Output) -> str:
    if confirm is not None or not (out.human and sys.stdin.isatty()):
        return confirm or ""
    many = plural(len(plan.hidden), "file")
    out.note(f"This deletes {many} of {plan.repo} for good. Nothing undoes it.")
    return str(click.prompt("Type the repository's name to go on", err=True))


def _show(plan: RemotePlan, out: Output) -> None:
    from hubtools.files import human_bytes
    from hubtools.leaks import hide

    def size(count: int) -> str | int:
        return human_bytes(count) if out.human else count

    words = {"keep": "keep", "drop": "delete", "ask": "ask", "stay": "stay"}
    facts = [(hide(i.path), words[i.word], i.bytes, i.reason) for i in plan.items]
    facts = folded(facts, ("keep", "ask")) if out.human else facts
    rows = [(path, word, size(count), reason) for path, word, count, reason in facts]
    rows += [
        (hide(file.name), "hidden", size(file.bytes), f"not on main; SHA-256 {file.sha256[:12]}")
        for file in plan.hidden
    ]
    out.table(["path", "verdict", "size", "why"], rows, right=(2,))
    out.note(
        f"{plan.repo} at {plan.head[:8]}: {plural(len(plan.removed), 'file')} of main"
        f" ({human_bytes(plan.bytes_removed)}) not worth keeping;"
        f" {plural(len(plan.hidden), 'large file')} ({human_bytes(plan.bytes_hidden)}) in its"
        " history or in pull requests alone"
    )
    if plan.removed:
        out.note("--apply opens a pull request that deletes them; their space is freed by --purge")
    if plan.hidden:
        out.note("--purge --snapshot FOLDER saves the hidden files and deletes them for good")
