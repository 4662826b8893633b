"""`metrics.jsonl`: one JSON object an optimizer step, cut back to the state on resume."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from hubtools.files import write_bytes
from hubtools.layout import METRICS

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
        self._path = run_dir / METRICS
        kept = [metric for metric in read_metrics(run_dir) if metric.step <= step]
        write_bytes(self._path, b"".join(_line(metric) for metric in kept))

    def append(self, metrics: Iterable[Metric]) -> None:
        """Add lines and see them onto the disk."""
        with self._path.open("ab") as file:
            file.write(b"".join(_line(metric) for metric in metrics))
            file.flush()
            os.fsync(file.fileno())


def _line(metric: Metric) -> bytes:
    values = asdict(metric)
    norm = values["grad_norm"]
    if norm is not None and not math.isfinite(norm):
        values["grad_norm"] = None
    values["seconds"] = round(metric.seconds, 6)
    return (json.dumps(values) + "\n").encode()


def read_metrics(run_dir: Path) -> list[Metric]:
    """All whole lines, in order of steps; a half-written last line is left out."""
    found: dict[int, Metric] = {}
    try:
        lines = (run_dir / METRICS).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            metric = Metric(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[metric.step] = metric
    return [found[step] for step in sorted(found)]


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
