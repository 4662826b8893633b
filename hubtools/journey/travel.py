"""What the steps of `ship` share: who tells the user, what is known, what a step is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hubtools.dataset.validate import further_folders
from hubtools.journey.ledger import Ledger, digest_of
from hubtools.layout import CARD
from hubtools.progress import Advance, Reporter
from hubtools.project import Project
from hubtools.publish.ignored import GITIGNORE


class JourneyReporter(Reporter, Protocol):
    """Whoever tells the user how the journey goes."""

    def started(self, step: str, title: str) -> None:
        """`step` begins."""

    def skipped(self, step: str, title: str, why: str) -> None:
        """`step` has nothing to do."""

    def done(self, step: str, sentence: str, seconds: float) -> None:
        """`step` is finished."""


@contextmanager
def bar(narrator: JourneyReporter, title: str) -> Iterator[Callable[[int, int], None]]:
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


def files_below(root: Path) -> list[Path]:
    """Every file in a folder, in a fixed order, but hidden ones (a .gitignore decides what is
    published, and counts); links to folders are not entered."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(folder) / name
            for name in sorted(names)
            if not name.startswith(".") or name == GITIGNORE
        ]
    return found


@dataclass
class Journey:
    """What all steps share."""

    project: Project
    narrator: JourneyReporter
    ledger: Ledger
    trust_state: bool = False
    steps: tuple[str, ...] = ()  # those of this run
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def dataset_files(self, *, card: bool) -> list[Path]:
        """Every file of the dataset folder in a fixed order, with or without its card."""
        root = self.project.dataset_dir
        return [path for path in files_below(root) if card or path != root / CARD]

    def dataset_digest(self, *, card: bool) -> str:
        """One digest over the dataset folder."""
        return self.ledger.hash_files(self.project.dataset_dir, self.dataset_files(card=card))

    def further_digests(self) -> dict[str, Any]:
        """Digests of the other folders that are trained on, as an input of a step; empty if there
        are none."""
        folders = [one.folder for one in further_folders(self.project)]
        there = {str(one): self.ledger.hash_files(one, files_below(one)) for one in folders}
        return {"further": there} if there else {}


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


def is_done(journey: Journey, step: Step) -> bool:
    inputs = digest_of(step.inputs(journey))
    return journey.ledger.is_done(step.name, inputs, outputs_of(journey, step))


def outputs_of(journey: Journey, step: Step) -> str:
    return digest_of(
        {
            str(path): journey.ledger.hash_file(path)
            for path in step.outputs(journey)
            if path.is_file()
        }
    )
