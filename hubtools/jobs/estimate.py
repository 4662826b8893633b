"""How long a run takes on a machine that nobody has here, and what that costs: told as what it is,
a rough reckoning before the first step. `train` measures its own steps and tells the time left."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubtools.hub.jobs import Machine
from hubtools.models.families.protocol import USUAL
from hubtools.progress import duration
from hubtools.training.plan import TrainPlan

# Dense half-precision TFLOP/s that the makers' data sheets give; the longest name that fits counts.
_PEAK = {
    "T4": 65.0,
    "A10G": 70.0,
    "L4": 121.0,
    "L40S": 362.0,
    "A100": 312.0,
    "H100": 989.0,
    "H200": 989.0,
}
_WITHOUT_BF16 = ("T4",)
# Of that a training reaches 6 % (Stable Diffusion 1.5 at 512 px, one picture a step, on an H100) to
# 30 % (large transformers at 1024 px).
_SHARE = 0.12
_CORE = 0.02  # TFLOP/s of a core of a CPU
_BEGIN = 300.0  # seconds: the machine, the packages, the base, latents and captions
_QUARTER = 900  # seconds
_LEAST, _UNKNOWN = 1800, 6 * 3600  # seconds: time-outs


@dataclass(frozen=True)
class Estimate:
    """`seconds` a run is reckoned to take (None: nobody knows) on `machine`, of the `timeout` that
    the job gets."""

    machine: Machine
    seconds: float | None
    timeout: int

    @property
    def cost(self) -> float | None:
        """Dollars."""
        return None if self.seconds is None else self.seconds / 3600 * self.machine.dollars

    @property
    def most(self) -> float:
        """Dollars, if the job runs until its time-out."""
        return self.timeout / 3600 * self.machine.dollars

    def lines(self) -> list[str]:
        """Machine, time and price as lines of text."""
        machine = self.machine
        card = f", {machine.gpus}x {machine.gpu}" if machine.gpu else f", {machine.cores} cores"
        found = [f"machine:        {machine.name}{card}, {dollars(machine.dollars)} an hour"]
        if self.seconds is None or self.cost is None:
            guess = "not known for this machine and base"
        else:
            guess = f"roughly {duration(self.seconds)}, {dollars(self.cost)} (a guess)"
        found.append(f"time:           {guess}")
        found.append(
            f"time-out:       {duration(self.timeout)}, {dollars(self.most)} at most; what is not"
            " done by then is kept, and the same command goes on with it"
        )
        return found


def dollars(amount: float) -> str:
    """`$1.60`, at least a cent."""
    return f"${max(amount, 0.01):.2f}"


def precision_on(machine: Machine) -> str:
    """What `train` computes in there."""
    if machine.gpu is None:
        return "no"
    return "fp16" if _known(machine.gpu) in _WITHOUT_BF16 else "bf16"


def estimated(plan: TrainPlan, machine: Machine, timeout: int | None) -> Estimate:
    """Time and price of a plan on a machine. `timeout` in seconds: the default is three times as
    long, half an hour at least, six hours where nothing is known."""
    seconds = _seconds(plan, machine)
    if timeout is None:
        timeout = _UNKNOWN
        if seconds is not None:
            timeout = max(_LEAST, math.ceil(3 * seconds / _QUARTER) * _QUARTER)
    return Estimate(machine, seconds, timeout)


def _known(gpu: str) -> str | None:
    words = gpu.upper().replace("-", " ").split()
    found = [name for name in _PEAK if name in words]
    return max(found, key=len, default=None)


def _seconds(plan: TrainPlan, machine: Machine) -> float | None:
    if plan.memory is None:
        return None
    if machine.gpu is None:
        speed = machine.cores * _CORE
    else:
        name = _known(machine.gpu)
        if name is None:
            return None
        speed = _PEAK[name] * _SHARE
    steps = plan.memory.flops * (plan.recipe.steps - plan.resumes_at)
    # drawing goes forward only, once with the prompt and once without
    count = plan.recipe.settings.train_batch_size * plan.recipe.settings.gradient_accumulation_steps
    forward = plan.memory.flops / count / 2
    drawn = plan.pictures * (plan.samples.steps or USUAL.steps) * 2 * forward
    return _BEGIN + (steps + drawn) / (speed * 1e12)
