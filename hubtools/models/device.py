"""Which device, precision and number of threads to use when nobody says."""

from __future__ import annotations

import gc
import os
import platform
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hubtools.errors import UsageError
from hubtools.findings import plural

if TYPE_CHECKING:
    import torch


class Processor(NamedTuple):
    """What computes: a GPU as its driver calls it, or (None) `cores` of a CPU."""

    gpu: str | None
    cores: int


def processor_of(device: torch.device, cores: int) -> Processor:
    """That of `device`; so many `cores` where it is a CPU."""
    if device.type == "cpu":
        return Processor(None, cores)
    if device.type != "cuda":
        return Processor(device.type, cores)
    import torch

    return Processor(torch.cuda.get_device_name(device), cores)


def cpu_model() -> str:
    """What the machine's CPU is called, as far as can be told."""
    with suppress(OSError):
        told = Path("/proc/cpuinfo").read_text("utf-8", "replace")
        if found := re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE):
            return found[1]
    return platform.processor() or platform.machine()


def best_device() -> str:
    """`cuda`, `mps` or `cpu`."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


# What drivers of GPUs put there: NVIDIA's, AMD's, and that of Windows' Linux.
_GPU_FILES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")


def is_surely_cpu() -> bool:
    """True if PyTorch cannot find a GPU here, told without importing it, which takes seconds."""
    if sys.platform != "linux":
        return False
    there = any(Path(file).exists() for file in _GPU_FILES)
    return not there or os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")


def checked_device(name: str | None) -> str:
    """`name` if PyTorch can use that device, for None the best there is. Raises `UsageError`."""
    import torch

    if name is None:
        return best_device()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            f"There is no device {name!r}.", hint="--device cuda, cuda:1, mps or cpu"
        ) from None
    there = {"cpu": 1, "mps": int(torch.backends.mps.is_available())}
    there["cuda"] = torch.cuda.device_count() if torch.cuda.is_available() else 0
    count = there.get(device.type, 0)
    if (device.index or 0) < count:
        return name
    if count:
        raise UsageError(
            f"There is no device {name}: PyTorch sees {count} of that kind.",
            hint=f"they are counted from {device.type}:0",
        )
    usable = ", ".join(sorted(kind for kind, number in there.items() if number))
    raise UsageError(
        f"PyTorch cannot use a device {name!r} here.",
        hint=f"--device {usable}; `hubtools doctor` tells what it sees",
        code="not-supported",
    )


def best_dtype(device: str) -> str:
    """`bfloat16` where the GPU has it, else `float16` on a GPU, `float32` on a CPU."""
    if device.startswith("cuda"):
        return "bfloat16" if has_bf16() else "float16"
    return "float16" if device == "mps" else "float32"


def let_go(device: str) -> None:
    """Give the memory of what nobody holds any more back to the device."""
    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a GPU; None where it is not counted."""
    if device.type != "cuda":
        return None
    import torch

    return torch.cuda.mem_get_info(device)[0]


def memory_left(name: str) -> int:
    """Bytes that are free for the device `name`: its own, or what the machine has left where it has
    none of its own."""
    import psutil  # type: ignore[import-untyped] # accelerate brings it
    import torch

    free = free_memory(torch.device(name))
    return int(psutil.virtual_memory().available) if free is None else free


def has_bf16() -> bool:
    """True if the CUDA GPU computes in bfloat16 itself. Older ones (before Ampere) emulate it, many
    times slower, which PyTorch calls support as well."""
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def free_cores() -> int:
    """Cores this process may use that others leave idle; at least one.

    Spinning OpenMP threads on a busy core make every step many times slower, not a bit.
    """
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        allowed = os.cpu_count() or 1
    try:
        busy = os.getloadavg()[0]
    except (AttributeError, OSError):
        busy = 0.0
    return max(1, allowed - round(busy))


def use_threads(wanted: int | None = None) -> int:
    """Set torch's CPU threads to `wanted`, else OMP_NUM_THREADS, else the free cores; say how
    many."""
    import torch

    if wanted is None and os.environ.get("OMP_NUM_THREADS", "").isdigit():
        wanted = int(os.environ["OMP_NUM_THREADS"])
    count = wanted or free_cores()
    torch.set_num_threads(count)
    return count


def drawing_on(name: str | None, threads: int | None, note: Callable[[str], None]) -> str:
    """The device that pictures are drawn on (`checked_device`), torch's CPU threads set
    (`use_threads`); on a CPU `note` is told how many."""
    device = checked_device(name)
    count = use_threads(threads)
    if device == "cpu":
        note(f"Drawing on the CPU with {plural(count, 'thread')}.")
    return device
