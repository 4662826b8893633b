"""The forward pass of a layer with a LoRA without what peft's wrapper asks each time: in a small
base that takes as long as the products themselves. The same operations in the same order, so the
same bits, forwards and backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def make_lean(denoiser: nn.Module) -> int:
    """Give the linear layers of a plain LoRA such a pass, and answer how many. DoRA, dropout, other
    kinds of layers, several LoRAs or half precision go through peft as ever; so does one of these
    while its LoRA is turned off or merged. Parameters and names stay as they are."""
    from peft.tuners.lora.layer import Linear
    from torch import nn

    found = [
        layer for layer in denoiser.modules() if type(layer) is Linear and _is_plain(layer, nn)
    ]
    for layer in found:
        layer.forward = _pass_of(layer)
    return len(found)


def _is_plain(layer: Any, nn: Any) -> bool:
    names = list(layer.lora_A)
    return (
        type(layer.base_layer) is nn.Linear
        and len(names) == 1
        and list(layer.active_adapters) == names
        and not layer.lora_variant
        and not layer.fan_in_fan_out
        and type(layer.lora_dropout[names[0]]) is nn.Identity
        and not layer.lora_bias[names[0]]
        and type(layer.lora_A[names[0]]) is nn.Linear
        and layer.lora_A[names[0]].weight.dtype == layer.base_layer.weight.dtype
    )


def _pass_of(layer: Any) -> Any:
    import torch
    from torch.nn.functional import linear

    (name,) = layer.lora_A
    names, wrapped = [name], layer.forward
    base, down, up, scaling = (
        layer.base_layer,
        layer.lora_A[name],
        layer.lora_B[name],
        layer.scaling,
    )
    precision = down.weight.dtype

    def forward(x: Tensor, *args: Any, **more: Any) -> Tensor:
        if (
            args
            or more
            or layer._disable_adapters
            or layer.merged_adapters
            or layer._active_adapter != names
            or x.dtype != precision
            or torch.is_autocast_enabled(x.device.type)
        ):
            answer: Tensor = wrapped(x, *args, **more)
            return answer
        result = linear(x, base.weight, base.bias)
        added = linear(linear(x, down.weight), up.weight)
        factor = scaling[name]
        return result + (added if factor == 1 else added * factor)

    return forward
