"""`torch.compile` of the blocks that a denoiser repeats, one compilation for all that are alike.

The rest of the denoiser runs as it is: its blocks are nearly all of the work, and the whole would
take many times as long to compile. Compiled is the pass that is trained; what needs no gradients
(samples, held-out loss, the proof of what was written) runs as ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from hubtools.compiled import home_of_compiled_code
from hubtools.errors import UsageError
from hubtools.models.families.batches import Tensors
from hubtools.models.families.protocol import Model
from hubtools.progress import Reporter
from hubtools.settings import TrainSettings
from hubtools.shelves import hold
from hubtools.training.compiler import backend
from hubtools.training.draws import Chosen
from hubtools.training.lean import make_lean
from hubtools.training.loop import of_many_sizes

if TYPE_CHECKING:
    from torch import nn

# Variants of a block: sizes of buckets, of the last batch of one, with and without prior.
_VARIANTS = 256


def make_fast(
    model: Model,
    settings: TrainSettings,
    encoded: Callable[[int, Chosen], tuple[Tensors, Tensors]],
    reporter: Reporter,
) -> None:
    """Compile the blocks of a denoiser with its LoRA if the settings ask for it; else spare the
    LoRA's layers what peft's wrapper asks each time, which a compiled block does not."""
    if not settings.compile_blocks:
        make_lean(model.denoiser)
        return
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR") == str(place := home_of_compiled_code()):
        hold(place)  # until this process ends
    variable = of_many_sizes(model, encoded)
    kinds = compile_blocks(model.denoiser, variable=variable, warn=reporter.warn)
    reporter.note(f"Compiling {', '.join(kinds)} ({backend()}) in the first step.")


def compile_blocks(
    denoiser: nn.Module, *, variable: bool, warn: Callable[[str], None]
) -> list[str]:
    """Have the repeated blocks compiled in their first pass with gradients, and answer the names of
    their classes. `variable`: passes are of many sizes, which one compilation is made for;
    otherwise each size has its own, whichever comes first. `warn` is told once if it fails: blocks
    then run as they are. Raises `UsageError` for a backend that is not there."""
    import torch

    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _VARIANTS)
    failed: list[str] = []
    found = list(repeated_blocks(denoiser))
    for block in found:
        try:
            compiled = torch.compile(block.forward, backend=backend(), dynamic=variable)
        except torch._dynamo.exc.InvalidBackend:
            raise UsageError(
                f"PyTorch knows no backend {backend()!r} to compile with.",
                hint="ACCELERATE_DYNAMO_BACKEND=inductor, or unset it",
                code="bad-setting",
            ) from None
        block.forward = _chosen(block.forward, compiled, failed, warn)
    return sorted({type(block).__name__ for block in found})


def repeated_blocks(denoiser: nn.Module) -> Iterator[nn.Module]:
    """Those that the denoiser's class names, else those in its lists of blocks."""
    from torch import nn

    named = set(getattr(denoiser, "_repeated_blocks", None) or ())
    if named:
        yield from (one for one in denoiser.modules() if type(one).__name__ in named)
    else:
        lists = [child for child in denoiser.children() if isinstance(child, nn.ModuleList)]
        yield from (block for blocks in lists for block in blocks)


def _chosen(
    plain: Callable[..., Any],
    compiled: Callable[..., Any],
    failed: list[str],
    warn: Callable[[str], None],
) -> Callable[..., Any]:
    """`compiled` where gradients are wanted, `plain` elsewhere and after a compilation failed."""
    import torch

    @wraps(plain)
    def forward(*args: Any, **options: Any) -> Any:
        if failed or not torch.is_grad_enabled():
            return plain(*args, **options)
        try:
            return compiled(*args, **options)
        except torch._dynamo.exc.TorchDynamoException as error:
            cause = getattr(error, "inner_exception", error)
            first = str(cause).strip().partition("\n")[0]
            failed.append(first)
            warn(f"The blocks could not be compiled, and run as they are: {first}")
            return plain(*args, **options)

    return forward
