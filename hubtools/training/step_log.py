"""Keeps the figures of steps on the device until it is time to look at them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.layout import LOSS_CHART
from hubtools.training.chart import draw_chart
from hubtools.training.curve import Curve
from hubtools.training.metrics import HeldOut, Metric, MetricsLog, read_log, smoothed
from hubtools.training.order import step_items
from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    from hubtools.dataset.examples import Example
    from hubtools.training.loop import TrainStep

# Losses stay on the device for this many steps: asking for each would make a GPU wait.
LOG_EVERY = 10
MEASURED = 5  # steps after which the time per step is told


class StepLog:
    """Metrics of a run that continues after `start`. Without `run_dir` (a process that is not the
    main one) nothing is written, but NaN is found all the same, so that all stop together. `tell`
    hears what is written, `paced` the seconds a step: as soon as they are known, and each time that
    they are those of twice as many steps; `note` where a log is kept that somebody has changed."""

    def __init__(
        self,
        run_dir: Path | None,
        recipe: Recipe,
        examples: Sequence[Example],
        start: int,
        loss_ema: float | None,
        tell: Callable[[Sequence[Metric | HeldOut]], None] = lambda lines: None,
        paced: Callable[[float], None] = lambda seconds: None,
        note: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self._run_dir, self._recipe, self._examples = run_dir, recipe, examples
        self._log = MetricsLog(run_dir, start, note) if run_dir else None
        self._told, self._paced, self._next = tell, paced, MEASURED - 1
        earlier = read_log(run_dir) if run_dir else None
        self.history: list[Metric] = earlier.steps if earlier else []
        self.held_out: list[HeldOut] = earlier.held_out if earlier else []
        self._curve = Curve((*self.history, *self.held_out))
        self.loss_ema = loss_ema
        self._start = start
        self._waiting: list[TrainStep] = []
        self._since = time.monotonic()
        self._measured: tuple[float, int] | None = None
        self.seconds_a_step: float | None = None

    def add(self, step: TrainStep) -> None:
        """Note a step."""
        self._waiting.append(step)
        since_start = step.done - self._start
        if step.done % LOG_EVERY == 0 or since_start in (1, MEASURED):
            self.flush()

    def flush(self) -> None:
        """Fetch the figures and write them down. Raises `HubtoolsError` at a loss that is no
        number, naming the step's pictures."""
        if not self._waiting:
            return
        import torch

        steps, self._waiting = self._waiting, []
        figures = torch.stack([torch.stack([s.loss, s.norm.to(s.loss)]) for s in steps]).tolist()
        now = time.monotonic()
        seconds, self._since = (now - self._since) / len(steps), now
        self._measure(steps, seconds)
        fresh: list[Metric] = []
        for step, (loss, norm) in zip(steps, figures, strict=True):
            if not math.isfinite(loss):
                self._write(fresh)
                raise self._not_a_number(step.done, loss)
            self.loss_ema = smoothed(self.loss_ema, loss, step.done)
            known = norm if math.isfinite(norm) else None
            fresh.append(Metric(step.done, loss, self.loss_ema, known, step.rate, seconds))
        self._write(fresh)

    def _measure(self, steps: Sequence[TrainStep], seconds: float) -> None:
        """Time per step, without the first step of this process: it warms things up."""
        if steps[-1].done - self._start > 1:
            spent, count = self._measured or (0.0, 0)
            self._measured = (spent + seconds * len(steps), count + len(steps))
            self.seconds_a_step = self._measured[0] / self._measured[1]
            if self._measured[1] >= self._next and self._run_dir is not None:
                self._next = 2 * self._measured[1]
                with self.pause():
                    self._paced(self.seconds_a_step)

    def _write(self, metrics: list[Metric]) -> None:
        self.history.extend(metrics)
        for metric in metrics:
            self._curve.add(metric)
        if self._log is not None:
            self._log.append(metrics)
            self._tell(metrics)

    def add_held_out(self, step: int, loss: float) -> None:
        """Note the loss of the held-out pictures after `step`; those of the steps come first."""
        self.flush()
        found = HeldOut(step, loss)
        self.held_out.append(found)
        self._curve.add(found)
        if self._log is not None:
            self._log.append([found])
            self._tell([found])

    def _tell(self, lines: Sequence[Metric | HeldOut]) -> None:
        with self.pause():
            self._told(lines)

    def _not_a_number(self, done: int, loss: float) -> HubtoolsError:
        pictures = self._recipe.buckets.pictures
        items = step_items(self._recipe, done - 1)
        names = sorted({self._examples[pictures[item]].file_name for item in items})
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        cure = "a lower --learning-rate"
        if self._recipe.precision == "fp16":
            cure += ", --mixed-precision bf16 or no"
        return HubtoolsError(
            f"The loss of step {done:,} is {'infinite' if math.isinf(loss) else 'not a number'};"
            f" its pictures: {shown}.",
            hint=f"look at these pictures; else {cure}, with --no-resume",
            code="training-failed",
        )

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Time spent here (saving, sampling) is none of the steps'."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._since += time.monotonic() - begun

    @property
    def seconds(self) -> float:
        """Seconds of all steps so far, earlier processes included."""
        return sum(metric.seconds for metric in self.history)

    def draw(self, title: str, note: Callable[[str], None]) -> None:
        """Draw the chart; `note` is told if one that somebody has changed was kept."""
        if self._run_dir is not None:
            draw_chart(self._run_dir / LOSS_CHART, self._curve, title, note)
