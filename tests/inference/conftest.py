"""A LoRA for the tiny base, written by stock diffusers, and shots small enough to draw often."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hubtools.models.base import Base, resolve_base


@pytest.fixture(scope="session")
def base(tiny_base: Path) -> Base:
    return resolve_base(str(tiny_base))


@pytest.fixture(scope="session")
def pipeline(base: Base) -> Any:
    """The tiny base on the CPU; tests leave it as they found it."""
    torch = pytest.importorskip("torch")
    from hubtools.models.loading import load_pipeline

    torch.set_num_threads(1)
    return load_pipeline(base, device="cpu")


def write_lora(base: Path, folder: Path, *, seed: int, name: str, rank: int = 2) -> Path:
    """A LoRA with random weights that stock diffusers has written."""
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
    targets = ["to_q", "to_v"]
    unet.add_adapter(LoraConfig(r=rank, target_modules=targets, init_lora_weights=False))
    StableDiffusionPipeline.save_lora_weights(
        folder, unet_lora_layers=get_peft_model_state_dict(unet), weight_name=name
    )
    return folder / name


@pytest.fixture(scope="session")
def make_lora(tiny_base: Path) -> Callable[..., Path]:
    """`make_lora(folder, name=..., seed=..., rank=...)`."""
    return partial(write_lora, tiny_base)


@pytest.fixture(scope="session")
def lora_file(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lora")
    return write_lora(tiny_base, folder, seed=1, name="pytorch_lora_weights.safetensors")
