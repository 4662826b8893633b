"""The noise of a seed: the same numbers on every device and in every precision.

PyTorch's CPU generator gives other numbers in half precision than in float32, not the same ones
rounded; so a pipeline in bf16 would start from another picture than the same one in float32. And
torchsde, which DPMSolverSDE takes its noise from, asks a generator of the device itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def same_noise(pipeline: Any) -> Iterator[None]:
    """While it lasts, `pipeline` draws its noise on the CPU in float32 and rounds it afterwards:
    that of the start (every diffusers pipeline draws it in `prepare_latents`) and that of the
    scheduler's steps. On a CPU in float32 nothing changes."""
    places = [(pipeline, "prepare_latents"), (pipeline.scheduler, "step")]
    places = [(owner, name) for owner, name in places if hasattr(owner, name)]
    for owner, name in places:
        setattr(owner, name, _drawn_alike(getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name in places:
            delattr(owner, name)


def _drawn_alike(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, in which `torch.randn` is ours. Its signature stays: pipelines look at it."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Alike(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if func is torch.randn:
                return _randn(args, dict(kwargs or {}))
            return func(*args, **kwargs or {})

    @functools.wraps(work)
    def drawn(*args: Any, **options: Any) -> Any:
        # around this call alone: the mode costs a little in every operation below it
        with Alike():
            return work(*args, **options)

    return drawn


def _randn(size: Any, options: dict[str, Any]) -> Any:
    """`torch.randn(*size, **options)`, of a seeded generator the float32 numbers of the CPU."""
    import torch

    source = options.get("generator")
    if source is None:
        return torch.randn(*size, **options)
    dtype, device = options.get("dtype") or torch.get_default_dtype(), options.get("device")
    if dtype in (torch.float16, torch.bfloat16):
        options["dtype"] = torch.float32
    if source.device.type != "cpu":
        # torchsde makes one for each draw, so that its seed is where it stands
        options["generator"] = torch.Generator("cpu").manual_seed(source.initial_seed())
        options["device"] = "cpu"
    return torch.randn(*size, **options).to(device=device, dtype=dtype)
