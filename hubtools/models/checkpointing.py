"""Gradient checkpointing of some of a denoiser's blocks: what the others computed is kept, and does
not have to be computed again."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary


class EveryNth:
    """Chooses every `n`th of the blocks that it is asked about, the first one included. A block's
    place is the one in which it came first, so that it is chosen always or never."""

    def __init__(self, n: int) -> None:
        self._n = n
        self._places: WeakKeyDictionary[Any, int] = WeakKeyDictionary()

    def __call__(self, block: Any) -> bool:
        return self._places.setdefault(block, len(self._places)) % self._n == 0


def checkpoint_blocks(denoiser: Any, every: int = 1) -> None:
    """Have every Nth block (N = `every`; 1: all) computed again in the backward pass.
    Raises `ValueError` or `AttributeError` for a denoiser that has no gradient checkpointing."""
    if every == 1:
        denoiser.enable_gradient_checkpointing()
        return
    from torch.utils.checkpoint import checkpoint

    chosen = EveryNth(every)

    def work(block: Any, *args: Any) -> Any:
        if chosen(block):
            return checkpoint(block.__call__, *args, use_reentrant=False)
        return block(*args)

    denoiser.enable_gradient_checkpointing(work)
