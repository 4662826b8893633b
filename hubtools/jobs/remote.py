"""A job that trains: sent, followed, and its run fetched from the Hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hubtools.dataset.folder.appearing import appearing, is_left_whole
from hubtools.errors import ChecksFailed, HubtoolsError
from hubtools.hub.client import owners
from hubtools.hub.jobs import Job, jobs_of, lines_of, look_at, named, send
from hubtools.jobs.place import Place, bring, open_place
from hubtools.jobs.plan import LABEL, RemotePlan
from hubtools.jobs.script import COMMAND, IMAGE, encoded
from hubtools.layout import RUN_MANIFEST
from hubtools.manifest import RunManifest
from hubtools.publish.again import url_of
from hubtools.training import runfolder

_REPO, _PR = "HUBTOOLS_RUN_REPO", "HUBTOOLS_RUN_PR"
LATEST = "latest"


@dataclass(frozen=True)
class Fetched:
    """A run that was fetched: its folder, what it says of itself, where on the Hub it is, and how
    many files were compared with the checksums there."""

    run_dir: Path
    manifest: RunManifest
    place: Place
    files: int


def start(plan: RemotePlan) -> tuple[Job, Place]:
    """Send the job of a plan, and give where its run will be. Costs money from now on. Raises
    `ChecksFailed` if the plan has errors, and what is in the way of it."""
    if not plan.report.ok:
        raise ChecksFailed(
            f"The training plan has errors: {plan.report.summary}.", hint="change what it names"
        )
    if plan.in_the_way is not None:
        raise plan.in_the_way
    secrets = plan.secrets()
    place = plan.place or open_place(plan.repo, plan.title)
    job = send(
        plan.namespace,
        image=IMAGE,
        command=COMMAND,
        environment=encoded(plan.script(place)) | {_REPO: place.repo, _PR: str(place.pr)},
        secrets=secrets,
        flavor=plan.estimate.machine.name,
        timeout=plan.estimate.timeout,
        labels=plan.labels,
    )
    return job, place


def find_job(text: str) -> Job:
    """The job that `ID`, `NAMESPACE/ID` or an address names; `latest`: the last one of this user
    that trains. Raises `HubtoolsError` if there is none, or another program sent it."""
    if text == LATEST:
        for job in jobs_of(owners()[0], {}):
            if LABEL in job.labels:
                return job
        raise HubtoolsError(
            "You have no job that trains.",
            hint="`hubtools train --remote MACHINE` sends one; of an organisation's give the id",
            code="hub-not-found",
        )
    namespace, key = named(text)
    job = look_at(namespace or owners()[0], key)
    place_of(job)
    return job


def place_of(job: Job) -> Place:
    """Where the run of a job is. Raises `HubtoolsError` for a job of another program."""
    repo, pr = job.environment.get(_REPO, ""), job.environment.get(_PR, "")
    if "/" not in repo or not pr.isdecimal() or len(pr) > 9:
        raise HubtoolsError(
            f"The job {job.id} was not sent by `hubtools train --remote`.",
            hint=f"`hf jobs logs {job.id}` shows what it says",
            code="wrong-kind",
        )
    return Place(repo, int(pr))


def follow(job: Job, say: Callable[[str], None]) -> Job:
    """Tell each line of the job's log until it is over; the job as it then is. Raises
    `HubtoolsError` with what to do if it did not end well, or `KeyboardInterrupt`: the job goes on
    then."""
    for line in lines_of(job):
        say(line)
    job = look_at(job.namespace, job.id)
    if job.stage != "COMPLETED":
        why = f": {job.message}" if job.message else ""
        raise HubtoolsError(
            f"The job {job.id} ended as {job.stage}{why.rstrip('.')}.",
            hint="what it had saved is kept: the same command with --remote goes on with it;"
            f" `hf jobs logs {job.id}` shows its log again",
            code="training-failed",
        )
    return job


def fetch(
    job: Job,
    run_dir: Path,
    *,
    resume: bool = True,
    on_file: Callable[[int, int], None] = lambda done, total: None,
) -> Fetched:
    """Fetch the finished run of a job into `run_dir`, every file compared with its checksum on the
    Hub; `on_file` is told how many of how many are there.
    `resume=False` moves a run that is there aside. Raises `HubtoolsError` if there is one, or
    the run on the Hub is not finished."""
    place = place_of(job)
    earlier: Path | None = None
    if run_dir.exists() and (runfolder.earlier_run(run_dir) or runfolder.has_progress(run_dir)):
        if not resume:
            earlier = runfolder.move_aside(run_dir)
        elif not is_left_whole(run_dir, "fetched"):
            raise HubtoolsError(
                f"{run_dir} holds a run already; that of the job {job.id} is not fetched over it.",
                hint=f"hubtools train --attach {job.id} --output-dir another, or --no-resume, which"
                " moves it aside",
                code="file-exists",
            )
    with appearing(run_dir, "fetched") as folder:
        _, files = bring(place, folder, states=False, on_file=on_file)
        manifest = _finished(folder.path, place)
    if earlier is not None:
        runfolder.keep_ledger(earlier, run_dir)
    return Fetched(run_dir, manifest, place, files)


def _finished(folder: Path, place: Place) -> RunManifest:
    """What the run says of itself. Raises `HubtoolsError` if it is not finished, or its LoRA is
    not the one that it speaks of."""
    if (folder / RUN_MANIFEST).is_file():
        try:
            manifest = RunManifest.read(folder)
        except HubtoolsError as error:
            raise HubtoolsError(
                f"The {RUN_MANIFEST} in pull request {place.pr} of {place.repo} is damaged:"
                f" {str(error).partition(' is damaged: ')[2] or error}",
                hint=f"look at {url_of(place.repo, 'model')}/discussions/{place.pr}, or train anew:"
                " hubtools train --remote MACHINE --no-resume",
                code="file-damaged",
            ) from None
        if runfolder.is_complete(folder, manifest):
            return manifest
    raise HubtoolsError(
        f"Pull request {place.pr} of {place.repo} holds no finished run.",
        hint="the same command with --remote goes on with it",
        code="nothing-there",
    )
