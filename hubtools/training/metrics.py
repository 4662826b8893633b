"""`metrics.jsonl`: one JSON object an optimizer step, cut back to the state on resume; and one for
each time that the loss of held-out pictures was measured."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hubtools.layout import METRICS
from hubtools.rooted import Root
from hubtools.rooted.outputs import keep_changed

_MOST = 300_000_000  # bytes: a million steps and more
_LONGEST = 10_000  # bytes of a line
_BEGINS = b'{"step": '
# What a kill leaves of a line at the end of the file: names and numbers, up to anywhere.
_HALF = re.compile(rb'\{(?:"\w+": [-+.\w]+, )*(?:"\w*(?:"(?:: ?(?:[-+.\w]+[,}]?)?)?)?)?')
_MOST_LINES = 5_000_000
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


@dataclass(frozen=True)
class HeldOut:
    """The loss of pictures that are not trained on, after `step` steps (0: the bare base)."""

    step: int
    validation_loss: float


@dataclass(frozen=True)
class Log:
    """What the file tells, each in order of steps."""

    steps: list[Metric]
    held_out: list[HeldOut]


class MetricsLog:
    """Appends to `metrics.jsonl` of a run."""

    def __init__(
        self, run_dir: Path, step: int, note: Callable[[str], None] = lambda sentence: None
    ) -> None:
        """Open the log of a run that continues after `step`; later lines are dropped. One that
        holds a line of a person's, or is too long to be read, is kept in `.hubtools/replaced` of
        the run and told to `note`."""
        self._run_dir = run_dir
        found = read_log(run_dir)
        lines: list[Metric | HeldOut] = [*found.steps, *found.held_out]
        kept = [line for line in lines if line.step <= step]
        kept.sort(key=lambda line: line.step)
        with Root(run_dir, create=True) as root:

            def check() -> None:
                facts = root.stat(METRICS)
                too_long = facts is not None and facts.st_size > _MOST and root.is_file(METRICS)
                if too_long or any(_is_foreign(line) for line in _lines(run_dir)):
                    keep_changed(root, METRICS, note)

            root.write(METRICS, b"".join(_line(line) for line in kept), check=check)

    def append(self, lines: Iterable[Metric | HeldOut]) -> None:
        """Add lines and see them onto the disk."""
        with Root(self._run_dir) as root:
            root.append(METRICS, b"".join(_line(line) for line in lines))


def _line(line: Metric | HeldOut) -> bytes:
    values = asdict(line)
    if isinstance(line, Metric):
        norm = line.grad_norm
        if norm is not None and not math.isfinite(norm):
            values["grad_norm"] = None
        values["seconds"] = round(line.seconds, 6)
    return (json.dumps(values) + "\n").encode()


def read_metrics(run_dir: Path) -> list[Metric]:
    """The steps of `read_log`."""
    return read_log(run_dir).steps


def read_log(run_dir: Path) -> Log:
    """All whole lines, in order of steps; a half-written last line is left out, and so is what is
    no figure of a step. Of a link, or of more than a run can write, nothing is read."""
    steps: dict[int, Metric] = {}
    held_out: dict[int, HeldOut] = {}
    for line in _lines(run_dir):
        found = read_line(line)
        if isinstance(found, Metric):
            steps[found.step] = found
        elif found is not None:
            held_out[found.step] = found
    return Log([steps[s] for s in sorted(steps)], [held_out[s] for s in sorted(held_out)])


def held_out_at(run_dir: Path, steps: Collection[int | None]) -> Iterator[HeldOut]:
    """What the log of anybody's run says of the held-out pictures after these steps: line by line,
    however many there are."""
    for line in _lines(run_dir):
        found = read_line(line) if b"validation_loss" in line else None
        if isinstance(found, HeldOut) and found.step in steps:
            yield found


def _lines(run_dir: Path) -> Iterator[bytes]:
    if not run_dir.is_dir():
        return
    with Root(run_dir) as root:
        found = root.stat(METRICS)
        if found is None or not root.is_file(METRICS) or found.st_size > _MOST:
            return
        with root.open(METRICS) as file:
            for _ in range(_MOST_LINES):
                line = file.readline(_LONGEST)
                if not line:
                    return
                yield line


def read_line(line: bytes) -> Metric | HeldOut | None:
    """What a line says; None if it makes no sense: the file may hold anything."""
    try:
        values = json.loads(line)
        found = HeldOut(**values) if "validation_loss" in values else Metric(**values)
    except (ValueError, TypeError, RecursionError):
        return None
    return found if _makes_sense(found) else None


def _is_foreign(line: bytes) -> bool:
    """Whether a line is a person's: no figures of a step, nor half of such a line."""
    begun = line.startswith(_BEGINS) or _BEGINS.startswith(line)
    return read_line(line) is None and not (begun and _HALF.fullmatch(line))


def _makes_sense(line: Metric | HeldOut) -> bool:
    """True if each value is a number of its kind; the file may hold any JSON."""
    numbers = [n for key, n in vars(line).items() if n is not None or key != "grad_norm"]
    first = 1 if isinstance(line, Metric) else 0
    try:
        finite = all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
    except OverflowError:
        return False
    return finite and type(line.step) is int and first <= line.step < 10**9


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
