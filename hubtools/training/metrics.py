"""`metrics.jsonl`: one JSON object an optimizer step, cut back to the state on resume."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from hubtools.errors import HubtoolsError
from hubtools.layout import METRICS
from hubtools.rooted import Root

_MOST = 300_000_000  # bytes: a million steps and more
EMA = 0.98  # of the smoothed loss: remembers about fifty steps


@dataclass(frozen=True)
class Metric:
    """One optimizer step. `step` counts from 1 (steps done); `loss` is the mean over the step's
    pictures, `grad_norm` the norm before clipping (None where fp16 overflowed and the step was
    skipped), `lr` the learning rate used, `seconds` the time it took."""

    step: int
    loss: float
    loss_ema: float
    grad_norm: float | None
    lr: float
    seconds: float


class MetricsLog:
    """Appends to `metrics.jsonl` of a run."""

    def __init__(self, run_dir: Path, step: int) -> None:
        """Open the log of a run that continues after `step`; later lines are dropped."""
        self._run_dir = run_dir
        kept = [metric for metric in read_metrics(run_dir) if metric.step <= step]
        with Root(run_dir, create=True) as root:
            root.write(METRICS, b"".join(_line(metric) for metric in kept))

    def append(self, metrics: Iterable[Metric]) -> None:
        """Add lines and see them onto the disk."""
        with Root(self._run_dir) as root:
            root.append(METRICS, b"".join(_line(metric) for metric in metrics))


def _line(metric: Metric) -> bytes:
    values = asdict(metric)
    norm = values["grad_norm"]
    if norm is not None and not math.isfinite(norm):
        values["grad_norm"] = None
    values["seconds"] = round(metric.seconds, 6)
    return (json.dumps(values) + "\n").encode()


def read_metrics(run_dir: Path) -> list[Metric]:
    """All whole lines, in order of steps; a half-written last line is left out, and so is what is
    no figure of a step. Of a link, or of more than a run can write, nothing is read."""
    found: dict[int, Metric] = {}
    if not run_dir.is_dir():
        return []
    with Root(run_dir) as root:
        if not root.is_file(METRICS):
            return []
        try:
            lines = root.read(METRICS, _MOST).splitlines()
        except HubtoolsError:
            return []
    for line in lines:
        try:
            metric = Metric(**json.loads(line))
            if _makes_sense(metric):
                found[metric.step] = metric
        except (ValueError, TypeError, OverflowError, RecursionError):
            continue
    return [found[step] for step in sorted(found)]


def _makes_sense(metric: Metric) -> bool:
    """True if each value is a number of its kind; the file may hold any JSON."""
    numbers: list[object] = [metric.loss, metric.loss_ema, metric.lr, metric.seconds]
    if metric.grad_norm is not None:
        numbers.append(metric.grad_norm)
    return (
        type(metric.step) is int
        and 0 < metric.step < 10**9
        and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)  # type: ignore[arg-type]
    )


def smoothed(previous: float | None, loss: float, step: int) -> float:
    """The smoothed loss after `step` (from 1): the plain mean at first, an average that forgets
    later. The mean keeps the first, random loss from weighing on the next hundred."""
    memory = min(EMA, (step - 1) / step)
    return loss if previous is None else memory * previous + (1 - memory) * loss


def first_and_last(metrics: list[Metric]) -> tuple[float, float] | None:
    """Mean loss of the first and of the last tenth of the steps; None without steps."""
    if not metrics:
        return None
    tenth = max(1, len(metrics) // 10)
    first, last = metrics[:tenth], metrics[-tenth:]
    return sum(m.loss for m in first) / tenth, sum(m.loss for m in last) / tenth
