"""Whether this machine can compile blocks (see compiling.py), and with what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hubtools.compiled import keep_compiled_code_at_home
from hubtools.errors import UsageError, missing_modules
from hubtools.programs import program
from hubtools.settings import TrainSettings

if TYPE_CHECKING:
    import torch

INDUCTOR = "inductor"
# What PyTorch itself looks for where CXX names none.
_COMPILERS = ("g++", "clang++", "c++", "cl")


def backend() -> str:
    """Which backend compiles: that of `accelerate launch --dynamo_backend`, else inductor."""
    launched = os.environ.get("ACCELERATE_DYNAMO_BACKEND", "").lower()
    return INDUCTOR if launched in ("", "no") else launched


def check_compile(settings: TrainSettings, device: torch.device) -> None:
    """Raise `UsageError` if blocks are to be compiled and cannot be."""
    if not settings.compile_blocks:
        return
    for name, asked, why in (
        ("fsdp", settings.fsdp, "the base's blocks are gathered while they are computed"),
        (
            "enable_xformers_memory_efficient_attention",
            settings.enable_xformers_memory_efficient_attention,
            "it is PyTorch's own attention that is compiled",
        ),
    ):
        if asked:
            raise UsageError(
                f"--compile and {name} do not go together: {why}.",
                hint="leave one of them out",
                code="bad-setting",
            )
    if backend() == INDUCTOR and (lacks := _lacks(device.type)):
        raise UsageError(
            f"--compile needs {lacks}.",
            hint="install it, or leave the option out: the run learns the same without",
            code="not-supported",
        )
    if backend() == INDUCTOR:
        keep_compiled_code_at_home()


def _lacks(device: str) -> str | None:
    """What inductor needs and this machine has not."""
    if device not in ("cpu", "cuda"):
        return f"a CUDA GPU or a CPU; this run is on {device}"
    if device == "cuda" and missing_modules("triton"):
        return "the package triton, which is not installed"
    named = os.environ.get("CXX")
    if any(map(program, [named] if named else _COMPILERS)):
        return None
    return f"the C++ compiler {named}, which is not there" if named else "a C++ compiler (g++)"
