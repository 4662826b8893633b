"""`train --remote` and `train --attach` as functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hubtools.commands.asked import Progress, ProjectLike, project_of, quiet
from hubtools.commands.drawing import train

if TYPE_CHECKING:
    from hubtools.hub.jobs import Job
    from hubtools.jobs.plan import RemotePlan
    from hubtools.jobs.remote import Fetched
    from hubtools.progress import Reporter


def plan_train_remote(
    project: ProjectLike = None,
    *,
    remote: str,
    run_repo: str | None = None,
    job_timeout: str | None = None,
    resume: bool = True,
    skip_validation: bool = False,
    strict: bool = False,
    reporter: Reporter | None = None,
    only_shown: bool = False,
    **settings: Any,
) -> RemotePlan:
    """What `train_remote` would send to the machine `remote` (`l4x1`) of HF Jobs, with its price
    and a guess of the time; judged as that machine would. Nothing is sent. `run_repo`: the private
    repository that keeps the run; `job_timeout` such as 2h; `only_shown`: it is not to be sent, and
    what is in the way of that (a run that lies here, a job that is there) is told. The other
    arguments are those of `train`."""
    from hubtools.jobs.plan import plan_remote

    project = project_of(train, project, settings)
    given = project.given
    return plan_remote(
        project,
        remote,
        run_repo=run_repo,
        timeout=job_timeout,
        resume=resume,
        strict=strict,
        skip_validation=skip_validation,
        from_hub="dataset.repo" in given and "dataset.path" not in given,
        reporter=reporter,
        only_shown=only_shown,
    )


def train_remote(plan: RemotePlan) -> Job:
    """Send the job of a plan. It costs money from now on, until it ends or its time is over."""
    from hubtools.jobs.remote import start

    return start(plan)[0]


def attach_train(
    job: str | Job,
    project: ProjectLike = None,
    *,
    resume: bool = True,
    on_line: Callable[[str], None] = quiet,
    on_job: Callable[[Job], None] | None = None,
    on_file: Progress | None = None,
    **settings: Any,
) -> Fetched:
    """Follow a job of `train_remote` (its id, or `latest`) to its end, and fetch its run into the
    project's run folder, compared with the checksums on the Hub. `resume=False` moves a run that is
    there aside. `on_job` is told which job it is, `on_line` each line of its log, `on_file` how
    many files of how many are fetched. Raises `HubtoolsError` if the job failed."""
    from hubtools.jobs.remote import fetch, find_job, follow

    project = project_of(train, project, settings)
    run_dir = project.run_to_train
    found = find_job(job) if isinstance(job, str) else job
    if on_job is not None:
        on_job(found)
    done = follow(found, on_line)
    return fetch(done, run_dir, resume=resume, on_file=on_file or (lambda done, total: None))
