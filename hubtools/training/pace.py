"""How long a run takes, reckoned before its first step from its work and the machine's data sheet:
a guess, and told as one. `train` measures its own first steps."""

from __future__ import annotations

import re
from typing import NamedTuple

from hubtools.models.families.protocol import USUAL
from hubtools.training.plan import TrainPlan

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


class Pace(NamedTuple):
    """Seconds: of a `step`, and of `all` steps that are left and the samples on the way; loading
    and encoding come before. `how` is known what they are."""

    step: float
    all: float
    how: str

    def cost(self, plan: TrainPlan) -> float | None:
        """What `all` costs, in the money of `price_per_hour`; None without a price."""
        price = plan.recipe.settings.price_per_hour
        return None if price is None else price * self.all / 3600


def guessed(plan: TrainPlan) -> Pace | None:
    """By the data sheet; None if nothing is known of the machine, or of the base's work."""
    found = plan.processor
    if plan.memory is None or found is None:
        return None
    if found.gpu is None:
        speed = found.cores * _CORE
        how = f"a guess for {found.cores} cores" if found.cores > 1 else "a guess for one core"
    else:
        card = card_of(found.gpu)
        if card is None:
            return None
        speed = _PEAK[card] * _SHARE
        if plan.recipe.precision == "no":
            speed *= _TF32 if plan.recipe.settings.allow_tf32 else _FLOAT32
        how = f"a guess by the data sheet of {found.gpu}"
    return _at(plan, plan.memory.flops / (speed * 1e12), how)


def _at(plan: TrainPlan, step: float, how: str) -> Pace:
    """The pace of so many seconds a step."""
    # drawing goes forward only, once with the prompt and once without
    count = plan.recipe.settings.train_batch_size * plan.recipe.settings.gradient_accumulation_steps
    drawn = plan.pictures * (plan.samples.steps or USUAL.steps) * 2 * step / count / 2
    return Pace(step, step * (plan.recipe.steps - plan.resumes_at) + drawn, how)


def card_of(gpu: str) -> str | None:
    """The name in the table of a GPU that its driver calls `gpu`; None: it is not there."""
    words = re.split(r"[\s_-]+", gpu.upper())
    if _SLOWER & set(words):
        return None
    said = f" {' '.join(words)} "
    return max((name for name in _PEAK if f" {name} " in said), key=len, default=None)
