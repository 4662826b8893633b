"""A LoRA in fewer ranks or bits, and how far it is from what it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hubtools.conversion.adapter import Adapter, Layer
from hubtools.errors import HubtoolsError

if TYPE_CHECKING:
    from torch import Tensor

Precision = Literal["fp32", "fp16", "bf16"]
DTYPES: dict[Precision, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True)
class Difference:
    """How far a LoRA's changes are from another's, each as a share of the change's own size
    (Frobenius norm): of all layers together, and of the layer that is farthest off."""

    whole: float
    worst: float
    worst_layer: str


def folded(adapter: Adapter) -> Adapter:
    """The same change with every scale in the weights: it acts alike in programs that read no
    alpha, such as ComfyUI of a file of diffusers."""
    layers = {
        name: layer if layer.scale == 1 else replace(layer, up=layer.up * layer.scale, scale=1.0)
        for name, layer in adapter.layers.items()
    }
    return replace(adapter, layers=layers)


def reduced(adapter: Adapter, rank: int) -> Adapter:
    """The same LoRA in at most `rank` ranks a layer: of each change the best that there is, by
    singular values (Eckart and Young 1936). Scales are in the weights then. Raises `HubtoolsError`
    for a DoRA."""
    if any(layer.magnitude is not None for layer in adapter.layers.values()):
        raise HubtoolsError(
            "A DoRA is not reduced: its magnitudes belong to the directions that it has.",
            hint="leave --rank out, or train it with that rank",
            code="not-supported",
        )
    layers = {name: _reduced(layer, rank) for name, layer in adapter.layers.items()}
    return replace(adapter, layers=layers)


def _reduced(layer: Layer, rank: int) -> Layer:
    import torch

    if layer.rank <= rank:
        return layer
    up, down = _flat(layer)
    # of two thin matrices: no matrix of the layer's own size is made
    left, right = torch.linalg.qr(up), torch.linalg.qr(down.T)
    u, s, v = torch.linalg.svd(left.R @ right.R.T)
    root = s[:rank].sqrt()
    new_up = (left.Q @ u[:, :rank]) * root
    new_down = root[:, None] * (v[:rank] @ right.Q.T)
    return Layer(
        new_down.reshape(rank, *layer.down.shape[1:]).float(),
        new_up.reshape(layer.up.shape[0], rank, *layer.up.shape[2:]).float(),
        1.0,
    )


def in_precision(adapter: Adapter, precision: Precision) -> Adapter:
    """The same LoRA with numbers of this precision."""
    import torch

    dtype = getattr(torch, DTYPES[precision])
    layers = {
        name: replace(
            layer,
            down=layer.down.to(dtype),
            up=layer.up.to(dtype),
            magnitude=None if layer.magnitude is None else layer.magnitude.to(dtype),
        )
        for name, layer in adapter.layers.items()
    }
    return replace(adapter, layers=layers)


def check_finite(
    source: Path, tensors: Iterable[tuple[str, Tensor]], precision: Precision, how: str = ""
) -> None:
    """Raise `HubtoolsError`, before anything is written, for numbers that grew too large."""
    for name, tensor in tensors:
        if not tensor.isfinite().all():
            raise HubtoolsError(
                f"{source}: {name[:120]} has numbers that are too large for {precision}{how}.",
                hint="--dtype bf16, or an earlier checkpoint",
                code="not-supported",
            )


def difference(before: Mapping[str, Layer], after: Mapping[str, Layer]) -> Difference:
    """How far `after` is from `before`. Nothing of a layer's own size is made: the squares of a
    product of thin matrices are products of small ones."""
    off = whole = worst = 0.0
    farthest = ""
    for name, layer in before.items():
        own = _square(layer, layer)
        if name in after:
            other = after[name]
            gone = max(0.0, own - 2 * _square(layer, other) + _square(other, other))
        else:
            gone = own
        off, whole = off + gone, whole + own
        if (magnitude := layer.magnitude) is not None:
            other_magnitude = after[name].magnitude if name in after else None
            now = 0 * magnitude if other_magnitude is None else other_magnitude
            own += float(magnitude.double().square().sum())
            gone += float((magnitude.double() - now.double()).square().sum())
        share = (gone / own) ** 0.5 if own else float(gone > 0)
        if share > worst:
            worst, farthest = share, name
    return Difference((off / whole) ** 0.5 if whole else float(off > 0), worst, farthest)


def _square(one: Layer, other: Layer) -> float:
    """The sum over all numbers of one change times those of the other."""
    up, down = _flat(one)
    other_up, other_down = _flat(other)
    return float(((up.T @ other_up) * (down @ other_down.T)).sum())


def _flat(layer: Layer) -> tuple[Tensor, Tensor]:
    """(out, rank) and (rank, in), exact enough to subtract; the scale is in the first."""
    up = layer.up.double().reshape(layer.up.shape[0], -1) * layer.scale
    return up, layer.down.double().reshape(layer.rank, -1)
