"""The optimizer, and what it remembers as tensors plus JSON, whatever its class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING, Any

from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Value = bool | int | float | str | None


# Parameters, or groups of them with settings of their own.
Trained = list[Any]
PEAK = "peak"
"""In a group: the learning rate that is its peak, where that is not the recipe's."""


def make_optimizer(
    recipe: Recipe, parameters: list[nn.Parameter], texts: Sequence[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The optimizer that the settings choose, ready to train `parameters`, and those of text
    encoders at their own rate."""
    settings, rate = recipe.settings, recipe.learning_rate
    adam: dict[str, Any] = {
        "lr": rate,
        "betas": (settings.adam_beta1, settings.adam_beta2),
        "weight_decay": settings.adam_weight_decay,
        "eps": settings.adam_epsilon,
    }
    trained: Trained = parameters
    if texts:
        own = {"params": [*texts], "lr": recipe.text_rate, PEAK: recipe.text_rate}
        if settings.adam_weight_decay_text_encoder is not None:
            own["weight_decay"] = settings.adam_weight_decay_text_encoder
        trained = [{"params": parameters}, own]
    return _MAKERS[settings.optimizer](trained, adam, recipe)


def _adamw(parameters: Trained, adam: dict[str, Any], recipe: Recipe) -> torch.optim.Optimizer:
    """Fused where PyTorch can."""
    import torch

    try:
        return torch.optim.AdamW(parameters, fused=True, **adam)
    except RuntimeError:  # this device has no fused kernel
        return torch.optim.AdamW(parameters, **adam)


def _adamw_8bit(parameters: Trained, adam: dict[str, Any], recipe: Recipe) -> torch.optim.Optimizer:
    from bitsandbytes.optim import AdamW8bit

    made: torch.optim.Optimizer = AdamW8bit(parameters, **adam)
    return made


def _adafactor(parameters: Trained, adam: dict[str, Any], recipe: Recipe) -> torch.optim.Optimizer:
    """PyTorch's steps are as long as the rate times a matrix's root mean square, or times
    `eps[1]` if that is larger. Half of a LoRA begins at zero and would stay there; 1 is larger
    than all of them, so that steps are as long as the rate, AdamW's."""
    import torch

    return torch.optim.Adafactor(
        parameters,
        lr=adam["lr"],
        weight_decay=adam["weight_decay"],
        eps=(None, 1.0),
        foreach=True,
    )


def _prodigy(parameters: Trained, adam: dict[str, Any], recipe: Recipe) -> torch.optim.Optimizer:
    from prodigyopt import Prodigy

    settings = recipe.settings
    safeguard = settings.prodigy_safeguard_warmup
    with redirect_stdout(StringIO()):  # it prints what kind of weight decay it has
        made: torch.optim.Optimizer = Prodigy(
            parameters,
            **adam,
            beta3=settings.prodigy_beta3,
            decouple=settings.prodigy_decouple,
            use_bias_correction=settings.prodigy_use_bias_correction,
            # without a warm-up it would only hold d back: some hundred times on tiny people
            safeguard_warmup=recipe.warmup > 0 if safeguard is None else safeguard,
            d_coef=settings.prodigy_d_coef,
        )
    return made


def _schedule_free(
    parameters: Trained, adam: dict[str, Any], recipe: Recipe
) -> torch.optim.Optimizer:
    from schedulefree import AdamWScheduleFree

    made = AdamWScheduleFree(parameters, **adam)
    made.train()
    return made  # type: ignore[no-any-return]


def _muon(parameters: Trained, adam: dict[str, Any], recipe: Recipe) -> torch.optim.Optimizer:
    return _muon_class()(
        parameters,
        lr=adam["lr"],
        weight_decay=adam["weight_decay"],
        adam_betas=adam["betas"],
        adam_eps=adam["eps"],
    )


@contextmanager
def _shorter(part: torch.optim.Optimizer) -> Iterator[None]:
    """AdamW beside Muon takes steps of the length of Muon's, 0.2 of the rate."""
    import torch

    rates = [group["lr"] for group in part.param_groups]
    for group in part.param_groups if isinstance(part, torch.optim.AdamW) else ():
        group["lr"] *= 0.2
    yield
    for group, rate in zip(part.param_groups, rates, strict=True):
        group["lr"] = rate


@cache
def _muon_class() -> Callable[..., torch.optim.Optimizer]:
    import torch

    class Muon(torch.optim.Optimizer):
        """PyTorch's Muon for matrices; AdamW for what else a LoRA may have (convolutions, lengths
        of vectors). One state and one list of groups for both."""

        def __init__(
            self,
            params: Trained,
            lr: float,
            weight_decay: float,
            adam_betas: tuple[float, float],
            adam_eps: float,
        ) -> None:
            told: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
            super().__init__(params, {**told, "adam_betas": adam_betas, "adam_eps": adam_eps})
            matrices = _of_groups(self.param_groups, lambda one: one.ndim == 2)
            others = _of_groups(self.param_groups, lambda one: one.ndim != 2)
            self.parts: list[torch.optim.Optimizer] = []
            if matrices:
                self.parts.append(
                    torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw", **told)
                )
            if others:
                self.parts.append(torch.optim.AdamW(others, betas=adam_betas, eps=adam_eps, **told))
            self.param_groups = [group for part in self.parts for group in part.param_groups]
            for part in self.parts:
                part.state = self.state

        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for part in self.parts:
                with _shorter(part):
                    part.step()

    return Muon


def _of_groups(
    groups: list[dict[str, Any]], fits: Callable[[nn.Parameter], bool]
) -> list[dict[str, Any]]:
    """The groups with only those of their parameters; none is empty."""
    found = [
        {key: group[key] for key in ("lr", "weight_decay", PEAK) if key in group}
        | {"params": [one for one in group["params"] if fits(one)]}
        for group in groups
    ]
    return [group for group in found if group["params"]]


Maker = Callable[[Trained, dict[str, Any], Recipe], "torch.optim.Optimizer"]
_MAKERS: dict[str, Maker] = {
    "adamw": _adamw,
    "adamw-8bit": _adamw_8bit,
    "adafactor": _adafactor,
    "prodigy": _prodigy,
    "schedule-free": _schedule_free,
    "muon": _muon,
}


def rate_in_use(optimizer: torch.optim.Optimizer, rate: float) -> float:
    """The learning rate that steps are taken with, of one that the schedule says: Prodigy
    multiplies it by what it has found."""
    group = optimizer.param_groups[0]
    return rate * float(group["d"]) if "d_coef" in group else rate


def not_found(optimizer: torch.optim.Optimizer) -> str | None:
    """What to say of a Prodigy that has ended near the step size that it began with."""
    group = optimizer.param_groups[0]
    if "d_coef" not in group or group["d"] > 10 * group["d0"]:
        return None
    return (
        f"Prodigy has found no step size yet (it is at {group['d']:.2g}): the LoRA has hardly"
        " learned. More --max-train-steps, or --optimizer adamw."
    )


def memory_of(
    optimizer: torch.optim.Optimizer, parameters: Mapping[str, nn.Parameter]
) -> tuple[dict[str, Tensor], dict[str, Value]]:
    """(tensors, values) that an optimizer goes on from: `<kind>/<parameter>` each, and of its
    groups `group/<number>/<key>`, the figures that are no longer those it began with."""
    import torch

    tensors: dict[str, Tensor] = {}
    values: dict[str, Value] = {}
    for name, parameter in parameters.items():
        for kind, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, torch.Tensor):
                tensors[f"{kind}/{name}"] = value
            else:
                values[f"{kind}/{name}"] = value
    for number, group in enumerate(optimizer.param_groups):
        for key, value in group.items():
            # the learning rate is a function of the step
            if key in ("params", "lr") or not isinstance(value, Value):
                continue
            if value != optimizer.defaults.get(key, value):
                values[f"group/{number}/{key}"] = value
    return tensors, values


def remember(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Value],
) -> None:
    """Put back what `memory_of` has told; look at `memory_misfits` first."""
    on_device = optimizer.defaults.get("fused") or optimizer.defaults.get("capturable")
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        # fused AdamW wants its step counter where the parameters are, others on the CPU
        apart = kind == "step" and not on_device
        place = "cpu" if apart else parameters[name].device
        optimizer.state[parameters[name]][kind] = tensor.to(place, copy=True)
    for key, value in values.items():
        kind, _, name = key.partition("/")
        if kind == "group":
            number, _, key = name.partition("/")
            optimizer.param_groups[int(number)][key] = value
        else:
            optimizer.state[parameters[name]][kind] = value


def memory_misfits(
    optimizer: torch.optim.Optimizer,
    parameters: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Value],
) -> Iterator[str]:
    """Why this is not what such an optimizer would remember of these parameters."""
    import torch

    known: dict[tuple[int, ...], list[dict[str, Any]]] = {}
    groups = {
        f"group/{number}/{key}": value
        for number, group in enumerate(optimizer.param_groups)
        for key, value in group.items()
        if key not in ("params", "lr") and isinstance(value, Value)
    }
    in_groups = {key for key in values if key.startswith("group/")}
    found: dict[str, dict[str, Any]] = {name: {} for name in parameters}
    for key, value in (*tensors.items(), *((k, values[k]) for k in values.keys() - in_groups)):
        kind, _, name = key.partition("/")
        found.setdefault(name, {})[kind] = value
    for name, memory in found.items():
        parameter = parameters.get(name)
        if parameter is None:
            yield "its optimizer has other layers"
            return
        shape = tuple(parameter.shape)
        if shape not in known:
            known[shape] = [_after_a_step(optimizer, parameter, value) for value in (0.0, 1.0)]
        if not any(memory.keys() == blank.keys() for blank in known[shape]):
            yield "its optimizer has other layers"
            return
    if not in_groups <= groups.keys():
        yield "its optimizer has other settings"
        return
    for name, memory in found.items():
        for kind, value in memory.items():
            blanks = [blank[kind] for blank in known[tuple(parameters[name].shape)]]
            if not isinstance(value, torch.Tensor):
                if not any(_alike(value, blank) for blank in blanks):
                    yield f"{kind}/{name} has another type"
            elif not any(_fits(value, blank) for blank in blanks):
                yield f"{kind}/{name} has another shape or type"
            elif not bool(value.isfinite().all()):
                yield f"{kind}/{name} holds what is no number"
    for key in in_groups:
        if not _alike(values[key], groups[key]):
            yield f"{key} has another type"


def _after_a_step(
    optimizer: torch.optim.Optimizer, like: nn.Parameter, value: float
) -> dict[str, Any]:
    """What an optimizer of this class and these settings remembers of a parameter of the shape of
    `like` that is `value` throughout: Prodigy remembers where one began that did not begin at 0."""
    import torch

    parameter = torch.nn.Parameter(torch.full_like(like, value))
    parameter.grad = torch.ones_like(parameter)
    takes = inspect.signature(type(optimizer)).parameters
    settings = {key: value for key, value in optimizer.defaults.items() if key in takes}
    with redirect_stdout(StringIO()):
        fresh = type(optimizer)([parameter], **settings)
    if hasattr(fresh, "train"):
        fresh.train()
    fresh.step()
    return dict(fresh.state[parameter])


def _fits(tensor: Tensor, like: object) -> bool:
    import torch

    if not isinstance(like, torch.Tensor):
        return False
    return tensor.shape == like.shape and tensor.dtype == like.dtype


def _alike(value: Value, like: object) -> bool:
    numbers = (int, float)
    if type(value) in numbers and type(like) in numbers:
        return True
    return type(value) is type(like)
