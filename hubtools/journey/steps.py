"""The steps of `ship`: what each reads, leaves and does."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any, Literal

from hubtools.cards.render import write_dataset_card, write_model_card
from hubtools.cards.rules import Kind, check_card
from hubtools.dataset.validate import validate_project
from hubtools.errors import ChecksFailed
from hubtools.evaluation.run import evaluate
from hubtools.files import human_bytes
from hubtools.findings import Report, Severity, plural
from hubtools.hub.collections import collection_sentence
from hubtools.inference.generate import generate_for_run
from hubtools.journey.inputs import (
    drawn,
    endpoint,
    release_files,
    remote_stands,
    run_files,
    train_inputs,
    verdict_inputs,
)
from hubtools.journey.ledger import digest_of
from hubtools.journey.travel import Journey, Step, bar, is_done, outputs_of
from hubtools.layout import (
    CARD,
    EVALUATION,
    LORA_WEIGHTS,
    RUN_MANIFEST,
    SAMPLES_DIR,
)
from hubtools.manifest import RunManifest
from hubtools.progress import duration
from hubtools.project import Project
from hubtools.publish import trash
from hubtools.publish.classify import PrunePlan, classify
from hubtools.publish.halving import halved, only_halves
from hubtools.publish.options import PushOptions
from hubtools.publish.push import PushPlan, Refused, plan_push, push
from hubtools.reporting.placing import beside_placed, placed_in
from hubtools.training.train import train
from hubtools.whereabouts import from_here

NOT_PASSED = "The dataset does not pass"
_WHOLE = "the LoRA stays in full precision, as prune.dtype is not set"


def _checked(
    journey: Journey, report: Report, what: str, hint: str = "fix the errors, then ship again"
) -> None:
    if report.findings:
        journey.narrator.report(report)
    refuse_errors(report, what, hint)


def _of_card(journey: Journey, folder: Path, kind: Kind) -> Report:
    """What is wrong with a card, which is named as one names it here."""
    return placed_in(check_card(folder, kind, **journey.project.rules_of("C")), from_here(folder))


def refuse_errors(report: Report, what: str, hint: str) -> None:
    """Raise `ChecksFailed` if a report has errors; `what` does not pass."""
    if not report.ok:
        raise ChecksFailed(f"{what}: {report.summary}.", hint=hint)


def _validate(journey: Journey) -> tuple[str, dict[str, Any]]:
    with bar(journey.narrator, "reading pictures") as on_picture:
        report = validate_project(journey.project, on_picture=on_picture)
    _checked(journey, beside_placed(report, journey.project.dataset_dir), NOT_PASSED)
    return f"{journey.project.dataset.path}: {report.summary}", {}


def _dataset_card(journey: Journey) -> tuple[str, dict[str, Any]]:
    folder = journey.project.dataset_dir
    write_dataset_card(folder, journey.project)
    _checked(
        journey,
        _of_card(journey, folder, "dataset"),
        "The dataset card does not pass",
    )
    return f"wrote {journey.project.dataset.path}/{CARD}", {}


def _push_dataset(journey: Journey) -> tuple[str, dict[str, Any]]:
    repo = journey.project.dataset.repo
    assert repo is not None  # `needed` has seen to it
    return _send(
        journey,
        journey.project.dataset_dir,
        repo,
        "dataset",
        checked=("validate", "dataset-card"),
    )


def _check_unchanged(journey: Journey, folder: Path, names: tuple[str, ...]) -> None:
    """Raise `ChecksFailed` if a folder is not what these steps, if this run has them, have left."""
    for step in STEPS:
        if step.name in names and step.name in journey.steps and not is_done(journey, step):
            raise ChecksFailed(
                f"{folder} changed after it was checked ({step.name}); it is not sent.",
                hint="ship again: it is then checked anew",
                code="file-changed",
            )


def _send(
    journey: Journey,
    folder: Path,
    repo: str,
    repo_type: Literal["model", "dataset"],
    *,
    checked: tuple[str, ...],
) -> tuple[str, dict[str, Any]]:
    """Push a folder, if it still is what the steps `checked` have left."""
    options = PushOptions.of(journey.project, repo_type)
    plan = plan_push(folder, repo, repo_type, options, trust_state=journey.trust_state)
    _check_unchanged(journey, folder, checked)  # now that all files are hashed
    for note in plan.notes:
        journey.narrator.warn(note)
    journey.narrator.note(f"{repo} ({repo_type}, {plan.visibility})")
    if plan.collection is not None:
        journey.narrator.note(collection_sentence(plan.collection, repo, repo_type))
    if plan.deletions:
        journey.narrator.note(f"deletes there: {', '.join(plan.deletions[:20])}")
    if plan.report.findings:
        _checked(journey, plan.report, f"{repo} cannot be pushed", _hint(plan))
    try:
        with bar(journey.narrator, "sending") as on_commit:
            result = push(plan, on_commit=on_commit)
    except Refused as refused:  # it changed meanwhile, and the plan was made anew
        fresh = refused.plan
        _checked(journey, fresh.report, f"{repo} cannot be pushed", _hint(fresh))
        raise
    facts = {"url": result.url, "commit": result.commit, "repo": repo, "pr": result.pr_url}
    if result.pushed:
        sentence = f"{plural(result.pushed, 'file')} to {result.url}, verified by checksum"
    else:
        sentence = f"{result.url} already has every file"
    return sentence, facts


def _hint(plan: PushPlan) -> str:
    """What helps where a push is refused; ship itself replaces nothing of others."""
    errors = {one.rule for one in plan.report.findings if one.severity is Severity.ERROR}
    if not errors <= {"P130", "P131"}:
        return "fix the errors, then ship again"
    place = quote(from_here(plan.root))
    return (
        f"look at them; `hubtools push {place} {plan.repo} --type {plan.repo_type} --overwrite`"
        " replaces them, then ship again"
    )


def pictures_passed(journey: Journey) -> bool:
    """Whether `validate` has been done; what it said need not be said again."""
    return is_done(journey, next(step for step in STEPS if step.name == "validate"))


def _train(journey: Journey) -> tuple[str, dict[str, Any]]:
    manifest = train(
        journey.project,
        reporter=journey.narrator,
        skip_validation=pictures_passed(journey),
        trust_state=journey.trust_state,
    )
    seconds = f" in {duration(manifest.seconds)}" if manifest.seconds else ""
    return f"{plural(manifest.steps_done, 'step')}{seconds}", {"steps": manifest.steps_done}


def _halve(journey: Journey) -> tuple[str, dict[str, Any]]:
    dtype = journey.project.prune.dtype
    assert dtype is not None  # `needed` has seen to it
    plan = only_halves(halved(chosen_files(journey.project), dtype))
    if not plan.items:
        return f"the LoRA is in {dtype}", {}
    step = next(step for step in STEPS if step.name == "train")
    trained = is_done(journey, step)
    trash.apply(plan)
    if trained:  # it left what the LoRA was made of
        inputs, outputs = digest_of(step.inputs(journey)), outputs_of(journey, step)
        journey.ledger.finish(step.name, inputs, outputs, journey.results[step.name])
    said = [f"{i.path} in {dtype}: {i.half.made_of.words}" for i in plan.items if i.half]
    return "; ".join(said), {"files": [item.path for item in plan.items]}


def _generate(journey: Journey) -> tuple[str, dict[str, Any]]:
    with bar(journey.narrator, "drawing") as on_step:
        records = generate_for_run(journey.project, note=journey.narrator.note, on_step=on_step)
    return f"{plural(len(records), 'picture')}, with the LoRA and without", {
        "files": [record.file for record in records]
    }


def _evaluate(journey: Journey) -> tuple[str, dict[str, Any]]:
    with bar(journey.narrator, "measuring") as on_step:
        result = evaluate(journey.project, note=journey.narrator.note, on_step=on_step)
    return result.recommendation, {"recommended": result.recommended}


def _card(journey: Journey) -> tuple[str, dict[str, Any]]:
    run_dir = journey.project.run_dir
    # Where the pictures went is known only since they were pushed; reproducing needs it.
    pushed = journey.results["push-dataset"]
    if pushed.get("commit") and (run_dir / RUN_MANIFEST).is_file():
        manifest = RunManifest.read(run_dir)
        manifest.dataset.repo = pushed["repo"]
        manifest.dataset.revision = pushed["commit"]
        manifest.write(run_dir, journey.narrator.note)
    for note in write_model_card(run_dir, journey.project).notes:
        journey.narrator.note(note)
    _checked(
        journey,
        _of_card(journey, run_dir, "model"),
        "The model card does not pass",
    )
    return f"wrote {journey.project.train.output_dir}/{CARD}", {}


def chosen_files(project: Project) -> PrunePlan:
    """What of the run is published. Raises `ChecksFailed` if somebody has to decide first."""
    plan = classify(project.run_dir, **project.published)
    if plan.asks:
        names = ", ".join(item.path for item in plan.asks[:5])
        raise ChecksFailed(
            f"hubtools does not know what to do with: {names}.",
            hint="`hubtools prune` shows them; --keep or --drop decides",
            code="confirmation-needed",
        )
    return plan


def _prune(journey: Journey) -> tuple[str, dict[str, Any]]:
    plan = chosen_files(journey.project)
    kept, dropped = plan.bytes_kept, plan.bytes_dropped
    return (
        (
            f"{plural(len(plan.kept), 'file')} ({human_bytes(kept)}) worth publishing;"
            f" {len(plan.dropped)} ({human_bytes(dropped)}) stay here"
        ),
        {"kept": kept, "dropped": dropped},
    )


def _push(journey: Journey) -> tuple[str, dict[str, Any]]:
    project = journey.project
    assert project.model.repo is not None  # `_preconditions` has seen to it
    return _send(
        journey,
        project.run_dir,
        project.model.repo,
        "model",
        checked=("card",),
    )


STEPS: list[Step] = [
    Step(
        "validate",
        "check the pictures and captions",
        inputs=lambda j: {
            "pictures": j.dataset_digest(card=False),
            **j.further_digests(),
            **verdict_inputs(j),
        },
        outputs=lambda j: [],
        run=_validate,
    ),
    Step(
        "dataset-card",
        "write the dataset card",
        inputs=lambda j: {
            "pictures": j.dataset_digest(card=False),
            "settings": j.project.dataset.model_dump(),
        },
        outputs=lambda j: [j.project.dataset_dir / CARD],
        run=_dataset_card,
    ),
    Step(
        "push-dataset",
        "publish the dataset",
        inputs=lambda j: {
            "files": j.dataset_digest(card=True),
            "repo": j.project.dataset.repo,
            "push": j.project.push.model_dump(exclude={"tag"}),
            "endpoint": endpoint(),
        },
        outputs=lambda j: [],
        run=_push_dataset,
        needed=lambda j: None if j.project.dataset.repo else "dataset.repo is not set",
        stands=remote_stands,
    ),
    Step(
        "train",
        "train the LoRA",
        inputs=train_inputs,
        outputs=lambda j: [j.project.run_dir / LORA_WEIGHTS],
        run=_train,
    ),
    Step(
        "halve",
        "write the LoRA in half precision",
        inputs=lambda j: {"dtype": j.project.prune.dtype, "prune": j.project.published},
        outputs=lambda j: [j.project.run_dir / LORA_WEIGHTS],
        run=_halve,
        needed=lambda j: None if j.project.prune.dtype else _WHOLE,
    ),
    Step(
        "generate",
        "draw the samples",
        inputs=lambda j: {
            "lora": j.ledger.hash_file(j.project.run_dir / LORA_WEIGHTS),
            "samples": j.project.samples.model_dump(),
        },
        outputs=lambda j: sorted((j.project.run_dir / SAMPLES_DIR).glob("final_*")),
        run=_generate,
    ),
    Step(
        "evaluate",
        "measure the LoRA against its base",
        inputs=lambda j: {
            "lora": j.ledger.hash_file(j.project.run_dir / LORA_WEIGHTS),
            "samples": j.project.samples.model_dump(
                exclude={"prompts"} if j.project.evaluate.prompts else None
            ),
            "evaluate": j.project.evaluate.model_dump(),
            "pictures": j.dataset_digest(card=False),
        },
        outputs=lambda j: [j.project.run_dir / EVALUATION],
        run=_evaluate,
        needed=lambda j: None if j.project.evaluate.in_ship else "evaluate.in_ship is not set",
    ),
    Step(
        "card",
        "write the model card",
        inputs=lambda j: {
            "model": j.project.model.model_dump(),
            "base": [j.project.base, j.project.train.base_model_repo],
            "dataset": j.project.dataset.model_dump(exclude={"path"}),
            "pushed": j.results["push-dataset"].get("commit"),
            "samples": j.ledger.hash_files(
                j.project.run_dir,
                [path for path in run_files(j) if path.name != RUN_MANIFEST],
            ),
            "drawn": j.ledger.hash_files(j.project.root, drawn(j)),
        },
        outputs=lambda j: [j.project.run_dir / CARD, j.project.run_dir / RUN_MANIFEST],
        run=_card,
    ),
    Step(
        "prune",
        "choose what is worth publishing",
        inputs=lambda j: {
            "files": j.ledger.hash_files(j.project.run_dir, release_files(j)),
            "prune": j.project.published,
        },
        outputs=lambda j: [],
        run=_prune,
    ),
    Step(
        "push",
        "publish the LoRA",
        inputs=lambda j: {
            "files": j.ledger.hash_files(j.project.run_dir, release_files(j)),
            "repo": j.project.model.repo,
            "push": j.project.push.model_dump(),
            "prune": j.project.published,
            "endpoint": endpoint(),
        },
        outputs=lambda j: [],
        run=_push,
        stands=remote_stands,
    ),
]
