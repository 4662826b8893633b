"""`ship`: all steps from pictures to a published LoRA, in order, each skipped when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hubtools.errors import HubtoolsError, UsageError
from hubtools.hub.errors import as_sentence
from hubtools.journey.ledger import Ledger, digest_of
from hubtools.journey.obstacles import Check, at_its_turn, at_once
from hubtools.journey.steps import STEPS, pictures_passed
from hubtools.journey.travel import Journey, JourneyReporter, Step, is_done, outputs_of
from hubtools.project import Project
from hubtools.trust import NOT_OURS


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
    for _, check in at_once(project, [step.name for step in steps]):
        check()
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
        if step.name == "push-dataset":
            _foresee_training(journey)
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


def _foresee_training(journey: Journey) -> None:
    """Raise what the training would refuse, such as to go on with a run of other pictures, before
    anything is published."""
    step = next(step for step in STEPS if step.name == "train")
    if "train" in journey.steps and not is_done(journey, step):
        look = at_its_turn(journey, "train", pictures_passed(journey))
        assert look is not None
        look()


def _ledger(project: Project, narrator: JourneyReporter, trust_state: bool) -> Ledger:
    ledger = Ledger.open(project.root, trust_state=trust_state)
    if ledger.foreign:
        narrator.warn(
            f"{ledger.path} {NOT_OURS}; what it says is done counts as"
            " not done (--trust-state believes it)"
        )
    return ledger


def forecast(
    project: Project,
    narrator: JourneyReporter,
    first: str | None = None,
    last: str | None = None,
    on_refusal: Callable[[HubtoolsError], None] = lambda error: None,
) -> list[tuple[Step, str, str]]:
    """What `ship` would do: (step, `run`, `skip`, `refuse` or `not reached`, why). Changes nothing.

    A step after one that would run is said to run: its inputs may have changed. `on_refusal` is
    told of all that `ship` would refuse, what it says first before the rest.
    """
    steps = _between(first, last)
    journey = Journey(project, narrator, _ledger(project, narrator, False))
    refused = {}
    for name, check in at_once(project, [step.name for step in steps]):
        if name not in refused and (error := _refusal(check)) is not None:
            refused[name] = error
            on_refusal(error)
    validated = steps[0].name == "validate" or pictures_passed(journey)
    rows = []
    running = stopped = False
    for step, why in _walk(journey, steps):
        if step.name in refused:
            stopped = stopped or step.name == "validate"
            rows.append((step, "refuse", refused[step.name].message))
        elif why is not None and not (running and step.needed(journey) is None):
            rows.append((step, "skip", why))
        elif stopped:
            rows.append((step, "not reached", step.title))
        else:
            running = True
            looks = at_its_turn(journey, step.name, validated)
            if looks is None or (error := _refusal(looks)) is None:
                changed = "" if why is None else ", if what the steps before it leave has changed"
                rows.append((step, "run", step.title + changed))
                continue
            stopped = True
            on_refusal(error)
            rows.append((step, "refuse", error.message))
            if step.name == "train":  # which is asked before the pictures are published
                rows = [
                    (one, "not reached", one.title)
                    if (one.name, would) == ("push-dataset", "run")
                    else (one, would, why)
                    for one, would, why in rows
                ]
    return rows


def _refusal(check: Check) -> HubtoolsError | None:
    """What a check raises, as a sentence."""
    try:
        check()
    except Exception as error:
        if (sentence := as_sentence(error)) is None:
            raise
        return sentence
    return None


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


__all__ = ["STEPS", "JourneyReporter", "ShipResult", "forecast", "ship"]
