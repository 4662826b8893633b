"""Pictures that others are made from, small: pipelines make a megapixel of each, which takes a tiny
VAE half a minute on a CPU."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

KONTEXT_SIZES = [(64, 64), (96, 48), (48, 96)]


def shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pipelines of diffusers, and so ours, make them 256 times as small."""
    from diffusers.pipelines.flux import pipeline_flux_kontext
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus

    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", KONTEXT_SIZES)
    for module in (pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus):
        whole = module.calculate_dimensions

        def small(area: int, ratio: float, whole: Any = whole) -> Any:
            return whole(max(area // 256, 4096), ratio)

        monkeypatch.setattr(module, "calculate_dimensions", small)


def given(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """Soft, as pictures are."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    small = (torch.rand(4, 4, 3, generator=generator) * 255).byte().numpy()
    return Image.fromarray(small, "RGB").resize((width, height), Image.Resampling.BICUBIC)
