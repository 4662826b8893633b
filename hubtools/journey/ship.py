"""`ship`: all steps from pictures to a published LoRA, in order, each skipped when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubtools.errors import UsageError
from hubtools.hub.client import check_access
from hubtools.journey.ledger import Ledger, digest_of
from hubtools.journey.steps import STEPS
from hubtools.journey.travel import Journey, JourneyReporter, Step, is_done, outputs_of
from hubtools.project import Project


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
    narrator: JourneyReporter,
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
        journey.ledger.finish(step.name, inputs, outputs_of(journey, step), result)
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


def _ledger(project: Project, narrator: JourneyReporter, trust_state: bool) -> Ledger:
    ledger = Ledger.open(project.root, trust_state=trust_state)
    if ledger.foreign:
        narrator.warn(
            f"{ledger.path} was not written by you on this machine; what it says is done counts as"
            " not done (--trust-state believes it)"
        )
    return ledger


def forecast(
    project: Project, narrator: JourneyReporter, first: str | None = None, last: str | None = None
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
            and is_done(journey, step)
            and step.stands(journey, journey.results[step.name])
        ):
            why = "nothing changed since it was done"
        yield step, why


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
    if {"dataset-card", "push-dataset"} & set(names) and project.dataset_dir.is_dir():
        _ = project.dataset_to_change
    if set(names) - {"validate", "dataset-card", "push-dataset"}:
        _ = project.run_to_change
    if "train" in names:
        _ = project.run_to_train
    if "train" in names and not project.train.pretrained_model_name_or_path:
        raise UsageError(
            "No base model is set.",
            hint="set train.pretrained_model_name_or_path in hubtools.toml, or give --base-model",
            code="bad-setting",
        )
    if "push" in names and not project.model.repo:
        raise UsageError(
            "No repository is set for the model.",
            hint='set model.repo = "owner/name" in hubtools.toml, or stop with --until prune',
            code="bad-setting",
        )
    if {"push", "push-dataset"} & set(names):
        targets = []
        if "push-dataset" in names and project.dataset.repo:
            targets.append((project.dataset.repo, "dataset"))
        if "push" in names and project.model.repo:
            targets.append((project.model.repo, "model"))
        for repo, repo_type in targets:
            check_access(repo, repo_type)


__all__ = ["STEPS", "JourneyReporter", "ShipResult", "forecast", "ship"]
