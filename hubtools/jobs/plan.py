"""What a training elsewhere would be: made and judged here, before anything costs money."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from hubtools.environment import PATHS, PATHS_OR_IDS
from hubtools.errors import HubtoolsError, UsageError
from hubtools.findings import Report
from hubtools.hub.client import check_access, full_repo_id
from hubtools.hub.errors import as_sentence
from hubtools.hub.jobs import Machine, jobs_of, machines, token_for_jobs
from hubtools.jobs.estimate import Estimate, estimated, precision_on
from hubtools.jobs.place import Place, check_private, find_place
from hubtools.jobs.script import script_of
from hubtools.leaks import tokens
from hubtools.progress import Reporter, silent, unasked
from hubtools.project import Project
from hubtools.project_file import to_toml
from hubtools.tinypeople import REPO_NAME, bundled
from hubtools.training import runfolder
from hubtools.training.describe import describe
from hubtools.training.distributed import planned
from hubtools.training.optimizer_kinds import kind_of
from hubtools.training.pictures import TrainingPictures, find_pictures
from hubtools.training.plan import TrainPlan
from hubtools.training.prepare import find_base, make_plan
from hubtools.training.rules import judge
from hubtools.training.start import find_start

if TYPE_CHECKING:
    from hubtools.models.base import Base

LABEL = "hubtools-run"  # of a job: which run it is of
_OF_HERE = "T130"  # asks what is installed on this machine
_DISK = 10**15  # bytes: that of the machine is not known
_LISTS = {("samples", "validation_images"), ("dataset", "other_folders")}  # of paths
# Paths that a job needs not; the base, which is judged with better words.
_LEFT_HERE = {
    *(("dataset", "path"), ("rules", "baseline"), ("train", "output_dir")),
    *(("evaluate", "held_out"), ("train", "pretrained_model_name_or_path")),
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 7 * 86400  # seconds


@dataclass(frozen=True)
class RemotePlan:
    """A training elsewhere. `settings`: the hubtools.toml that it has there. `place`: the pull
    request of an earlier job with the same settings, whose run goes on. `key`: the run, as jobs are
    labelled with. `in_the_way`: why it cannot be sent as things are."""

    project: Project
    repo: str
    title: str
    key: str
    settings: str
    estimate: Estimate
    processes: int
    place: Place | None
    lines: tuple[str, ...]
    report: Report
    in_the_way: HubtoolsError | None = None

    @property
    def namespace(self) -> str:
        """Who pays."""
        return self.repo.partition("/")[0]

    @property
    def labels(self) -> dict[str, str]:
        """Those of its job."""
        return {LABEL: self.key}

    def script(self, place: Place | None = None) -> str:
        """The script of its job."""
        place = place or self.place
        return script_of(
            self.settings,
            name=_slug(self.project.run_dir.name),
            repo=self.repo,
            pr=place.pr if place else None,
            flavor=self.estimate.machine.name,
            timeout=self.estimate.timeout,
            processes=self.processes,
            labels=self.labels,
            extras=self.extras,
            secrets=sorted(self.secrets()),
        )

    @property
    def extras(self) -> tuple[str, ...]:
        """What of hubtools the job installs, for the optimizer and the trackers."""
        settings = self.project.train
        kinds = {"train", kind_of(settings).extra, *settings.report_to} - {None, "none", "all"}
        if settings.enable_xformers_memory_efficient_attention:
            kinds.add("xformers")
        return tuple(sorted(map(str, kinds)))

    def secrets(self) -> dict[str, str]:
        """Variables of the job that nobody is shown. Raises `HubtoolsError` without a token."""
        found = {"HF_TOKEN": token_for_jobs()}
        key = os.environ.get("WANDB_API_KEY")
        if key and "wandb" in self.project.train.report_to:
            found["WANDB_API_KEY"] = key
        return found


def plan_remote(
    project: Project,
    flavor: str,
    *,
    run_repo: str | None = None,
    timeout: str | None = None,
    resume: bool = True,
    strict: bool = False,
    from_hub: bool = False,
    skip_validation: bool = False,
    reporter: Reporter | None = None,
    only_shown: bool = False,
) -> RemotePlan:
    """Plan a training on `flavor`, and judge it as that machine would. Nothing is sent or written.

    `run_repo`: where the run is kept on the Hub, by default the run folder's name and `-run`.
    `timeout` such as 2h. `resume` goes on with the run of an earlier job. `from_hub`: the pictures
    on the Hub are meant, whatever lies here. `only_shown`: the plan is not to be sent, so that a
    run which lies here, or a job of it, stops nothing, and is told.

    Raises `UsageError` for a base or pictures that are on this machine only, or a machine that
    the Hub does not have; `HubtoolsError` where a job of this run is running.
    """
    reporter = reporter or unasked()
    seconds = None if timeout is None else seconds_of(timeout)
    blocked: list[HubtoolsError] = []

    def allow(refuse: Callable[[], None]) -> None:
        try:
            refuse()
        except HubtoolsError as error:
            if not only_shown:
                raise
            blocked.append(error)

    run_dir = project.run_to_train
    allow(lambda: _refuse_run_here(run_dir, resume))
    _refuse_places(project)
    machine = _machine(flavor)
    repo = full_repo_id(run_repo or f"{_slug(project.run_dir.name)}-run")
    check_access(repo, "model")
    is_there = check_private(repo)
    base, source, plan = _planned(project, machine, from_hub, skip_validation, reporter)
    settings = _settings(project, base, source, machine)
    # another price makes no other run
    same = re.sub(r"(?m)^price_per_hour = .*\n", "", settings)
    digest = hashlib.sha256(f"{machine.gpus} {same}".encode()).hexdigest()[:12]
    title = f"Run of {project.run_dir.name} [{digest}]"
    key = f"{_slug(project.run_dir.name)[:80]}-{digest}"
    place = find_place(repo, title) if is_there and resume else None
    allow(lambda: _refuse_running(repo.partition("/")[0], key))
    estimate = estimated(plan, machine, seconds)
    told = (line for line in describe(plan) if not line.startswith(("time:", "cost:", "disk:")))
    lines = (*told, *estimate.lines())
    rules = project.rules_of("T")
    rules["ignore"] = [*rules["ignore"], _OF_HERE]
    report = judge(plan, strict=strict, **rules)
    return RemotePlan(
        project, repo, title, key, settings, estimate, max(1, machine.gpus), place, lines, report,
        blocked[0] if blocked else None,
    )  # fmt: skip


def seconds_of(text: str) -> int:
    """`90m`, `2h`, `1.5h` or a number of seconds. Raises `UsageError`."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smhd]?)", text.strip())
    seconds = int(float(found[1]) * _UNITS[found[2] or "s"]) if found else 0
    if not 60 <= seconds <= _LONGEST:
        raise UsageError(
            f"--job-timeout {text} cannot be: from a minute to seven days.", hint="e.g. 90m or 2h"
        )
    return seconds


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "lora"


def _machine(flavor: str) -> Machine:
    if flavor == "slurm":
        raise UsageError(
            "Slurm is no machine of the Hub.",
            hint="`hubtools launch slurm` writes the script that a cluster takes",
        )
    found = {machine.name: machine for machine in machines()}
    if flavor not in found:
        priced = (f"{one.name} (${one.dollars:.2f})" for one in found.values())
        raise UsageError(
            f"The Hub has no machine {flavor!r} for jobs.",
            hint=f"it has, with dollars an hour: {', '.join(priced)}",
        )
    return found[flavor]


def _refuse_run_here(run_dir: Path, resume: bool) -> None:
    """Raise `HubtoolsError` if the run would be fetched over another."""
    if resume and (runfolder.earlier_run(run_dir) or runfolder.has_progress(run_dir)):
        raise HubtoolsError(
            f"{run_dir} holds a run already, and the one from elsewhere is to be fetched there.",
            hint="give another --output-dir, or --no-resume, which moves it aside",
            code="file-exists",
        )


def _refuse_places(project: Project) -> None:
    """Raise `UsageError` for what lies on this machine only, and what no file may say."""
    train = project.train
    if train.allow_pickle:
        raise UsageError(
            "A base with pickled weights is not trained on elsewhere.",
            hint="leave --allow-pickle out; `hubtools convert` writes .safetensors",
        )
    for section, key in sorted({*PATHS, *PATHS_OR_IDS, *_LISTS} - _LEFT_HERE):
        value = getattr(getattr(project, section), key)
        for place in [value] if isinstance(value, str) else value or []:
            if (section, key) in PATHS_OR_IDS and not project.at(place).exists():
                continue  # the id of a repository
            raise UsageError(
                f"{section}.{key} is {place}, which is on this machine only.",
                hint="leave it out, or give what is on the Hub where it takes that",
                code="bad-setting",
            )


def _planned(
    project: Project, machine: Machine, from_hub: bool, skip_validation: bool, reporter: Reporter
) -> tuple[Base, TrainingPictures, TrainPlan]:
    """The plan of the run as it would be on the machine."""
    precision = project.train.mixed_precision
    if precision == "auto":
        precision = precision_on(machine)  # type: ignore[assignment]
    here = {
        ("train", "mixed_precision"): "bf16" if precision == "fp16" else precision,
        ("train", "enable_xformers_memory_efficient_attention"): False,
    }
    as_there = project.with_settings(here)
    base, folder, family = find_base(as_there, reporter)
    known = base.revision is not None and base.id is not None and base.single is None
    if not known and bundled(project.train.pretrained_model_name_or_path or "") is None:
        raise UsageError(
            f"The base {base.shown} is on this machine only.",
            hint="put it on the Hub (`hf upload OWNER/NAME DIR`), and give its id: --base-model"
            " OWNER/NAME",
            code="bad-setting",
        )
    source = _pictures(as_there, from_hub, skip_validation, reporter)
    group = planned(max(1, machine.gpus))
    start = find_start(as_there, folder)  # on the Hub: see `_refuse_places`
    plan = make_plan(as_there, base, folder, family, source, group, start)
    there: dict[str, Any] = {"bytes_free": _DISK, "cache_bytes_free": None}
    if machine.gpu is not None:
        there |= {"device": "cuda", "memory_free": machine.memory}
    return base, source, replace(plan, **there)


def _pictures(
    project: Project, from_hub: bool, skip_validation: bool, reporter: Reporter
) -> TrainingPictures:
    """Those on the Hub, judged; they must be those that lie here, if any do."""
    repo, here = project.dataset.repo, project.dataset_dir
    if not from_hub:
        project.to_draw_from("dataset", "path", project.dataset.path, "trained")
    if repo is None:
        name = here.name if here.is_dir() else "DIR"
        raise UsageError(
            "The pictures are on this machine only, and a job reads them from the Hub.",
            hint=f"`hubtools push {quote(name)} OWNER/NAME --type dataset` puts them there,"
            " private; then give --dataset-name OWNER/NAME",
            code="bad-setting",
        )
    try:
        source = find_pictures(project, reporter, from_hub=True, skip_validation=skip_validation)
    except Exception as error:
        said = as_sentence(error)
        if from_hub or said is None or said.code != "hub-not-found" or not here.is_dir():
            raise
        raise UsageError(
            f"{said.message} A job reads the pictures from there.",
            hint=f"`hubtools push {quote(here.name)} {repo} --type dataset` puts them there,"
            " private",
            code=said.code,
        ) from error
    if not from_hub and here.is_dir():
        local = find_pictures(project, silent(), from_hub=False, skip_validation=True)
        if local.fingerprint != source.fingerprint:
            raise UsageError(
                f"{here} holds other pictures or captions than {repo} on the Hub.",
                hint=f"`hubtools push {quote(here.name)} {repo} --type dataset` sends what changed;"
                f" or --dataset-name {repo} trains on what is there",
                code="file-changed",
            )
    return source


def _settings(project: Project, base: Base, source: TrainingPictures, machine: Machine) -> str:
    """A hubtools.toml with all that decides the run, and no place on this machine."""
    train = project.train
    precision = train.mixed_precision
    held = {"output_dir", "num_threads", "allow_pickle", "price_per_hour", "mixed_precision"}
    text = to_toml(
        {
            "dataset": project.dataset.model_dump(
                exclude={"path", "embeddings"}, exclude_defaults=True
            )
            | {"path": "not-here", "repo": source.repo, "revision": source.revision},
            "rules": project.rules.model_dump(exclude={"baseline"}, exclude_defaults=True),
            "train": train.model_dump(exclude=held, exclude_defaults=True)
            | {
                # without a commit it is the one that hubtools brings
                "pretrained_model_name_or_path": base.id if base.revision else REPO_NAME,
                "revision": base.revision,
                "output_dir": f"runs/{project.run_dir.name}",
                "mixed_precision": precision_on(machine) if precision == "auto" else precision,
                "price_per_hour": machine.dollars,
            },
            "samples": project.samples.model_dump(exclude_defaults=True),
            "evaluate": project.evaluate.model_dump(exclude={"held_out"}, exclude_defaults=True),
            "model": project.model.model_dump(exclude_defaults=True),
            "prune": project.prune.model_dump(exclude_defaults=True),
            "push": project.push.model_dump(exclude={"allowed_secrets"}, exclude_defaults=True),
        }
    )
    if any(tokens(text)):
        raise UsageError(
            "The settings hold an access token, and a job's script must not.",
            hint="take it out of hubtools.toml; the job gets your own token as a secret",
            code="bad-setting",
        )
    return text


def _refuse_running(namespace: str, key: str) -> None:
    """Raise `HubtoolsError` if a job of this run is not over."""
    for job in islice(jobs_of(namespace, {LABEL: key}), 20):
        if not job.is_done:
            raise HubtoolsError(
                f"A job for this run is there already: {job.url} ({job.stage}).",
                hint=f"`hubtools train --attach {job.id}` follows it and fetches the run",
                code="busy",
            )
