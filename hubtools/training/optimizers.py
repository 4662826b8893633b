"""The optimizer, and what it remembers as tensors plus JSON, whatever its class."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Value = bool | int | float | str | None

# AdamW's two float32 moments.
BYTES_A_PARAMETER = 8


def make_optimizer(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW, fused where PyTorch can."""
    import torch

    settings = recipe.settings
    options: dict[str, Any] = {
        "lr": recipe.learning_rate,
        "betas": (settings.adam_beta1, settings.adam_beta2),
        "weight_decay": settings.adam_weight_decay,
        "eps": settings.adam_epsilon,
    }
    try:
        return torch.optim.AdamW(parameters, fused=True, **options)
    except RuntimeError:  # this device has no fused kernel
        return torch.optim.AdamW(parameters, **options)


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
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        # fused AdamW wants its step counter where the parameters are
        optimizer.state[parameters[name]][kind] = tensor.to(parameters[name].device, copy=True)
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

    blank: dict[str, Any] = {}
    known: dict[tuple[int, ...], dict[str, Any]] = {}
    for name, parameter in parameters.items():
        shape = tuple(parameter.shape)
        if shape not in known:
            known[shape] = _after_a_step(optimizer, shape)
        blank |= {f"{kind}/{name}": value for kind, value in known[shape].items()}
    wanted = {key for key, value in blank.items() if isinstance(value, torch.Tensor)}
    groups = {
        f"group/{number}/{key}": value
        for number, group in enumerate(optimizer.param_groups)
        for key, value in group.items()
        if key not in ("params", "lr") and isinstance(value, Value)
    }
    in_groups = {key for key in values if key.startswith("group/")}
    if tensors.keys() != wanted or values.keys() - in_groups != blank.keys() - wanted:
        yield "its optimizer has other layers"
        return
    if not in_groups <= groups.keys():
        yield "its optimizer has other settings"
        return
    for key, tensor in tensors.items():
        if tensor.shape != blank[key].shape or tensor.dtype != blank[key].dtype:
            yield f"{key} has another shape or type"
        elif not bool(tensor.isfinite().all()):
            yield f"{key} holds what is no number"
    for key, value in values.items():
        if not _alike(value, groups[key] if key in in_groups else blank[key]):
            yield f"{key} has another type"


def _after_a_step(optimizer: torch.optim.Optimizer, shape: tuple[int, ...]) -> dict[str, Any]:
    """What an optimizer of this class and these settings remembers of a parameter of zeros."""
    import torch

    parameter = torch.nn.Parameter(torch.zeros(shape))
    parameter.grad = torch.zeros(shape)
    takes = inspect.signature(type(optimizer)).parameters
    settings = {key: value for key, value in optimizer.defaults.items() if key in takes}
    fresh = type(optimizer)([parameter], **settings)
    fresh.step()
    return dict(fresh.state[parameter])


def _alike(value: Value, like: object) -> bool:
    numbers = (int, float)
    if type(value) in numbers and type(like) in numbers:
        return True
    return type(value) is type(like)
