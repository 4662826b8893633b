"""The optimizers to choose from: what each is, what it begins with, and what it remembers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import prod
from typing import Any

from hubtools.errors import UsageError, missing_modules
from hubtools.setting_types import LrScheduler
from hubtools.train_settings import TrainSettings

EMA_DECAY = 0.9999
# By how much slower text encoders learn: diffusers' DreamBooth scripts have 5e-6 beside 1e-4.
TEXT_PARTS = 20
_OF_TEXTS = "_text_encoder"
# Their rate is what it is from the first step on.
NO_WARM_UP = ("constant", "piecewise_constant")
_STEADY = ("constant", "constant_with_warmup")


@dataclass(frozen=True)
class Kind:
    """An optimizer. `rate`, `schedule` and `warms_up` are what settings leave to it; `package` is
    what it comes in (of the extra `extra`) if it is not PyTorch's, else `since` the version that
    has it; `adam`: the settings of that name which it takes. `tensors`: how many it remembers of a
    parameter at most; `told`: what it does beyond its name."""

    title: str
    rate: float = 1e-4
    schedule: LrScheduler = "cosine"
    warms_up: bool = True
    package: str | None = None
    extra: str | None = None
    since: tuple[int, int] = (2, 4)
    adam: tuple[str, ...] = ("adam_beta1", "adam_beta2", "adam_weight_decay", "adam_epsilon")
    tensors: int = 3
    told: str = ""


KINDS: dict[str, Kind] = {
    "adamw": Kind("AdamW"),
    "adamw-8bit": Kind(
        "AdamW",
        package="bitsandbytes",
        extra="bitsandbytes",
        tensors=6,
        told="moments of matrices from 4,096 numbers on in 8 bits",
    ),
    "adafactor": Kind(
        "Adafactor",
        since=(2, 5),
        adam=("adam_weight_decay",),
        told="steps as long as the learning rate",
    ),
    # its rate is a factor; it finds its own way up
    "prodigy": Kind(
        "Prodigy",
        rate=1.0,
        warms_up=False,
        package="prodigyopt",
        extra="optimizers",
        tensors=4,
        told="finds the step size itself",
    ),
    # its authors: one to ten times the rate of a schedule
    "schedule-free": Kind(
        "schedule-free AdamW",
        rate=3e-4,
        schedule="constant_with_warmup",
        package="schedulefree",
        extra="optimizers",
        told="samples, snapshots and the LoRA are the average of its steps",
    ),
    # scaled so that a number moves by 0.2 of the rate (arXiv:2502.16982); AdamW's first steps move
    # it by all of it
    "muon": Kind("Muon", rate=5e-4, since=(2, 9), told="for matrices, AdamW for what is none"),
}


# As other trainers write them, letters and digits only.
_NAMED = {
    **{name.replace("-", ""): name for name in KINDS},
    "adamwbf16": "adamw",
    "pagedadamw": "adamw",
    "pagedadamw8bit": "adamw-8bit",
    "adamwschedulefree": "schedule-free",
    "schedulefreeadamw": "schedule-free",
}


def optimizer_named(name: str) -> str | None:
    """Our word for an optimizer of another trainer (`AdamW8bit`, `AdamWScheduleFree`)."""
    return _NAMED.get(re.sub(r"[^a-z0-9]", "", name.lower()))


def kind_of(settings: TrainSettings) -> Kind:
    """The optimizer that is chosen."""
    return KINDS[settings.optimizer]


def schedule_of(settings: TrainSettings) -> LrScheduler:
    """Shape of the learning rate."""
    return settings.lr_scheduler or kind_of(settings).schedule


def with_rates(settings: TrainSettings) -> TrainSettings:
    """The settings with what they leave to the optimizer."""
    told: dict[str, Any] = {"lr_scheduler": schedule_of(settings)}
    if settings.learning_rate is None:
        told["learning_rate"] = kind_of(settings).rate
    if settings.train_text_encoder and settings.text_encoder_lr is None:
        smaller = 1 if settings.optimizer == "prodigy" else TEXT_PARTS
        told["text_encoder_lr"] = (settings.learning_rate or kind_of(settings).rate) / smaller
    if settings.use_ema and settings.ema_decay is None:
        told["ema_decay"] = EMA_DECAY
    return settings.model_copy(update=told)


def bytes_remembered(settings: TrainSettings, shapes: Iterable[tuple[int, ...]]) -> int:
    """What the optimizer, and the average, hold of parameters of these shapes at most; single
    figures, such as counters of steps, are not counted."""
    return sum(
        _bytes_of(settings.optimizer, shape) + (4 * prod(shape) if settings.use_ema else 0)
        for shape in shapes
    )


def _bytes_of(optimizer: str, shape: tuple[int, ...]) -> int:
    numbers, matrix = prod(shape), len(shape) > 1
    if optimizer == "adamw-8bit" and numbers >= 4096:  # smaller ones are left in float32
        scales, codes = 4 * -(-numbers // 256), 4 * 256
        return 2 * (numbers + scales + codes)
    if optimizer == "adafactor" and matrix:
        return 4 * (numbers // shape[-1] + numbers // shape[-2])
    if optimizer == "prodigy":  # two moments, a sum of gradients, and where it began if not at 0
        return 16 * numbers
    if optimizer == "muon" and len(shape) == 2:
        return 4 * numbers
    return (4 if optimizer == "adafactor" else 8) * numbers


# --- what cannot be --------------------------------------------------------------------------


def check_optimizer(settings: TrainSettings) -> None:
    """Raise `UsageError` for an optimizer that is not installed."""
    kind = kind_of(settings)
    without = "or --optimizer adamw"
    if kind.extra is not None and kind.package in missing_modules(kind.extra):
        raise UsageError(
            f"--optimizer {settings.optimizer} needs {kind.package}, which is not installed.",
            hint=f"pip install 'hf-hubtools[{kind.extra}]', {without}",
            code="missing-package",
        )
    if _torch_version() < kind.since:
        needed = ".".join(map(str, kind.since))
        raise UsageError(
            f"--optimizer {settings.optimizer} needs PyTorch {needed} or later.",
            hint=f"pip install --upgrade torch, {without}",
            code="missing-package",
        )


def _torch_version() -> tuple[int, int]:
    try:
        major, minor, *_ = re.findall(r"\d+", version("torch"))
    except (PackageNotFoundError, ValueError):
        return 0, 0
    return int(major), int(minor)


def refuse_pairs(settings: TrainSettings) -> None:
    """Raise `UsageError` for settings of another optimizer, and of none."""
    name, kind, fields = settings.optimizer, kind_of(settings), type(settings).model_fields
    for key in fields:
        of_prodigy = key.startswith("prodigy_") and name != "prodigy"
        of_adam = key.startswith("adam_") and key.removesuffix(_OF_TEXTS) not in kind.adam
        if (of_prodigy or of_adam) and getattr(settings, key) != fields[key].default:
            whose = "of the optimizer prodigy" if of_prodigy else "of AdamW and its kin"
            raise _refused(
                f"{key} is {whose}, but optimizer is {name}.",
                f"--optimizer {'prodigy' if of_prodigy else 'adamw'}, or leave {key} out",
            )
    if settings.train_text_encoder:
        _refuse_rates(settings)
    if name == "schedule-free":
        _refuse_of_schedule_free(settings)
    if settings.ema_decay is not None and not settings.use_ema:
        raise _refused(
            "ema_decay is that of an average of the LoRA, but use_ema is off.",
            "--use-ema, or leave ema_decay out",
        )
    stepwise = schedule_of(settings) == "piecewise_constant"
    if stepwise and settings.lr_step_rules is None:
        raise _refused(
            "lr_scheduler piecewise_constant needs to know when the learning rate changes.",
            "--lr-step-rules 1:500,0.1:1000,0.01 (that share of it before the step behind it)",
        )
    if settings.lr_step_rules is not None and not stepwise:
        raise _refused(
            "lr_step_rules is of the schedule piecewise_constant, but lr_scheduler is"
            f" {schedule_of(settings)}.",
            "--lr-scheduler piecewise_constant, or leave lr_step_rules out",
        )


def _refuse_rates(settings: TrainSettings) -> None:
    """Prodigy finds one step size for all that it trains."""
    rate = kind_of(settings).rate if settings.learning_rate is None else settings.learning_rate
    if settings.optimizer == "prodigy" and settings.text_encoder_lr not in (None, rate):
        raise _refused(
            f"text_encoder_lr {settings.text_encoder_lr:g} is another than learning_rate {rate:g},"
            " but optimizer prodigy finds one step size for denoiser and text encoders.",
            "leave text_encoder_lr out, or --optimizer adamw",
        )


def _refuse_of_schedule_free(settings: TrainSettings) -> None:
    if schedule_of(settings) not in _STEADY:
        raise _refused(
            f"lr_scheduler {settings.lr_scheduler} lowers the learning rate; optimizer"
            " schedule-free averages the steps instead.",
            "--lr-scheduler constant_with_warmup, or leave it out",
        )
    if settings.use_ema:
        raise _refused(
            "use_ema averages the LoRA; optimizer schedule-free does so already.",
            "leave one of them out",
        )
    if settings.adam_beta1 == 0:
        raise _refused(
            "optimizer schedule-free trains between its last step and their average, as adam_beta1"
            " says; 0 is neither.",
            "--adam-beta1 0.9",
        )


def _refused(message: str, hint: str) -> UsageError:
    return UsageError(message, hint=hint, code="bad-setting")
