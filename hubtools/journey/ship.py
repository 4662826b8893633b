"""`ship`: all steps from pictures to a published LoRA, in order, each skipped when it is done."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from hubtools.errors import ChecksFailed, UsageError
from hubtools.findings import Report
from hubtools.journey.ledger import Ledger, digest_of
from hubtools.layout import (
    CARD,
    EVALUATION,
    EVALUATION_CHART,
    LORA_WEIGHTS,
    RUN_MANIFEST,
    SAMPLES_DIR,
    WORK_DIR,
)
from hubtools.project import Project
from hubtools.training.reporter import Advance, Reporter


class Narrator(Reporter, Protocol):
    """Whoever tells the user how the journey goes."""

    def started(self, step: str, title: str) -> None:
        """`step` begins."""

    def skipped(self, step: str, title: str, why: str) -> None:
        """`step` has nothing to do."""

    def done(self, step: str, sentence: str, seconds: float) -> None:
        """`step` is finished."""


@contextmanager
def _bar(narrator: Narrator, title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress display for what reports (done so far, total)."""
    with ExitStack() as stack:
        advance: Advance | None = None
        seen = 0

        def on_step(done: int, total: int) -> None:
            nonlocal advance, seen
            if advance is None:
                advance = stack.enter_context(narrator.progress(title, total))
            advance(done - seen, "")
            seen = done

        yield on_step


@dataclass
class Journey:
    """What all steps share."""

    project: Project
    narrator: Narrator
    ledger: Ledger
    trust_state: bool = False
    steps: tuple[str, ...] = ()  # those of this run
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def dataset_files(self, *, card: bool) -> list[Path]:
        """Every file of the dataset folder in a fixed order, with or without its card."""
        root = self.project.dataset_dir
        found = []
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder) / name
                if name.startswith(".") or (path == root / CARD and not card):
                    continue
                found.append(path)
        return found

    def dataset_digest(self, *, card: bool) -> str:
        """One digest over the dataset folder."""
        return self.ledger.hash_files(self.project.dataset_dir, self.dataset_files(card=card))


@dataclass(frozen=True)
class Step:
    """One leg: what it reads (`inputs`), what it leaves (`outputs`), and doing it (`run`).

    `run` answers (a sentence for the user, small facts for later steps). `needed` says why there
    is nothing to do at all, or None. `stands` re-checks a remote result before a skip.
    """

    name: str
    title: str
    inputs: Callable[[Journey], Any]
    outputs: Callable[[Journey], list[Path]]
    run: Callable[[Journey], tuple[str, dict[str, Any]]]
    needed: Callable[[Journey], str | None] = lambda journey: None
    stands: Callable[[Journey, dict[str, Any]], bool] = lambda journey, result: True


@dataclass(frozen=True)
class ShipResult:
    """Where everything ended up. `None` where a step was not part of this run."""

    done: tuple[str, ...]
    skipped: tuple[str, ...]
    dataset_url: str | None
    model_url: str | None
    run_dir: Path


def ship(
    project: Project,
    narrator: Narrator,
    *,
    first: str | None = None,
    last: str | None = None,
    trust_state: bool = False,
) -> ShipResult:
    """Run the steps from `first` to `last` (names of `STEPS`, both included, default all).

    A step whose inputs and outputs have not changed since it last finished is skipped. Kill it at
    any moment and run it again: it continues where it stopped. What a ledger that came with the
    folder calls done is not, unless `trust_state`. Raises `ChecksFailed` when a check finds errors,
    `ForeignState` as `plan_push`, `HubtoolsError` for everything else that stops the journey.
    """
    steps = _between(first, last)
    _preconditions(project, [step.name for step in steps])
    names = tuple(step.name for step in steps)
    journey = Journey(
        project, narrator, _ledger(project, narrator, trust_state), trust_state, names
    )
    done, skipped = [], []
    for step, why in _walk(journey, steps):
        if why is not None:
            narrator.skipped(step.name, step.title, why)
            skipped.append(step.name)
            continue
        inputs = digest_of(step.inputs(journey))
        narrator.started(step.name, step.title)
        begun = time.monotonic()
        sentence, result = step.run(journey)
        journey.results[step.name] = result
        journey.ledger.finish(step.name, inputs, _outputs(journey, step), result)
        narrator.done(step.name, sentence, time.monotonic() - begun)
        done.append(step.name)
    journey.ledger.save()
    return ShipResult(
        tuple(done),
        tuple(skipped),
        journey.results["push-dataset"].get("url"),
        journey.results["push"].get("url"),
        project.run_dir,
    )


def _ledger(project: Project, narrator: Narrator, trust_state: bool) -> Ledger:
    ledger = Ledger.open(project.root, trust_state=trust_state)
    if ledger.foreign:
        narrator.warn(
            f"{ledger.path} was not written by you on this machine; what it says is done counts as"
            " not done (--trust-state believes it)"
        )
    return ledger


def forecast(
    project: Project, narrator: Narrator, first: str | None = None, last: str | None = None
) -> list[tuple[Step, str, str]]:
    """What `ship` would do: (step, `run` or `skip`, why). Changes nothing.

    A step after one that would run is said to run: its inputs will have changed.
    """
    journey = Journey(project, narrator, _ledger(project, narrator, False))
    rows = []
    running = False
    for step, why in _walk(journey, _between(first, last)):
        if why is None or (running and step.needed(journey) is None):
            running = True
            rows.append((step, "run", step.title))
        else:
            rows.append((step, "skip", why or ""))
    return rows


def _walk(journey: Journey, steps: list[Step]) -> Iterator[tuple[Step, str | None]]:
    """Each chosen step with the reason to skip it, or None. Decided only when it is its turn."""
    for step in STEPS:
        # Steps left out by --from still hand their results to later ones.
        journey.results[step.name] = journey.ledger.result(step.name)
        if step not in steps:
            continue
        why = step.needed(journey)
        if (
            why is None
            and _is_done(journey, step)
            and step.stands(journey, journey.results[step.name])
        ):
            why = "nothing changed since it was done"
        yield step, why


def _is_done(journey: Journey, step: Step) -> bool:
    inputs = digest_of(step.inputs(journey))
    return journey.ledger.is_done(step.name, inputs, _outputs(journey, step))


def _outputs(journey: Journey, step: Step) -> str:
    return digest_of(
        {
            str(path): journey.ledger.hash_file(path)
            for path in step.outputs(journey)
            if path.is_file()
        }
    )


def _between(first: str | None, last: str | None) -> list[Step]:
    names = [step.name for step in STEPS]
    for name in (first, last):
        if name is not None and name not in names:
            raise UsageError(f"No step is called {name!r}.", hint=f"steps: {', '.join(names)}")
    begin = names.index(first) if first else 0
    end = names.index(last) if last else len(names) - 1
    if begin > end:
        raise UsageError(f"--from {first} comes after --until {last}.")
    return STEPS[begin : end + 1]


def _preconditions(project: Project, names: list[str]) -> None:
    """Refuse at once what would otherwise fail after hours of training."""
    if "train" in names and not project.train.pretrained_model_name_or_path:
        raise UsageError(
            "No base model is set.",
            hint="set train.pretrained_model_name_or_path in hubtools.toml, or give --base-model",
        )
    if "push" in names and not project.model.repo:
        raise UsageError(
            "No repository is set for the model.",
            hint='set model.repo = "owner/name" in hubtools.toml, or stop with --until prune',
        )
    if {"push", "push-dataset"} & set(names):
        from hubtools.publish.hub import check_access

        targets = []
        if "push-dataset" in names and project.dataset.repo:
            targets.append((project.dataset.repo, "dataset"))
        if "push" in names and project.model.repo:
            targets.append((project.model.repo, "model"))
        for repo, repo_type in targets:
            check_access(repo, repo_type)


# --- the steps ---------------------------------------------------------------------------------


def _checked(journey: Journey, report: Report, what: str) -> None:
    if report.findings:
        journey.narrator.report(report)
    if not report.ok:
        raise ChecksFailed(f"{what}: {report.summary}.", hint="fix the errors, then ship again")


def _validate(journey: Journey) -> tuple[str, dict[str, Any]]:
    from hubtools.dataset.check import validate

    settings = journey.project
    with _bar(journey.narrator, "reading pictures") as on_picture:
        report = validate(
            settings.dataset_dir,
            settings.dataset,
            resolution=settings.train.resolution,
            base=settings.base,
            on_picture=on_picture,
            **settings.rule_choice,
        )
    _checked(journey, report, "The dataset does not pass")
    return f"{journey.project.dataset.path}: {report.summary}", {}


def _dataset_card(journey: Journey) -> tuple[str, dict[str, Any]]:
    from hubtools.cards.check import check_card
    from hubtools.cards.render import write_dataset_card

    folder = journey.project.dataset_dir
    write_dataset_card(folder, journey.project)
    _checked(journey, check_card(folder, "dataset"), "The dataset card does not pass")
    return f"wrote {journey.project.dataset.path}/{CARD}", {}


def _push_dataset(journey: Journey) -> tuple[str, dict[str, Any]]:
    repo = journey.project.dataset.repo
    assert repo is not None  # `needed` has seen to it
    return _send(
        journey,
        journey.project.dataset_dir,
        repo,
        "dataset",
        tag=None,
        checked=lambda: _check_validated(journey),
    )


def _check_validated(journey: Journey) -> None:
    """Raise `ChecksFailed` if the pictures are not those that this run has validated."""
    validate = next(step for step in STEPS if step.name == "validate")
    if validate.name in journey.steps and not _is_done(journey, validate):
        raise ChecksFailed(
            f"{journey.project.dataset.path} changed after it was validated; it is not sent.",
            hint="ship again: it is then validated anew",
        )


def _send(
    journey: Journey,
    folder: Path,
    repo: str,
    repo_type: Literal["model", "dataset"],
    *,
    tag: str | None,
    checked: Callable[[], None] = lambda: None,
) -> tuple[str, dict[str, Any]]:
    """Push a folder. `checked` raises if it is not what was checked; asked once its files are
    hashed."""
    from hubtools.publish.push import PushOptions, plan_push, push

    settings = journey.project.push
    options = PushOptions(private=settings.private, pr=settings.pr, tag=tag)
    plan = plan_push(folder, repo, repo_type, options, trust_state=journey.trust_state)
    checked()
    for note in plan.notes:
        journey.narrator.warn(note)
    journey.narrator.note(f"{repo} ({repo_type}, {plan.visibility})")
    if plan.deletions:
        journey.narrator.note(f"deletes there: {', '.join(plan.deletions[:20])}")
    if plan.report.findings:
        _checked(journey, plan.report, f"{repo} cannot be pushed")
    with _bar(journey.narrator, "sending") as on_commit:
        result = push(plan, on_commit=on_commit)
    facts = {"url": result.url, "commit": result.commit, "repo": repo, "pr": result.pr_url}
    if result.pushed:
        sentence = f"{result.pushed} files to {result.url}, verified by checksum"
    else:
        sentence = f"{result.url} already has every file"
    return sentence, facts


def _train(journey: Journey) -> tuple[str, dict[str, Any]]:
    from hubtools.training.train import train

    # What `validate` has just said need not be said again.
    validated = _is_done(journey, next(step for step in STEPS if step.name == "validate"))
    manifest = train(
        journey.project,
        reporter=journey.narrator,
        skip_validation=validated,
        trust_state=journey.trust_state,
    )
    seconds = f" in {manifest.seconds:.0f} s" if manifest.seconds else ""
    return f"{manifest.steps_done} steps{seconds}", {"steps": manifest.steps_done}


def _generate(journey: Journey) -> tuple[str, dict[str, Any]]:
    from hubtools.inference.generate import generate_for_run

    with _bar(journey.narrator, "drawing") as on_step:
        records = generate_for_run(journey.project, note=journey.narrator.note, on_step=on_step)
    return f"{len(records)} pictures, with the LoRA and without", {
        "files": [record.file for record in records]
    }


def _evaluate(journey: Journey) -> tuple[str, dict[str, Any]]:
    from hubtools.evaluation.run import evaluate

    with _bar(journey.narrator, "measuring") as on_step:
        result = evaluate(journey.project, note=journey.narrator.note, on_step=on_step)
    return result.recommendation, {"recommended": result.recommended}


def _card(journey: Journey) -> tuple[str, dict[str, Any]]:
    from hubtools.cards.check import check_card
    from hubtools.cards.render import write_model_card
    from hubtools.manifest import RunManifest

    run_dir = journey.project.run_dir
    # Where the pictures went is known only since they were pushed; reproducing needs it.
    pushed = journey.results["push-dataset"]
    if pushed.get("commit"):
        manifest = RunManifest.read(run_dir)
        manifest.dataset.repo = pushed["repo"]
        manifest.dataset.revision = pushed["commit"]
        manifest.write(run_dir)
    write_model_card(run_dir, journey.project)
    _checked(journey, check_card(run_dir, "model"), "The model card does not pass")
    return f"wrote {journey.project.train.output_dir}/{CARD}", {}


def _prune(journey: Journey) -> tuple[str, dict[str, Any]]:
    from hubtools.files import human_bytes
    from hubtools.publish.prune import classify

    plan = classify(journey.project.run_dir)
    if plan.asks:
        names = ", ".join(item.path for item in plan.asks[:5])
        raise ChecksFailed(
            f"hubtools does not know what to do with: {names}.",
            hint="`hubtools prune` shows them; --keep or --drop decides",
        )
    kept, dropped = plan.bytes_kept, plan.bytes_dropped
    return (
        (
            f"{len(plan.kept)} files ({human_bytes(kept)}) are worth publishing;"
            f" {len(plan.dropped)} ({human_bytes(dropped)}) stay here"
        ),
        {"kept": kept, "dropped": dropped},
    )


def _push(journey: Journey) -> tuple[str, dict[str, Any]]:
    project = journey.project
    assert project.model.repo is not None  # `_preconditions` has seen to it
    return _send(journey, project.run_dir, project.model.repo, "model", tag=project.push.tag)


# --- what they read and leave ------------------------------------------------------------------


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "")


def _remote_stands(journey: Journey, result: dict[str, Any]) -> bool:
    """The repository still exists and still is where it was left."""
    from hubtools.publish.hub import remote_head

    if not result.get("repo"):
        return False
    repo_type = "dataset" if "/datasets/" in str(result.get("url")) else "model"
    return result.get("pr") is not None or remote_head(result["repo"], repo_type) == result.get(
        "commit"
    )


def _run_files(journey: Journey) -> Iterator[Path]:
    """The run folder's files that a card or a push reads; states and logs are neither."""
    run_dir = journey.project.run_dir
    for name in (RUN_MANIFEST, LORA_WEIGHTS, EVALUATION, EVALUATION_CHART):
        yield run_dir / name
    yield from sorted((run_dir / SAMPLES_DIR).glob("*"))


def _train_inputs(journey: Journey) -> dict[str, Any]:
    project = journey.project
    train = project.train.model_dump(exclude={"output_dir", "num_threads"})
    return {
        "pictures": journey.dataset_digest(card=False),
        "dataset": project.dataset.model_dump(include={"caption_column", "trigger", "revision"}),
        "train": train,
        "run": str(project.run_dir),
    }


STEPS: list[Step] = [
    Step(
        "validate",
        "check the pictures and captions",
        inputs=lambda j: {
            "pictures": j.dataset_digest(card=False),
            "settings": j.project.dataset.model_dump(),
            "resolution": j.project.train.resolution,
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
            "endpoint": _endpoint(),
        },
        outputs=lambda j: [],
        run=_push_dataset,
        needed=lambda j: None if j.project.dataset.repo else "dataset.repo is not set",
        stands=_remote_stands,
    ),
    Step(
        "train",
        "train the LoRA",
        inputs=_train_inputs,
        outputs=lambda j: [j.project.run_dir / LORA_WEIGHTS],
        run=_train,
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
            "dataset": j.project.dataset.model_dump(exclude={"path"}),
            "pushed": j.results["push-dataset"].get("commit"),
            "samples": j.ledger.hash_files(
                j.project.run_dir,
                [path for path in _run_files(j) if path.name != RUN_MANIFEST],
            ),
        },
        outputs=lambda j: [j.project.run_dir / CARD, j.project.run_dir / RUN_MANIFEST],
        run=_card,
    ),
    Step(
        "prune",
        "choose what is worth publishing",
        inputs=lambda j: {
            "files": sorted(
                (path.relative_to(j.project.run_dir).as_posix(), path.stat().st_size)
                for path in j.project.run_dir.rglob("*")
                if path.is_file() and WORK_DIR not in path.parts
            )
        },
        outputs=lambda j: [],
        run=_prune,
    ),
    Step(
        "push",
        "publish the LoRA",
        inputs=lambda j: {
            "files": j.ledger.hash_files(
                j.project.run_dir, [*_run_files(j), j.project.run_dir / CARD]
            ),
            "repo": j.project.model.repo,
            "push": j.project.push.model_dump(),
            "endpoint": _endpoint(),
        },
        outputs=lambda j: [],
        run=_push,
        stands=_remote_stands,
    ),
]
