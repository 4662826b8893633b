"""How long a run takes, before its first step: from steps of such a base that were measured on this
machine and kept in the cache, or else from its work and the machine's data sheet, which is a guess.
It is told which."""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hubtools.files import json_value
from hubtools.findings import plural
from hubtools.kept import read_kept, write_kept
from hubtools.layout import PACES_CACHE, cache_dir
from hubtools.models.device import Processor, cpu_model
from hubtools.models.families.protocol import USUAL
from hubtools.training.plan import TrainPlan
from hubtools.training.recipe import DTYPES

# Dense half-precision TFLOP/s, summed in float32, that the makers' data sheets give. The longest
# name that fits counts.
_PEAK = {
    "T4": 65.0,
    "V100": 125.0,
    "A10G": 70.0,
    "A10": 125.0,
    "A40": 149.7,
    "A100": 312.0,
    "A4000": 76.7,
    "A5000": 111.1,
    "A6000": 154.8,
    "L4": 121.0,
    "L40": 181.0,
    "L40S": 362.0,
    "RTX 6000 ADA": 364.2,
    "H100": 989.0,
    "H100 PCIE": 756.0,
    "H200": 989.0,
    "B200": 2250.0,
    "MI300X": 1307.0,
    "RTX 3060": 25.5,
    "RTX 3060 TI": 32.4,
    "RTX 3070": 40.6,
    "RTX 3070 TI": 43.5,
    "RTX 3080": 59.5,
    "RTX 3080 TI": 68.2,
    "RTX 3090": 71.0,
    "RTX 3090 TI": 80.0,
    "RTX 4060": 30.2,
    "RTX 4060 TI": 44.1,
    "RTX 4070": 58.3,
    "RTX 4070 SUPER": 71.0,
    "RTX 4070 TI": 80.2,
    "RTX 4070 TI SUPER": 88.2,
    "RTX 4080": 97.5,
    "RTX 4080 SUPER": 104.4,
    "RTX 4090": 165.2,
    "RTX 5060 TI": 47.4,
    "RTX 5070": 61.7,
    "RTX 5070 TI": 87.9,
    "RTX 5080": 112.6,
    "RTX 5090": 209.5,
}
# Of other speeds than the card whose name they bear.
_SLOWER = frozenset({"LAPTOP", "Q", "MOBILE"})  # Max-Q
# Of that a training reaches 6 % (Stable Diffusion 1.5 at 512 px, one picture a step, on an H100) to
# 30 % (large transformers at 1024 px).
_SHARE = 0.12
_TF32, _FLOAT32 = 1 / 2, 1 / 8  # of it: in full precision
_CORE = 0.02  # TFLOP/s of a core of a CPU

_KEPT = 16  # measurements of each sort of run, the newest
_ALIKE = 10.0  # times as much work, or as many cores: of others a measurement says nothing


class Pace(NamedTuple):
    """Seconds: of a `step`, and of `all` steps that are left and the samples on the way; loading
    and encoding come before. `how` they are known; `measured`: of the same work on as many
    cores."""

    step: float
    all: float
    how: str
    measured: bool = False

    def cost(self, plan: TrainPlan) -> float | None:
        """What `all` costs, in the money of `price_per_hour`; None without a price."""
        price = plan.recipe.settings.price_per_hour
        return None if price is None else price * self.all / 3600


class _Measured(NamedTuple):
    """A step of so many floating point operations took so many seconds on so many cores (1: it was
    a GPU) on a day."""

    flops: int
    seconds: float
    cores: int
    day: str


def pace_of(plan: TrainPlan) -> Pace | None:
    """As was measured here, or as is guessed; None if nothing is known."""
    return remembered(plan) or guessed(plan)


def keep_pace(plan: TrainPlan, cores: int, seconds: float) -> None:
    """Remember that a step of this plan took so many seconds here, on so many cores if it was a
    CPU."""
    if plan.memory is None or plan.processor is None:
        return
    cores = 1 if plan.processor.gpu else cores
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    new = _Measured(plan.memory.flops, float(f"{seconds:.4g}"), cores, day)
    place = _place(plan, plan.processor)
    others = [one for one in _read(place) if one[::2] != new[::2]]
    write_kept(place, [json.dumps([new, *others][:_KEPT]).encode()])


def remembered(plan: TrainPlan) -> Pace | None:
    """By steps of such a base that were measured here; None without any that are alike."""
    if plan.memory is None or plan.processor is None or not plan.memory.flops:
        return None
    cores = 1 if plan.processor.gpu else plan.processor.cores

    def apart(one: _Measured) -> float:
        assert plan.memory is not None
        return max(abs(math.log(plan.memory.flops / one.flops)), abs(math.log(cores / one.cores)))

    found = min(_read(_place(plan, plan.processor)), key=apart, default=None)
    if found is None or apart(found) > math.log(_ALIKE):
        return None
    if apart(found) == 0:
        return _at(plan, found.seconds, f"as measured here on {found.day}", measured=True)
    step = found.seconds * plan.memory.flops / found.flops * found.cores / cores
    on = f" on {plural(found.cores, 'core')}" if found.cores != cores else ""
    how = f"by a step of {flops_told(found.flops)} that took {found.seconds:.2g} s here{on}"
    return _at(plan, step, f"{how} on {found.day}")


def _place(plan: TrainPlan, processor: Processor) -> Path:
    """The file of measurements of such runs on such a processor."""
    settings = plan.recipe.settings
    told = (
        *(processor.gpu or cpu_model(), plan.base.family, DTYPES[plan.recipe.precision]),
        *(settings.quantize, settings.compile_blocks, settings.attention, settings.allow_tf32),
        *(settings.enable_xformers_memory_efficient_attention, settings.fsdp),
        plan.recipe.world_size,
    )
    name = hashlib.sha256(repr(told).encode()).hexdigest()
    return cache_dir() / PACES_CACHE / f"{name}.json"


def _read(place: Path) -> list[_Measured]:
    try:
        return list(_measurements(json_value(read_kept(place) or b"[]")))
    except (ValueError, TypeError):
        return []


def _measurements(kept: object) -> Iterator[_Measured]:
    """Those that make sense. Raises `ValueError` or `TypeError` if it is no list of four each."""
    for flops, seconds, cores, day in kept[:_KEPT] if isinstance(kept, list) else []:
        datetime.date.fromisoformat(day)
        if min(flops, seconds, cores) > 0 and math.isfinite(flops * seconds * cores):
            yield _Measured(int(flops), float(seconds), int(cores), day)


def guessed(plan: TrainPlan) -> Pace | None:
    """By the data sheet; None if nothing is known of the machine, or of the base's work."""
    found = plan.processor
    if plan.memory is None or found is None:
        return None
    if found.gpu is None:
        speed = found.cores * _CORE
        how = f"a guess for {plural(found.cores, 'core')}"
    else:
        card = card_of(found.gpu)
        if card is None:
            return None
        speed = _PEAK[card] * _SHARE
        if plan.recipe.precision == "no":
            speed *= _TF32 if plan.recipe.settings.allow_tf32 else _FLOAT32
        how = f"a guess by the data sheet of {found.gpu}"
    how += ", and half or twice as much may come true; the first steps tell"
    return _at(plan, plan.memory.flops / (speed * 1e12), how)


def _at(plan: TrainPlan, step: float, how: str, *, measured: bool = False) -> Pace:
    """The pace of so many seconds a step."""
    # drawing goes forward only, once with the prompt and once without
    count = plan.recipe.settings.train_batch_size * plan.recipe.settings.gradient_accumulation_steps
    drawn = plan.pictures * (plan.samples.steps or USUAL.steps) * 2 * step / count / 2
    return Pace(step, step * (plan.recipe.steps - plan.resumes_at) + drawn, how, measured)


def card_of(gpu: str) -> str | None:
    """The name in the table of a GPU that its driver calls `gpu`; None: it is not there."""
    words = re.split(r"[\s_-]+", gpu.upper())
    if _SLOWER & set(words):
        return None
    said = f" {' '.join(words)} "
    return max((name for name in _PEAK if f" {name} " in said), key=len, default=None)


def flops_told(number: float) -> str:
    """`1.81 GFLOP`."""
    for unit in ("FLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"):
        step = 1e6 if unit == "FLOP" else 1e3
        if number < 1000 or unit == "PFLOP":
            return f"{number:.3g} {unit}"
        number /= step
    raise AssertionError(number)
