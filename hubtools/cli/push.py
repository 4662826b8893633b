"""`hubtools push`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hubtools.cli.folding import folded
from hubtools.cli.following import repairing, tell_again, tell_private, tell_repo
from hubtools.cli.joblog import is_job
from hubtools.cli.kinds import kind_option
from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options, shown_path
from hubtools.cli.plans import check_plan_options, opened, plan_options
from hubtools.cli.trust import trust_option, with_trust
from hubtools.errors import ExitCode, UsageError
from hubtools.findings import plural

if TYPE_CHECKING:
    from hubtools.project import Project
    from hubtools.publish.push import PushPlan

_NAMED = 20  # deleted files that are listed by name


@click.command("push", cls=SettingsCommand)
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.argument("repo", required=False)
@click.option("--repo", "named", metavar="REPO", help="The repository; the same as REPO.")
@kind_option("--type")
@click.option(
    "--space",
    is_flag=True,
    help="Push a demo of the LoRA as a Space, made in RUN/space; REPO is the Space's name"
    "  [default: the LoRA's and -demo].",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and stop.")
@click.option(
    "--undo",
    is_flag=True,
    help="Make the repository what it was before the last push from this folder.",
)
@plan_options()
@click.option("--public", is_flag=True, help="Same as --no-private.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace files in the repository that somebody else changed or uploaded.",
)
@click.option(
    "--resolve-links",
    is_flag=True,
    help="Upload the files that symbolic links in a dataset folder point to.",
)
@click.option("--message", help="Commit message.")
@click.option("--release", metavar="VERSION", help="Tag the commit with this version, e.g. v1.2.")
@click.option("--ignore", multiple=True, metavar="ID", help="Ignore rules whose ids start with ID.")
@click.option(
    "--write-baseline", is_flag=True,
    help="Add the findings to the baseline file  [default: hubtools-baseline.json]",
)  # fmt: skip
@trust_option()
@project_options("push", "prune", "model.adapters")
@output_options(report=True)
def command(
    folder: Path | None,
    repo: str | None,
    named: str | None,
    kind: Literal["auto", "model", "dataset"],
    space: bool,
    dry_run: bool,
    undo: bool,
    plan_file: Path | None,
    from_plan: Path | None,
    public: bool,
    overwrite: bool,
    resolve_links: bool,
    message: str | None,
    release: str | None,
    ignore: tuple[str, ...],
    write_baseline: bool,
    trust_state: bool,
    project: Project,
    out: Output,
) -> int:
    """Send a run folder or a dataset folder to the Hub: planned, in one commit, verified by
    checksum.

    FOLDER defaults to the project's run folder, REPO to the repository in hubtools.toml. A new
    repository is private unless you say --public, and a public one is pushed to only if you do.
    Exit code 3 if a P rule objects, or somebody else changed what would be replaced. --undo takes
    the last push back by a commit on top; what was pushed stays in the history.
    """
    from hubtools.commands.releasing import plan_push, push
    from hubtools.publish.push import Refused

    if None not in (repo, named):
        raise UsageError(f"REPO and --repo are the same: {repo} or {named}?")
    repo = repo or named
    check_plan_options(plan_file, from_plan, ("folder", "repo", "named"), ("undo",))
    if undo:
        return _undo(folder, repo, kind, project, out, space, trust_state, dry_run)
    if from_plan is not None:
        plan = _replayed(from_plan, folder, repo, project, out, trust_state, dry_run)
    else:

        def planned(trusted: bool) -> PushPlan:
            with out.following("looking at what would be sent"):
                return plan_push(
                    folder,
                    repo,
                    project,
                    type=kind,
                    public=public,
                    overwrite=overwrite,
                    resolve_links=resolve_links,
                    message=message,
                    release=release,
                    ignore=ignore,
                    plan_file=plan_file,
                    trust_state=trusted,
                    write_baseline=write_baseline,
                    only_shown=dry_run and plan_file is None,
                    space=space,
                )

        plan = with_trust(out, trust_state, planned)
    if plan.options.ignore:
        out.warn(f"rules left out as asked: {', '.join(plan.options.ignore)}")
    _show(out, plan, full=dry_run)
    out.write_report(plan.report, shown_path(plan.root))
    if plan_file is not None:
        out.result(f"Plan written to {plan_file}", plan=str(plan_file))
        return ExitCode.DONE if plan.report.ok else ExitCode.CHECKS_FAILED
    if dry_run:
        if plan.report.ok and plan.changes and plan.proposed is None:
            tell_again(out)
        elif out.human and (command := repairing(plan.report)) is not None:
            out.hint(f"next: {command}")
        return ExitCode.DONE if plan.report.ok else ExitCode.CHECKS_FAILED
    try:
        with out.progress() as progress:
            todo = len(plan.changes) if plan.proposed is None else 0
            task = progress.add_task("sending", total=todo, note="")
            result = push(
                plan=plan, on_commit=lambda done, _total: progress.update(task, completed=done)
            )
    except Refused as refused:
        _show_refused(out, plan, refused.plan)
        raise
    if plan.done:
        said = f"This plan is done already; nothing to push, {plan.repo} is at {result.commit[:8]}"
    elif result.pushed or result.deleted:
        said = f"{plural(result.pushed, 'file')} sent, {result.verified} verified by checksum"
    elif plan.proposed is not None:
        said = f"Nothing to push; the pull request #{plan.proposed} is open and holds all of it"
    else:
        said = f"Nothing to push; already at {result.commit[:8]}"
    out.result(
        said,
        essential=result.url,
        url=result.url,
        commit=result.commit,
        deleted=result.deleted or None,
        tag=result.tag,
        collection=result.collection,
    )
    from hubtools.publish.comparison import discussion_command

    if result.pr_url is not None:
        number = result.pr_url.rpartition("/")[2]
        merge = discussion_command("merge", plan.repo, plan.repo_type, number)
        out.hint(f"main is as it was until the pull request is merged, on its page or by {merge}")
    if result.pushed and plan.visibility == "new, private" and plan.repo_type != "space":
        tell_private(out, [(plan.repo, plan.repo_type)])
    if result.pushed and result.pr_url is None:
        tell_repo(out, project, plan.root, plan.repo, plan.repo_type)
    from hubtools.journey.ci import has_none

    if (result.pushed or result.deleted) and not is_job() and has_none(project):
        out.hint("a workflow of GitHub or GitLab can do this: `hubtools ci init` writes it")
    return ExitCode.DONE


def _undo(
    folder: Path | None,
    repo: str | None,
    kind: Literal["auto", "model", "dataset"],
    project: Project,
    out: Output,
    space: bool,
    trust_state: bool,
    dry_run: bool,
) -> int:
    from hubtools.commands.undoing import plan_undo_push, undo_push
    from hubtools.files import human_bytes
    from hubtools.leaks import hide

    plan = with_trust(
        out,
        trust_state,
        lambda yes: plan_undo_push(folder, repo, project, type=kind, space=space, trust_state=yes),
    )
    rows = [(hide(file.name), "restore", file.bytes) for file in plan.restored]
    rows += [(hide(name), "remove", 0) for name in plan.removed]
    if dry_run:
        shown = [(n, a, human_bytes(b) if out.human and b else b or "") for n, a, b in rows]
        out.table(["path", "action", "size"], shown, right=(2,))
    if plan.sent.undone:
        out.note("The last thing done from here was an undo: this takes it back.")
    out.note(
        f"{plan.repo} goes back from {plan.pushed[:8]} to what {plan.before[:8]} held:"
        f" {plural(len(plan.restored), 'file')} restored, {len(plan.removed)} removed"
    )
    for tag in plan.tags:
        out.warn(f"the tag {tag} still names {plan.pushed[:8]}")
    for slug in plan.sent.collections:
        out.warn(f"{plan.repo} stays in the collection {slug}; take it out on its page")
    out.warn("what was pushed stays in the history; a secret in it must be revoked")
    if dry_run:
        return ExitCode.DONE
    done = undo_push(plan=plan)
    out.result(
        f"Undone{' the undo' if plan.sent.undone else ''}; {plan.repo} is at {done.commit[:8]}",
        essential=done.url,
        url=done.url,
        commit=done.commit,
        restored=done.restored,
        removed=done.removed,
    )
    return ExitCode.DONE


def _replayed(
    path: Path,
    folder: Path | None,
    repo: str | None,
    project: Project,
    out: Output,
    trust_state: bool,
    dry_run: bool,
) -> PushPlan:
    """The plan of a file, compared with the folder and the repository as they are."""
    from hubtools.commands.releasing import plan_push
    from hubtools.publish.plan_file import lines_of, would

    saved, trust = opened(path, "push", out, trust_state, would, lines_of, dry_run=dry_run)
    return with_trust(
        out,
        trust,
        lambda yes: plan_push(folder, repo, project, from_plan=saved, trust_state=yes),
    )


def _show_refused(out: Output, shown: PushPlan, plan: PushPlan) -> None:
    """What stopped the push, unless it was `shown`; for programs as JSON too."""
    if plan is not shown:
        out.warn(f"{plan.repo} changed meanwhile, and the plan was made and checked anew:")
        _show(out, plan, full=False)
        out.write_report(plan.report, shown_path(plan.root))
    if out.format == "json":
        out.answer.add_report(plan.report)


def _show(out: Output, plan: PushPlan, *, full: bool) -> None:
    from hubtools.files import human_bytes
    from hubtools.findings import to_text
    from hubtools.leaks import hide

    if full:
        rows = [
            (
                hide(file.name),
                file.action.value,
                human_bytes(file.bytes) if out.human else file.bytes,
                "",
            )
            for file in plan.files
        ]
        stay = [(hide(name), "exclude", 0, reason) for name, reason in plan.excluded]
        stay = folded(stay) if out.human else stay
        rows += [(name, word, "", reason) for name, word, _, reason in stay]
        out.table(["path", "action", "size", "why"], rows, right=(2,))
    for note in plan.notes:
        out.warn(note)
    if plan.report.findings or plan.report.known:
        out.note(to_text(plan.report))
    out.note(
        f"{plan.root} to {plan.repo} ({plan.repo_type}, {plan.visibility}): {len(plan.changes)} of"
        f" {plural(len(plan.files), 'file')} changed, {human_bytes(plan.bytes_sent)} to send,"
        f" {len(plan.excluded)} stay here"
    )
    if plan.collection is not None:
        from hubtools.hub.collections import collection_sentence

        out.note(collection_sentence(plan.collection, plan.repo, plan.repo_type))
    elif plan.options.collection is not None and not plan.done:
        why = "a pull request changes none" if plan.options.pr else "that needs a token"
        out.warn(f"the collection {plan.options.collection!r} was not looked for: {why}")
    if plan.options.pr and plan.remote_private is False and plan.proposed is None:
        out.warn(
            f"{plan.repo} is public: everybody can read what the pull request proposes as soon as"
            " it is opened, also if it is never merged"
        )
    if plan.options.tag is not None and plan.options.pr:
        out.warn(f"the tag {plan.options.tag} is not set: a pull request changes none")
    if plan.proposed is not None:
        from hubtools.publish.comparison import discussion_command

        close = discussion_command("close", plan.repo, plan.repo_type, plan.proposed)
        out.note(
            f"The pull request #{plan.proposed} there is open and holds all of this: nothing is"
            f" sent. {close} closes it."
        )
    if plan.deletions:
        more = len(plan.deletions) - _NAMED
        out.note(
            f"{plural(len(plan.deletions), 'file')} to delete there:"
            f" {', '.join(plan.deletions[:_NAMED])}" + (f" and {more} more" if more > 0 else "")
        )
