"""`hubtools train --remote` and `--attach`: the training as a job of the Hub."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hubtools.cli.following import tell_again
from hubtools.errors import ExitCode, HubtoolsError, UsageError
from hubtools.findings import plural
from hubtools.printable import visible
from hubtools.whereabouts import from_here

if TYPE_CHECKING:
    from hubtools.cli.output import Output
    from hubtools.hub.jobs import Job
    from hubtools.jobs.plan import RemotePlan
    from hubtools.progress import Reporter
    from hubtools.project import Project

F = TypeVar("F", bound=Callable[..., Any])
_OF_REMOTE = ("detach", "yes", "job_timeout", "run_repo")


def remote_options() -> Callable[[F], F]:
    """Add the options of a training elsewhere."""
    options = [
        click.option(
            "--remote", metavar="MACHINE",
            help="Train as a job of the Hub on this machine, e.g. l4x1, and fetch the run; shows"
            " the price first.",
        ),
        click.option("--yes", is_flag=True, help="With --remote: send the job unasked."),
        click.option(
            "--detach", is_flag=True, help="With --remote: send the job and do not wait for it."
        ),
        click.option(
            "--attach", metavar="[JOB]", is_flag=False, flag_value="latest",
            help="Follow a job that was sent (default: the last one) and fetch its run.",
        ),
        click.option(
            "--job-timeout", metavar="TIME",
            help="With --remote: when the job is ended, e.g. 2h  [default: three times the guess]",
        ),
        click.option(
            "--run-repo", metavar="OWNER/NAME",
            help="With --remote: the private repository that keeps the run  [default: the run"
            " folder's name and -run]",
        ),
    ]  # fmt: skip

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def asks_elsewhere(options: Mapping[str, Any]) -> bool:
    """Whether the training is not to be one of this machine. Raises `UsageError` for options that
    do not belong together."""
    remote, attach = options["remote"], options["attach"]
    if remote is not None and attach is not None:
        raise UsageError("--remote sends a new job, --attach follows one that was sent: give one.")
    if remote is None:
        for name in _OF_REMOTE:
            if options[name]:
                raise UsageError(
                    f"--{name.replace('_', '-')} belongs to --remote.",
                    hint="hubtools train --remote l4x1 ...",
                )
    return remote is not None or attach is not None


def train_elsewhere(
    out: Output,
    project: Project,
    reporter: Reporter,
    *,
    remote: str | None,
    attach: str | None,
    yes: bool,
    detach: bool,
    job_timeout: str | None,
    run_repo: str | None,
    resume: bool,
    dry_run: bool,
    skip_validation: bool,
    strict: bool,
) -> None:
    """Send a job or follow one, and fetch its run."""
    from hubtools.commands.elsewhere import plan_train_remote, train_remote

    job: str | Job
    if remote is None:
        job = attach or "latest"
    else:
        plan = plan_train_remote(
            project,
            remote=remote,
            run_repo=run_repo,
            job_timeout=job_timeout,
            resume=resume,
            skip_validation=skip_validation,
            strict=strict,
            reporter=reporter,
            only_shown=dry_run,
        )
        _show(out, plan, dry_run)
        if dry_run:
            return
        _ask(out, plan, yes)
        job = train_remote(plan)
        out.note(f"The job is {job.url}")
        if detach:
            out.result("Sent", essential=job.id, job=job.id, url=job.url)
            out.hint(f"hubtools train --attach {job.id} follows it and fetches the run")
            return
    _attach(out, project, job, resume)


def _show(out: Output, plan: RemotePlan, dry_run: bool) -> None:
    from hubtools.findings import to_text

    out.note("\n".join(plan.lines))
    where = "a new" if plan.place is None else f"the {plan.place.pr}."
    then = "" if plan.place is None else "; it goes on where that stands"
    out.note(f"kept in:        {where} pull request of {plan.repo} (private): {plan.title}{then}")
    if plan.report.findings or plan.report.known:
        out.answer.add_reason(plan.report)
        out.note(to_text(plan.report))
    if not plan.report.ok:
        from hubtools.errors import ChecksFailed

        raise ChecksFailed(
            f"The training plan has errors: {plan.report.summary}.", hint="change what it names"
        )
    if dry_run:
        out.note("The script of the job:\n")
        if out.format != "quiet":  # to be copied: no line is broken
            for line in plan.script().splitlines():
                print(f"    {visible(line)}", file=sys.stderr)
        if plan.in_the_way is not None:
            out.warn(f"it cannot be sent as things are: {plan.in_the_way.message}")
        if out.human:
            out.result("The plan stands; nothing was sent", run_repo=plan.repo)
            if plan.in_the_way is None:
                tell_again(out)
            else:
                out.hint(str(plan.in_the_way.hint))
            return
        guess = plan.estimate
        out.result(
            "The plan stands; nothing was sent",
            machine=guess.machine.name,
            dollars_an_hour=guess.machine.dollars,
            seconds=None if guess.seconds is None else round(guess.seconds),
            dollars=None if guess.cost is None else round(guess.cost, 2),
            timeout=guess.timeout,
            dollars_at_most=round(guess.most, 2),
            run_repo=plan.repo,
        )


def _ask(out: Output, plan: RemotePlan, yes: bool) -> None:
    if yes:
        return
    cost = f"${plan.estimate.machine.dollars:.2f} an hour, ${plan.estimate.most:.2f} at most"
    if not (out.human and sys.stdin.isatty()):
        raise UsageError(
            f"The job would cost {cost}; nothing was sent.",
            hint="add --yes if you mean it",
            code="confirmation-needed",
        )
    if not click.confirm(f"Send the job, for {cost}?", default=False, err=True):
        raise click.Abort


def _attach(out: Output, project: Project, job: str | Job, resume: bool) -> None:
    from hubtools.commands.elsewhere import attach_train

    found: list[Job] = []
    try:
        with out.following("fetching the run", at_once=False) as on_file:
            done = attach_train(
                job, project, resume=resume, on_line=out.note, on_job=found.append, on_file=on_file
            )
    except KeyboardInterrupt:
        if not found:
            raise
        key = found[0].id
        raise HubtoolsError(
            f"The job {key} goes on, and costs money.",
            hint=f"`hubtools train --attach {key}` follows it again, `hf jobs cancel {key}` ends"
            " it",
            exit_code=ExitCode.INTERRUPTED,
            code="interrupted",
        ) from None
    manifest = done.manifest
    out.result(
        f"{manifest.name}: {manifest.steps_done:,} steps, {plural(done.files, 'file')}"
        " fetched and verified by checksum",
        essential=str(done.run_dir),
        run=str(done.run_dir),
        job=found[0].id,
        lora=manifest.lora.file if manifest.lora else None,
        run_repo=done.place.repo,
        pr=done.place.pr,
    )
    out.hint(f"next: hubtools generate --lora {quote(from_here(done.run_dir))}")
