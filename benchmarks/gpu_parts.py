"""What a step costs at least, and where it goes: the card's rates, the work of a step, and one pass
of the denoiser, forward and backward, run in several ways."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from hubtools.models.families.protocol import ATTENTION
from hubtools.models.families.stable_diffusion import StableDiffusion
from hubtools.settings import TrainSettings
from hubtools.training.adapter import add_lora
from hubtools.training.cuda_graph import GraphedStep

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALF = torch.bfloat16


def seconds(work: Callable[[], Any], repeat: int = 10) -> float:
    """Median seconds of a call that is warm."""
    times = []
    for _ in range(repeat):
        _wait()
        begun = time.perf_counter()
        work()
        _wait()
        times.append(time.perf_counter() - begun)
    return sorted(times)[len(times) // 2]


def _wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def ceilings() -> dict[str, float]:
    """bf16 matrix products of random numbers, and copies within the device's memory."""
    side = 8192 if DEVICE == "cuda" else 256
    a, b = (torch.randn(side, side, device=DEVICE, dtype=HALF) for _ in range(2))
    long = torch.randn(side, side * 4, device=DEVICE)
    for _ in range(5):
        a @ b
        long.clone()

    def many() -> None:
        for _ in range(20):
            a @ b

    return {
        "matmul_bf16_tflop_s": round(20 * 2 * side**3 / seconds(many, 3) / 1e12, 1),
        "copy_gb_s": round(2 * long.numel() * 4 / seconds(long.clone) / 1e9, 1),
    }


@functools.cache
def flops_of_a_step(base: Path, size: int, rank: int, batch: int) -> int:
    """Operations of a forward and a backward pass through the UNet with a LoRA, counted by PyTorch
    on shapes alone. The frozen weights need no gradients, so it is two forward passes' worth."""
    from torch.utils.flop_counter import FlopCounterMode

    unet = StableDiffusion().blank_denoiser(base)
    unet.requires_grad_(False)
    add_lora(unet, TrainSettings(rank=rank, target_modules=list(ATTENTION)), float(rank))
    width = unet.config.cross_attention_dim
    side = size // 8
    latents = torch.empty(batch, 4, side, side, device="meta")
    when = torch.empty(batch, dtype=torch.long, device="meta")
    text = torch.empty(batch, 77, width, device="meta")
    with FlopCounterMode(display=False) as counter:
        unet(latents, when, text).sample.sum().backward()
    return int(counter.get_total_flops())


# name -> (autocast, recorded, channels last, LoRA in half precision)
WAYS = {
    "eager, autocast": (True, False, False, False),
    "eager, autocast, channels last": (True, False, True, False),
    "recorded, autocast": (True, True, False, False),
    "recorded, autocast, channels last": (True, True, True, False),
    "recorded, no autocast": (False, True, False, False),
    "recorded, no autocast, channels last": (False, True, True, False),
    "recorded, LoRA in bf16 (does not learn well)": (False, True, False, True),
}
COMPILED = {
    "recorded, autocast, attention blocks compiled": (True, True, False, False),
    "recorded, autocast, channels last, attention blocks compiled": (True, True, True, False),
}


def parts(base: Path, size: int, *, compiled: bool, rank: int = 16) -> Iterator[dict[str, Any]]:
    """Milliseconds of a forward and a backward pass, for batches of one and four."""
    for name, way in (COMPILED if compiled else WAYS).items():
        row: dict[str, Any] = {"pass": name}
        begun = time.perf_counter()
        try:
            for batch in (1, 4):
                row[f"ms_batch_{batch}"] = round(
                    1e3 * _pass(base, size, rank, batch, way, compiled), 2
                )
        except Exception as error:
            row |= {"ms_batch_1": None, "ms_batch_4": None}
            print(name, type(error).__name__, str(error)[:500])
        row["setup_s"] = round(time.perf_counter() - begun, 1)
        yield row


def _pass(base: Path, size: int, rank: int, batch: int, way: Any, compiled: bool) -> float:
    cast, record, last, half = way
    with torch.device(DEVICE):
        from diffusers import UNet2DConditionModel

        unet = UNet2DConditionModel.from_config(
            UNet2DConditionModel.load_config(str(base), subfolder="unet")
        )
    torch.nn.Module.to(unet, HALF)  # diffusers' own `to` warns of an empty list
    unet.requires_grad_(False)
    parameters = list(
        add_lora(
            unet, TrainSettings(rank=rank, target_modules=list(ATTENTION)), float(rank)
        ).values()
    )
    unet.to(DEVICE)
    if half:
        for parameter in parameters:
            parameter.data = parameter.data.to(HALF)
    if last:
        unet.to(memory_format=torch.channels_last)
    if compiled:
        torch._dynamo.reset()
        unet.compile_repeated_blocks(dynamic=False)
    unet.train()
    side, width = size // 8, unet.config.cross_attention_dim

    def work(fed: dict[str, Any]) -> torch.Tensor:
        context = torch.autocast(DEVICE, dtype=HALF) if cast else nullcontext()
        with context:
            answer = unet(fed["latents"], fed["when"], fed["text"], return_dict=False)[0]
        loss = answer.float().square().mean()
        loss.backward()
        return loss.detach()

    fed = {
        "latents": torch.randn(batch, 4, side, side, device=DEVICE, dtype=HALF),
        "when": torch.randint(0, 1000, (batch,), device=DEVICE),
        "text": torch.randn(batch, 77, width, device=DEVICE, dtype=HALF),
    }
    passes = GraphedStep(work, parameters, torch.device(DEVICE), record=record and DEVICE == "cuda")
    for _ in range(4):
        passes.run(fed)
    if record and DEVICE == "cuda" and passes.graph is None:
        raise RuntimeError(f"not recorded: {passes.problem}")
    return seconds(lambda: passes.run(fed), 12)
