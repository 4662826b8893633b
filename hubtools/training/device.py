"""Where the run happens: device, precision, threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError, UsageError, missing_modules
from hubtools.models.checkpointing import checkpoint_blocks
from hubtools.models.device import free_cores, has_bf16
from hubtools.models.quantised import quantise
from hubtools.settings import TrainSettings
from hubtools.training.recipe import DTYPES

if TYPE_CHECKING:
    import torch
    from torch import nn


_KERNELS = {
    "flash": "FLASH_ATTENTION", "efficient": "EFFICIENT_ATTENTION", "cudnn": "CUDNN_ATTENTION",
    "math": "MATH",
}  # fmt: skip


def precision_of(settings: TrainSettings, device: torch.device) -> str:
    """`no`, `fp16` or `bf16`. Raises `UsageError` for what the device cannot do.

    `auto` is what `accelerate launch --mixed_precision` or its configuration says, if that is half
    precision: its `no` is what it says unasked."""
    asked = settings.mixed_precision
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "").lower()
    if asked == "auto" and launched in ("fp16", "bf16"):
        asked = "fp16" if launched == "fp16" else "bf16"
    if device.type == "cuda":
        bf16 = has_bf16()
        if asked == "auto":
            return "bf16" if bf16 else "fp16"
        if asked == "bf16" and not bf16:
            import torch

            raise UsageError(
                f"{torch.cuda.get_device_name(device)} cannot compute in bf16.",
                hint="--mixed-precision fp16",
                code="not-supported",
            )
        return asked
    if asked == "auto":
        return "no"
    if asked == "fp16" and device.type == "cpu":
        raise UsageError(
            "fp16 needs a GPU; this run is on the CPU.",
            hint="--mixed-precision bf16, or no",
            code="not-supported",
        )
    return asked


def dtype_of(precision: str) -> torch.dtype:
    """dtype of the frozen denoiser."""
    import torch

    dtype: torch.dtype = getattr(torch, DTYPES[precision])
    return dtype


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Mixed precision for a forward pass; nothing where everything is float32."""
    import torch

    if precision == "no":
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype_of(precision))


@contextmanager
def attending(kernel: str) -> Iterator[None]:
    """One kernel of PyTorch's attention and no other, unless it is `auto`; for a backward pass too,
    which gradient checkpointing computes forwards in. Raises `HubtoolsError` where it cannot."""
    if kernel == "auto":
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    try:
        with sdpa_kernel(SDPBackend.__members__[_KERNELS[kernel]]):
            yield
    except RuntimeError as error:
        if not any(words in str(error) for words in ("No available kernel", "No viable backend")):
            raise
        raise HubtoolsError(
            f"attention {kernel}: this base's attention cannot be computed so on this device (its"
            " precision, the width of its heads, or a mask of its captions).",
            hint="leave it out: auto takes the fastest that can",
            code="not-supported",
        ) from None


def cap_threads(settings: TrainSettings, remembered: int | None) -> tuple[int, str]:
    """Set PyTorch's CPU threads; answers what `threads_of` does."""
    import torch

    number, why = threads_of(settings, remembered)
    torch.set_num_threads(number)
    return number, why


def threads_of(settings: TrainSettings, remembered: int | None = None) -> tuple[int, str]:
    """(how many CPU threads a run has, a word on why).

    Threads that wait for a busy core spin: two threads on one free core are many times slower
    than one. `remembered` is what the run was started with: sums in another order would make the
    continued run another run. OMP_NUM_THREADS is respected as an upper bound.
    """
    if settings.num_threads is not None:
        number, why = settings.num_threads, "as set"
    elif remembered is not None:
        number, why = remembered, "as when the run was started"
    else:
        number, why = free_cores(), "the cores that are free"
        limit = os.environ.get("OMP_NUM_THREADS", "")
        if limit.isdigit() and 0 < int(limit) < number:
            number, why = int(limit), "OMP_NUM_THREADS"
    return number, why


def quantise_as_set(
    denoiser: nn.Module, settings: TrainSettings, device: torch.device | None = None
) -> None:
    """Hold the frozen denoiser's layers in fewer bits, on `device`, if the settings ask for it.
    Raises `UsageError` if it has no layer that this can be done to."""
    kind = settings.quantize
    if kind is not None and not quantise(denoiser, kind, device):
        raise UsageError(
            f"quantize {kind}: the base has no layer that can be held so.",
            hint="leave it out: this base is small",
            code="bad-setting",
        )


def set_up(settings: TrainSettings, denoiser: Any, device: torch.device) -> None:
    """TF32, gradient checkpointing and xformers, as the settings ask."""
    if device.type == "cuda":
        _use_tf32(settings.allow_tf32)
    if settings.gradient_checkpointing:
        checkpoint_blocks(denoiser, settings.gradient_checkpointing_interval)
    if settings.enable_xformers_memory_efficient_attention:
        denoiser.enable_xformers_memory_efficient_attention()


def arrange(denoiser: Any, device: torch.device, precision: str) -> None:
    """Lay the weights out as the GPU's convolutions in half precision want them, channels last: a
    recorded step of Stable Diffusion takes an eighth less. Recorded or not, so that both stay the
    same, bit for bit."""
    if device.type == "cuda" and precision != "no":
        import torch

        torch.nn.Module.to(denoiser, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _use_tf32(allowed: bool) -> None:
    import torch

    with warnings.catch_warnings():
        # newer PyTorch advises another name, but may not be told by both, and inductor reads these
        warnings.filterwarnings("ignore", "Please use the new API settings")
        torch.backends.cuda.matmul.allow_tf32 = allowed
        torch.backends.cudnn.allow_tf32 = allowed


def encode_exactly(device: torch.device) -> None:
    """No TF32 until `set_up`: what is cached must not depend on the run that happened to make it,
    and PyTorch's default is TF32 for convolutions."""
    if device.type == "cuda":
        _use_tf32(False)


def forget_memory(device: torch.device) -> None:
    """Begin to count anew what `most_memory` tells."""
    import torch

    if device.type == "cuda":
        torch.cuda.empty_cache()  # of the encoders
        torch.cuda.reset_peak_memory_stats(device)


def most_memory(device: torch.device) -> int:
    """Bytes of GPU memory that this process has held at most; 0 where it is not counted."""
    import torch

    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else 0


def check_attention(settings: TrainSettings, device: torch.device) -> None:
    """Raise `UsageError` if xformers or a kernel is asked for and cannot be had."""
    if settings.attention in ("efficient", "cudnn") and device.type != "cuda":
        raise UsageError(
            f"attention {settings.attention} is a kernel for CUDA GPUs; this run is on"
            f" {device.type}.",
            hint="leave it out: auto takes the fastest that can",
            code="not-supported",
        )
    if not settings.enable_xformers_memory_efficient_attention:
        return
    without = "leave the option out: PyTorch's own attention is about as fast"
    if settings.attention != "auto":
        raise UsageError(
            f"attention {settings.attention} is a kernel of PyTorch's own attention, which xformers"
            " takes the place of.",
            hint="leave one of them out",
            code="bad-setting",
        )
    if missing_modules("xformers"):
        raise UsageError(
            "xformers is asked for, but not installed.",
            hint=f"pip install 'hf-hubtools[xformers]', or {without}",
            code="missing-package",
        )
    if device.type != "cuda":
        raise UsageError(
            f"xformers needs a CUDA GPU; this run is on {device.type}.",
            hint=without,
            code="not-supported",
        )
