"""`train`: from a project to a run folder with a LoRA in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import ChecksFailed, require_extra
from hubtools.findings import plural, to_dict
from hubtools.licensing.resolve import base_facts
from hubtools.manifest import DatasetFacts, RunManifest, changed_versions
from hubtools.progress import PlainReporter, Reporter, silent, unasked
from hubtools.project import Project
from hubtools.quiet import hush
from hubtools.reporting.baseline import add_to_baseline
from hubtools.training import runfolder
from hubtools.training.checkpoints import take_over
from hubtools.training.describe import describe, figures
from hubtools.training.distributed import alone_on_cpu, open_distributed
from hubtools.training.found_states import foreign, newest_usable
from hubtools.training.identity import fingerprint, unlike
from hubtools.training.identity import identity as identity_of
from hubtools.training.optimizer_kinds import check_optimizer
from hubtools.training.pictures import find_pictures
from hubtools.training.plan import TrainPlan
from hubtools.training.prepare import base_fingerprint, find_base, make_plan
from hubtools.training.recipe import DTYPES
from hubtools.training.rules import judge
from hubtools.training.run import Run
from hubtools.training.start import find_start
from hubtools.training.versions import library_versions

if TYPE_CHECKING:
    from hubtools.models.base import Base
    from hubtools.training.distributed import Distributed
    from hubtools.training.pictures import TrainingPictures


def train(
    project: Project,
    *,
    resume: bool = True,
    reporter: Reporter | None = None,
    note: Callable[[str], None] | None = None,
    dry_run: bool = False,
    from_hub: bool = False,
    skip_validation: bool = False,
    strict: bool = False,
    write_baseline: Path | None = None,
    trust_state: bool = False,
) -> RunManifest:
    """Train a LoRA as `project` says and answer the run's facts (also in its `run.json`).

    An earlier run in the folder is continued if it is the same one, bit for bit as if it had
    never stopped; a finished one is left as it is, or goes on if it has more steps now and its
    schedule is constant. `resume=False` moves it aside. `dry_run` tells
    the plan and changes nothing. `from_hub` trains on `dataset.repo` even if there is a local
    folder. `reporter` (or `note`, for plain lines) hears what goes on. `write_baseline`: the file
    to which findings of the plan are written as known. `trust_state` goes on from
    states, or leaves a finished run, that somebody else wrote.

    Raises `ChecksFailed` if dataset or plan do not pass (`strict`: warnings count), `UsageError`
    for settings that cannot be, `HubtoolsError` for a run that differs from the one in the folder
    or a loss that is no number, `ForeignState` for one that somebody else wrote,
    `KeyboardInterrupt` after Ctrl-C or SIGTERM, once state is saved.
    """
    require_extra("train", "Training")
    check_optimizer(project.train)  # of this machine; a job brings its own
    run_dir = project.run_to_train
    group = planning = alone_on_cpu()  # PyTorch takes seconds to start: first see what is refused
    if group is None:
        hush()
        group = open_distributed()
    reporter = reporter or (PlainReporter(note) if note else unasked())
    if not group.main:
        reporter = silent()

    with group.main_first():  # what one has fetched the others find in the cache
        base, folder, family = find_base(project, reporter)
        source = find_pictures(
            project, reporter, from_hub=from_hub, skip_validation=skip_validation
        )
        start = find_start(project, folder)
    told = reporter.note if dry_run else silent().note
    plan = make_plan(project, base, folder, family, source, group, start, told)
    manifest = _manifest(project, base, plan, source, group)
    manifest.base_model.fingerprint = base_fingerprint(base, folder, family)

    identity = identity_of(manifest, group.world_size)
    earlier = runfolder.earlier_run(run_dir)
    progress = runfolder.has_progress(run_dir)
    aside = not resume and (progress or earlier is not None)
    finished, shorter = False, None
    if progress and not aside and earlier is None:
        runfolder.refuse_if_unknown(run_dir, fingerprint(identity))
    if earlier is not None and progress and not aside:
        known = identity_of(earlier, earlier.processes)
        finished = runfolder.is_complete(run_dir, earlier)
        if runfolder.extends(known, identity):
            shorter = fingerprint(known)
        else:
            runfolder.refuse_if_changed(run_dir, known, identity, finished)
    if progress and not aside and (shorter or not finished):
        digest = fingerprint(identity)
        newest = newest_usable(run_dir, (digest, shorter or digest), plan.recipe.steps)
        if newest is None and finished:
            raise runfolder.stateless(run_dir, plan.recipe.steps)
        if newest is not None and newest.facts is not None:
            plan = replace(plan, resumes_at=newest.facts.step)
            if not newest.ours and not trust_state:
                why = foreign(run_dir, newest, plan.recipe.steps)
                if not dry_run:
                    raise why
                reporter.warn(why.message)
            elif changed := changed_versions(newest.facts.versions, manifest.versions):
                reporter.warn(
                    f"The state of step {newest.facts.step:,} was saved with {', '.join(changed)}:"
                    " what the run learns from there on may differ a little."
                )

    reporter.note("\n".join(describe(plan)))
    report = judge(plan, strict=strict, **project.rules_of("T"))
    if write_baseline is not None and group.main:
        (report,) = add_to_baseline([report], write_baseline)
    if report.findings or report.known:
        reporter.report(report)
    if earlier is not None and finished and shorter is None:
        if not dry_run:
            runfolder.refuse_foreign_finish(run_dir, earlier, trust_state)
        reporter.note(
            f"{run_dir} is finished already: {plural(earlier.steps_done, 'step')} with the same"
            " settings and pictures. Nothing to do (`hubtools train --no-resume` trains it anew)."
        )
        return earlier
    if not report.ok:
        raise ChecksFailed(
            f"The training plan has errors: {report.summary}.", hint="change what it names"
        )
    if aside and earlier and (other := unlike(earlier, manifest, project.given)):
        reporter.note(other)
    if dry_run:
        if aside:
            reporter.note(f"{run_dir} would be moved aside.")
        manifest.plan = figures(plan) | {"findings": to_dict(report)["findings"]}
        return manifest

    # this takes seconds, with PyTorch and the libraries that come with it
    reporter.note(f"Loading what encodes the pictures and captions for {base.name}.")
    if planning is not None:
        hush()
        group = open_distributed()
    group.barrier()  # every process has looked at the folder before one changes it
    with ExitStack() as stack:
        if group.main:
            if aside:
                with runfolder.locked(run_dir):
                    pass  # nobody is writing there
                old = runfolder.move_aside(run_dir)
                runfolder.keep_ledger(old, run_dir)
                reporter.note(f"The earlier run is now {old}.")
            stack.enter_context(runfolder.locked(run_dir))
            if shorter is not None:
                take_over(run_dir, shorter, fingerprint(identity), trust_state)
            if earlier is not None and not aside:
                runfolder.know_lora(run_dir, earlier)
        group.barrier()
        run = Run(
            project, base, family, plan, group, reporter, manifest, identity, trust_state, start
        )
        return run.go(resume)


def _manifest(
    project: Project, base: Base, plan: TrainPlan, source: TrainingPictures, group: Distributed
) -> RunManifest:
    recipe = plan.recipe
    of_class = sum(example.of_class for example in source.examples)
    return RunManifest(
        name=project.run_dir.name,
        status="running",
        started=runfolder.now(),
        base_model=base_facts(base).model_copy(
            update={"family": plan.base.family, "prediction_type": recipe.prediction_type}
        ),
        dataset=DatasetFacts(
            repo=source.repo,
            revision=source.revision,
            fingerprint=source.fingerprint,
            images=len(source.examples) - of_class,
            held_out=len(source.held_out),
            of_class=of_class,
            fingerprint_of_own=source.fingerprint_of_own if of_class else None,
            caption_column=project.dataset.caption_column,
            trigger=project.dataset.trigger,
            class_noun=project.dataset.class_noun if recipe.settings.keeps_answers else None,
            license=project.dataset.license,
        ),
        started_from=plan.started_from,
        train=recipe.resolved(),
        steps=recipe.steps,
        epochs=round(recipe.epochs, 4),
        seed=recipe.settings.seed,
        processes=group.world_size,
        device=_device_name(group),
        dtype=DTYPES[recipe.precision],
        versions=library_versions(recipe.settings),
    )


def _device_name(group: Distributed) -> str:
    if group.device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(group.device)
    return group.device.type
