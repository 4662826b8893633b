"""How long a run takes on a machine that nobody has here, and what that costs: told as what it is,
a rough reckoning before the first step. `train` measures its own steps and tells the time left."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hubtools.hub.jobs import Machine
from hubtools.models.device import Processor
from hubtools.progress import duration
from hubtools.training.pace import card_of, guessed
from hubtools.training.plan import TrainPlan

_WITHOUT_BF16 = ("T4", "V100")
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
    return "fp16" if card_of(machine.gpu) in _WITHOUT_BF16 else "bf16"


def estimated(plan: TrainPlan, machine: Machine, timeout: int | None) -> Estimate:
    """Time and price of a plan on a machine. `timeout` in seconds: the default is three times as
    long, half an hour at least, six hours where nothing is known."""
    pace = guessed(replace(plan, processor=Processor(machine.gpu, machine.cores)))
    seconds = None if pace is None else _BEGIN + pace.all
    if timeout is None:
        timeout = _UNKNOWN
        if seconds is not None:
            timeout = max(_LEAST, math.ceil(3 * seconds / _QUARTER) * _QUARTER)
    return Estimate(machine, seconds, timeout)
