"""The forward pass of a layer with a LoRA without what peft's wrapper asks each time: in a small
base that takes as long as the products themselves. The same operations in the same order, so the
same bits, forwards and backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


def make_lean(denoiser: nn.Module) -> int:
    """Give the linear layers and convolutions of a plain LoRA such a pass, and answer how many.
    DoRA, dropout, other kinds of layers, several LoRAs or half precision go through peft as ever;
    so does one of these while its LoRA is merged. Parameters and names stay as they are."""
    found = [layer for layer in denoiser.modules() if _is_plain(layer)]
    for layer in found:
        layer.forward = _pass_of(layer)
    return len(found)


def _is_plain(layer: Any) -> bool:
    from peft.tuners.lora.layer import Conv2d, Linear
    from torch import nn

    kinds: dict[type, type] = {Linear: nn.Linear, Conv2d: nn.Conv2d}
    kind = kinds.get(type(layer))
    if kind is None:
        return False
    of = [layer.base_layer, *layer.lora_A.values()]
    names = list(layer.lora_A)
    return (
        len(names) == 1
        and list(layer.active_adapters) == names
        and not layer.lora_variant
        and not getattr(layer, "fan_in_fan_out", False)
        and type(layer.lora_dropout[names[0]]) is nn.Identity
        and not layer.lora_bias[names[0]]
        and all(type(one) is kind for one in of)
        and len({one.weight.dtype for one in of}) == 1
    )


def _pass_of(layer: Any) -> Any:
    import torch

    (name,) = layer.lora_A
    names, wrapped = [name], layer.forward
    base, down, up, scaling = (
        layer.base_layer,
        layer.lora_A[name],
        layer.lora_B[name],
        layer.scaling,
    )
    # the layers are asked without what a call of a module does beside: nothing is hooked to them
    of_base, of_down, of_up = base.forward, down.forward, up.forward
    precision = down.weight.dtype

    def forward(x: Tensor, *args: Any, **more: Any) -> Tensor:
        if (
            args
            or more
            or layer.merged_adapters
            or layer._active_adapter != names
            or x.dtype != precision
            or torch.is_autocast_enabled(x.device.type)
        ):
            answer: Tensor = wrapped(x, *args, **more)
            return answer
        result: Tensor = of_base(x)
        if layer._disable_adapters:
            return result
        added = of_up(of_down(x))
        factor = scaling[name]
        changed: Tensor = result + (added if factor == 1 else added * factor)
        return changed

    return forward
