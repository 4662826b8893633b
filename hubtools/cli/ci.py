"""`hubtools ci`: workflows of GitHub and GitLab."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from hubtools.cli.following import push_words
from hubtools.cli.joblog import is_job
from hubtools.cli.kinds import kind_option
from hubtools.cli.options import SettingsCommand, project_options
from hubtools.cli.output import Output, output_options, print_utf8, shown_path
from hubtools.errors import ExitCode, HubtoolsError
from hubtools.fences import fence
from hubtools.findings import plural, to_text
from hubtools.reporting.github import github_command, to_github

if TYPE_CHECKING:
    from hubtools.commands.workflows import CiRun
    from hubtools.project import Project


@click.group()
def command() -> None:
    """Check and publish from a workflow of GitHub or GitLab."""


@command.command(
    "init", cls=SettingsCommand, short_help="Write a workflow that checks and publishes."
)
@click.option(
    "--provider",
    type=click.Choice(["github", "gitlab"]),
    default="github",
    show_default=True,
    help="Whose workflow to write.",
)
@click.option(
    "--branch",
    help="Branch whose content is proposed  [default: the repository's main branch].",
)
@click.option(
    "--repository", metavar="OWNER/NAME",
    help="Repository that runs the workflow (default: that of the git remote origin).",
)  # fmt: skip
@click.option(
    "--action", metavar="OWNER/REPO@COMMIT",
    help="Use this copy of hubtools' action (default: install hubtools with pip).",
)  # fmt: skip
@click.option(
    "--force", is_flag=True, help="Replace a file that is there; it is kept in .hubtools/replaced."
)
@click.option("--dry-run", is_flag=True, help="Show the file and stop.")
@project_options()
@output_options()
def init(
    provider: Literal["github", "gitlab"],
    branch: str | None,
    repository: str | None,
    action: str | None,
    force: bool,
    dry_run: bool,
    project: Project,
    out: Output,
) -> None:
    """Write a workflow with the fewest permissions: pull requests are checked, what main gets is
    proposed to the Hub as a pull request, a tag v1.0 is released.

    The Hub knows the workflow by its identity (trusted publisher), so that no token is stored.
    Prints where to say so, and what.
    """
    from hubtools.commands.workflows import ci_init

    made = ci_init(
        project,
        provider=provider,
        branch=branch,
        repository=repository,
        action=action,
        force=force,
        dry_run=dry_run,
    )
    if dry_run and out.human:
        out.data(made.text.rstrip())
    for note in made.notes:
        out.warn(note)
    said = f"{'Would write' if dry_run else 'Wrote'} {made.path}"
    out.result(
        said if made.changed else f"{made.path} is as it was",
        workflow=str(made.path),
        text=made.text if dry_run and not out.human else None,
        trust=[{"settings": one.address, **one.claims} for one in made.trust]
        if not out.human
        else None,
    )
    for one in made.trust:
        out.note(f"Add a trusted publisher at {one.address}")
        service = "GitHub Actions" if provider == "github" else "GitLab CI"
        out.note(f"  provider: {service}")
        for name, value in one.claims.items():
            out.note(f"  {name}: {value}")
    for release in made.releases:
        folder = project.dataset_dir if release.kind == "dataset" else project.run_dir
        words = push_words(folder, release.kind, project)
        out.hint(f"{release.repo} must be on the Hub before: `{words}` makes it the first time")
    if made.changed and not dry_run:
        out.hint("next: commit the workflow")


@command.command("run", cls=SettingsCommand, short_help="Do one step of a workflow.")
@click.argument("folder", required=False)
@click.argument("repo", required=False)
@kind_option("--type")
@click.option(
    "--mode",
    type=click.Choice(["check", "pr", "push", "release"]),
    default="check",
    show_default=True,
    help="Only check; open a pull request; commit to main; commit and tag.",
)
@click.option("--version", help="Version to release (default: the tag that started the workflow).")
@click.option("--public", is_flag=True, help="Same as --no-private of push.")
@click.option(
    "--overwrite",
    is_flag=True,
    help="Replace files in the repository that somebody else changed or uploaded.",
)
@click.option(
    "--plan", "plan_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the plan of the push to FILE.",
)  # fmt: skip
@click.option(  # its former name
    "--save-plan", "former_plan", hidden=True, type=click.Path(path_type=Path, dir_okay=False)
)
@project_options()
@output_options(report=True)
def run(
    folder: str | None,
    repo: str | None,
    kind: Literal["auto", "model", "dataset"],
    mode: Literal["check", "pr", "push", "release"],
    version: str | None,
    public: bool,
    overwrite: bool,
    plan_file: Path | None,
    former_plan: Path | None,
    project: Project,
    out: Output,
) -> int:
    """One step of a workflow: judge the pictures, the card and what would be published, then do
    what --mode says.

    In GitHub Actions findings become annotations, the plan a summary of the job, and commit_url,
    pr_url and plan outputs of the step. Exit code 3 if a rule objects.
    """
    from hubtools.commands.workflows import ci_run

    plan_file = plan_file or former_plan
    with _annotated():
        for path in (*out.report_files, *((plan_file,) if plan_file else ())):
            _keep_inside(path)
        done = ci_run(
            folder or None,  # an action hands over what was left out as nothing
            repo or None,
            project,
            type=kind,
            mode=mode,
            version=version or None,
            public=public,
            overwrite=overwrite,
            plan_file=plan_file,
        )
    prefix = shown_path(done.folder)
    for note in done.notes:
        out.warn(note)
    if is_job():
        if done.report.findings:
            print_utf8(to_github(done.report, prefix))
    elif done.report.findings:
        out.note(to_text(done.report))
    for path in out.report_files:
        path.parent.mkdir(parents=True, exist_ok=True)
    out.write_report(done.report, prefix)
    _tell_github(done, mode, plan_file)
    said = _said(done, mode)
    if not done.report.ok and out.human:
        out.warn(said)
        return ExitCode.CHECKS_FAILED
    out.result(
        said,
        essential=done.pr_url or done.commit_url,
        ok=done.report.ok,
        commit_url=done.commit_url,
        pr_url=done.pr_url,
        plan=str(plan_file) if plan_file is not None and done.plan is not None else None,
    )
    return ExitCode.DONE if done.report.ok else ExitCode.CHECKS_FAILED


def _said(done: CiRun, mode: str) -> str:
    summary = done.report.summary
    if not done.report.ok:
        return f"{done.folder}: {summary}; nothing was sent"
    if done.result is None or done.plan is None:
        return f"{done.folder}: {summary}"
    if not done.plan.changes:
        return f"{done.plan.repo} is at {done.result.commit[:8]} already: {summary}"
    where = done.pr_url or done.commit_url
    if done.plan.proposed is not None:
        return f"{where} is open and holds all of it already: {summary}"
    verb = {"pr": "Proposed", "push": "Pushed", "release": "Released"}[mode]
    return (
        f"{verb} {plural(len(done.plan.changes), 'file')}, {done.result.verified} verified: {where}"
    )


def _keep_inside(path: Path) -> None:
    """A file to write in the checkout stays there: who made that may have made a link on the way.
    Raises `HubtoolsError` if there is one that leads out."""
    here = Path.cwd()
    folder = Path(os.path.normpath(here / path)).parent
    if here not in (folder, *folder.parents):
        return
    if not folder.resolve().is_relative_to(here.resolve()):
        raise HubtoolsError(
            f"{path} would be written out of {here}, through a link of the checkout.",
            hint=f"name a place without links, such as {path.name}",
            code="link-refused",
        )
    fence(folder, here)


@contextmanager
def _annotated() -> Iterator[None]:
    """What stops the step is an annotation too."""
    try:
        yield
    except HubtoolsError as error:
        if is_job():
            said = f"{error.message} {error.hint or ''}".strip()
            print_utf8(github_command("error", said, {"title": "hubtools"}))
        raise


def _tell_github(done: CiRun, mode: str, plan_file: Path | None) -> None:
    """The outputs of the step, and the summary of the job."""
    outputs = {
        "commit_url": done.commit_url or "",
        "pr_url": done.pr_url or "",
        "plan": str(plan_file) if plan_file is not None and done.plan is not None else "",
    }
    if path := os.environ.get("GITHUB_OUTPUT"):
        lines = [f"{name}={' '.join(value.split())}" for name, value in outputs.items()]
        with Path(path).open("a", encoding="utf-8") as file:
            file.write("\n".join([*lines, ""]))
    if path := os.environ.get("GITHUB_STEP_SUMMARY"):
        from hubtools.reporting.summary import to_summary

        with Path(path).open("a", encoding="utf-8") as file:
            file.write(to_summary(done.report, _facts(done, mode)))


def _facts(done: CiRun, mode: str) -> dict[str, str]:
    facts = {"folder": str(done.folder), "mode": mode}
    if done.plan is not None:
        from hubtools.files import human_bytes

        facts |= {
            "repository": f"{done.plan.repo} ({done.plan.visibility})",
            "files": f"{len(done.plan.changes)} of {len(done.plan.files)} change,"
            f" {human_bytes(done.plan.bytes_sent)} to send",
            "deleted there": ", ".join(done.plan.deletions[:20]),
        }
    facts |= {"commit": done.commit_url or "", "pull request": done.pr_url or ""}
    return {name: value for name, value in facts.items() if value}
