"""A frozen denoiser in a quarter or half of its memory: its layers hold few bits a number, and the
numbers themselves only while they are needed, in the forward pass and again in the backward one.

`nf4`: 4-bit NormalFloat in blocks of 64 along a row, as QLoRA uses it (Dettmers et al. 2023,
https://arxiv.org/abs/2305.14314, section 3 and appendix E), with a float32 scale a block: 4.5 bits.
`int8`: whole numbers from -127 to 127, `fp8`: float8 e4m3 (https://arxiv.org/abs/2209.05433); both
with a float32 scale a row.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Kind = Literal["nf4", "int8", "fp8"]

_BLOCK = 64
_LARGEST = {"int8": 127.0, "fp8": 448.0}
# Smaller layers are not worth it.
_LEAST = 1 << 12


def quantise(denoiser: nn.Module, kind: Kind, device: torch.device | None = None) -> int:
    """Exchange the linear layers of the denoiser's blocks for quantised ones, each on `device`
    (default: where it is), and answer how many. What comes before and behind the blocks, norms and
    convolutions stay as they are; so do layers whose rows are no multiple of 64."""

    found = quantisable(denoiser)
    for name, module in found:
        parent, _, own = name.rpartition(".")
        setattr(denoiser.get_submodule(parent), own, _layer(module, kind, device))
    return len(found)


def quantisable(denoiser: nn.Module) -> list[tuple[str, nn.Linear]]:
    """The layers that `quantise` exchanges, with their names."""
    from torch import nn

    return [
        (name, module)
        for name, module in denoiser.named_modules()
        if type(module) is nn.Linear and is_in_block(name) and _fits(module)
    ]


def bytes_packed(numbers: int, rows: int, kind: Kind) -> int:
    """What `packed` makes of layers of so many numbers and rows, biases left out."""
    return numbers // 2 + numbers // _BLOCK * 4 if kind == "nf4" else numbers + 4 * rows


def is_quantised(denoiser: nn.Module) -> bool:
    """True if some of its layers are held in fewer bits by `quantise`."""
    return any(isinstance(module, _class()) for module in denoiser.modules())


def is_in_block(name: str) -> bool:
    """True below a list of blocks, `transformer_blocks.7.attn.to_q`; the numbers of a sequence at
    the top, `time_embed.0`, are none."""
    parts = name.split(".")
    return any(part.isdigit() for part in parts[:-1])


def _fits(layer: nn.Linear) -> bool:
    return layer.in_features % _BLOCK == 0 and layer.weight.numel() >= _LEAST


def _layer(layer: nn.Linear, kind: Kind, device: torch.device | None) -> nn.Linear:
    weight = layer.weight.detach()
    made: nn.Linear = _class()(weight.to(device or weight.device), layer.bias, kind)
    return made.requires_grad_(False)


def packed(weight: Tensor, kind: Kind) -> tuple[Tensor, Tensor]:
    """The codes (uint8) and scales (float32) of a weight (rows, columns). nf4: codes (rows,
    columns / 2), scales (rows, columns / 64); else codes (rows, columns), scales (rows, 1)."""
    import torch

    rows, columns = weight.shape
    size = _BLOCK if kind == "nf4" else columns
    blocks = weight.float().reshape(rows, columns // size, size)
    scales = blocks.abs().amax(-1, keepdim=True)
    scales = torch.where(scales == 0, torch.ones_like(scales), scales)
    if kind == "nf4":
        levels = _levels().to(weight.device)
        middles = (levels[1:] + levels[:-1]) / 2
        codes = torch.bucketize(blocks / scales, middles).to(torch.uint8).reshape(rows, -1)
        return codes[:, ::2] << 4 | codes[:, 1::2], scales.reshape(rows, -1)
    scales = scales / _LARGEST[kind]
    scaled = (blocks / scales).reshape(rows, columns)
    codes = scaled.round().to(torch.int8) if kind == "int8" else scaled.to(torch.float8_e4m3fn)
    return codes.view(torch.uint8), scales.reshape(rows, 1)


def unpacked(codes: Tensor, scales: Tensor, kind: Kind, dtype: torch.dtype) -> Tensor:
    """The weight (rows, columns) that `packed` made these of, as near as `kind` is."""
    import torch

    rows = codes.shape[0]
    if kind == "nf4":
        numbers = torch.nn.functional.embedding(codes.int(), _pairs(codes.device))
        blocks = numbers.reshape(rows, scales.shape[1], _BLOCK)
        return (blocks * scales[:, :, None]).reshape(rows, -1).to(dtype)
    stored = torch.int8 if kind == "int8" else torch.float8_e4m3fn
    return (codes.view(stored).to(torch.float32) * scales).to(dtype)


@cache
def _levels() -> Tensor:
    """The 16 numbers of NormalFloat: seven below zero, zero, and eight above, each half quantiles
    of the normal distribution that share it out evenly; the outermost are -1 and 1."""
    import torch

    offset = (1 - 1 / 30 + 1 - 1 / 32) / 2  # the mean of half a level of 15 and of 16
    above = torch.special.ndtri(torch.linspace(offset, 0.5, 9, dtype=torch.float64)[:-1])
    below = -torch.special.ndtri(torch.linspace(offset, 0.5, 8, dtype=torch.float64)[:-1])
    zero = torch.zeros(1, dtype=torch.float64)
    levels = torch.cat([above, zero, below]).sort().values
    return (levels / levels.abs().max()).float()


@cache
def _pairs(device: torch.device) -> Tensor:
    """The two numbers that each byte stands for (256, 2)."""
    import torch

    if device.type == "meta":
        return torch.empty(256, 2, device="meta")
    bytes_ = torch.arange(256)
    levels = _levels()
    return torch.stack([levels[bytes_ >> 4], levels[bytes_ & 15]], -1).to(device)


@cache
def _class() -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    class Product(torch.autograd.Function):
        """x W' without keeping W: it is unpacked again for the gradient of x."""

        @staticmethod
        def forward(ctx: Any, x: Tensor, codes: Tensor, scales: Tensor, kind: Kind) -> Tensor:
            ctx.save_for_backward(codes, scales)
            ctx.kind = kind
            return functional.linear(x, unpacked(codes, scales, kind, x.dtype))

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
            codes, scales = ctx.saved_tensors
            weight = unpacked(codes, scales, ctx.kind, gradient.dtype)
            return gradient @ weight, None, None, None

    class QuantisedLinear(nn.Linear):
        """A frozen linear layer of `packed` weights."""

        def __init__(self, weight: Tensor, bias: Tensor | None, kind: Kind) -> None:
            nn.Module.__init__(self)
            self.out_features, self.in_features = weight.shape
            self.kind, self.precision = kind, weight.dtype
            codes, scales = packed(weight, kind)
            self.codes = nn.Parameter(codes, requires_grad=False)
            self.scales = nn.Parameter(scales, requires_grad=False)
            own = None
            if bias is not None:
                own = nn.Parameter(bias.detach().to(weight.device), requires_grad=False)
            self.register_parameter("bias", own)

        @property
        def weight(self) -> Tensor:  # type: ignore[override]
            return unpacked(self.codes, self.scales, self.kind, self.precision)

        def forward(self, input: Tensor) -> Tensor:
            kind = input.device.type
            if kind != "meta" and torch.is_autocast_enabled(kind):
                input = input.to(torch.get_autocast_dtype(kind))
            answer: Tensor = Product.apply(input, self.codes, self.scales, self.kind)  # type: ignore[no-untyped-call]
            return answer if self.bias is None else answer + self.bias.to(answer.dtype)

    return QuantisedLinear
