"""A training loop that a kill cannot hurt: every step draws its data from its own number, and the
state is written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import nn

Loss = Callable[[int, torch.Generator], torch.Tensor]


def autocast(device: str) -> contextlib.AbstractContextManager[object]:
    """bfloat16, but on processors that have no instructions for it: there float32 is several times
    faster."""
    if device == "cpu" and not torch.cpu._is_avx512_bf16_supported():
        return contextlib.nullcontext()
    return torch.autocast(device, torch.bfloat16)


def learning_rate(step: int, steps: int, peak: float, *, warmup: int = 100) -> float:
    """Linear warm-up, a plateau, and a half cosine to a hundredth over the last 35 % of the run:
    a plateau can be prolonged later, a cosine over the whole run cannot."""
    turn = int(steps * 0.65)
    if step < warmup:
        return peak * (step + 1) / warmup
    if step < turn:
        return peak
    share = (step - turn) / max(1, steps - turn)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


class Average:
    """Exponential moving average of parameters; its memory grows with the age of the run."""

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float) -> None:
        self.parameters = list(parameters)
        self.decay = decay
        self.values = [p.detach().clone() for p in self.parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take the parameters in after `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.parameters], 1 - decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Put the averages into the model."""
        for parameter, value in zip(self.parameters, self.values, strict=True):
            parameter.copy_(value)


def train(
    name: str,
    work: Path,
    model: nn.Module,
    loss_of: Loss,
    *,
    steps: int,
    peak: float,
    seed: int,
    ema: float = 0.999,
    device: str = "cpu",
    bf16: bool = True,
    weight_decay: float = 0.01,
    save_every: float = 120.0,
    optimizer: torch.optim.Optimizer | None = None,
) -> nn.Module:
    """Train `model` for `steps` steps, or go on where `work/NAME.state.pt` ends; the result holds
    the averaged weights and lies in `work/NAME.pt`. If there is a `work/NAME.start.pt`, a training
    that begins does so from there. Without an `optimizer` it is AdamW."""
    result, state_file = work / f"{name}.pt", work / f"{name}.state.pt"
    model.to(device)
    if result.exists():
        model.load_state_dict(torch.load(result, map_location=device))
        return model
    if (begun := work / f"{name}.start.pt").exists() and not state_file.exists():
        model.load_state_dict(torch.load(begun, map_location=device))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = optimizer or torch.optim.AdamW(
        parameters, lr=peak, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
    )
    average = Average(parameters, ema)
    first = 0
    if state_file.exists():
        state = torch.load(state_file, map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.values = state["average"]
        first = state["step"]
    log = (work / f"{name}.jsonl").open("a", encoding="utf-8")
    started = saved = time.monotonic()
    smooth: float | None = None
    for step in range(first, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        with autocast(device) if bf16 else contextlib.nullcontext():
            loss = loss_of(step, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        value = loss.item()
        smooth = value if smooth is None else smooth + 0.02 * (value - smooth)
        if (step + 1) % 50 == 0 or step + 1 == steps:
            pace = (time.monotonic() - started) / (step + 1 - first)
            row = {"step": step + 1, "loss": round(smooth, 5), "seconds_a_step": round(pace, 3)}
            print(name, row, f"{(steps - step - 1) * pace / 60:.0f} min left", flush=True)
            log.write(json.dumps(row) + "\n")
            log.flush()
        if time.monotonic() - saved > save_every:
            _save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "average": average.values,
                    "step": step + 1,
                },
                state_file,
            )
            saved = time.monotonic()
    average.apply()
    _save(model.state_dict(), result)
    state_file.unlink(missing_ok=True)
    return model


def _save(value: object, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(value, temporary)
    os.replace(temporary, path)
