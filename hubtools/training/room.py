"""Steps that find room: where a forward pass does not fit into memory, it is computed with less.

What a step learns stays the same but for the last bits: gradient checkpointing computes it twice
over, and a smaller batch with as much more accumulation adds up the same pictures.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace

from hubtools.errors import HubtoolsError
from hubtools.models.checkpointing import checkpoint_blocks
from hubtools.training.distributed import Distributed
from hubtools.training.loop import PassTooLarge, TrainState, TrainStep, train_steps
from hubtools.training.recipe import Recipe


def steps_that_fit(
    state: TrainState,
    recipe: Recipe,
    group: Distributed,
    start: int,
    warn: Callable[[str], None],
) -> Iterator[TrainStep]:
    """`train_steps`, computed with less memory from the step on that runs out of it; `warn` is told
    each time. Of several processes none can do so alone: there it is an error.

    Raises `HubtoolsError` if a step does not fit in any way.
    """
    done = start
    while True:
        try:
            for step in train_steps(state, recipe, group, done):
                done = step.done
                yield step
            return
        except PassTooLarge:
            smaller = _with_less(state, recipe)
        # here, not above: the error holds on to what the pass had computed
        if smaller is None:
            raise HubtoolsError(
                f"Step {done + 1:,} does not fit into memory, not even with gradient checkpointing"
                " and one picture at a time.",
                hint="a smaller --resolution, --mixed-precision bf16, or a larger GPU",
                code="out-of-memory",
            )
        recipe, told = smaller
        _free(group)
        warn(f"Step {done + 1:,} did not fit into memory: {told}. It learns the same.")


def _with_less(state: TrainState, recipe: Recipe) -> tuple[Recipe, str] | None:
    """A recipe that takes less memory for the same steps, and what is said of it."""
    settings = recipe.settings
    batch, more = settings.train_batch_size, settings.gradient_accumulation_steps
    change: dict[str, bool | int]
    interval = settings.gradient_checkpointing_interval
    if not (settings.gradient_checkpointing and interval == 1) and _checkpoints(state):
        change = {"gradient_checkpointing": True, "gradient_checkpointing_interval": 1}
        of = "of all blocks " if interval > 1 else ""
        told = f"with gradient checkpointing {of}from here on, which takes about half as long again"
    elif batch > 1:
        parts = next(number for number in range(2, batch + 1) if batch % number == 0)
        change = {
            "train_batch_size": batch // parts,
            "gradient_accumulation_steps": more * parts,
        }
        told = (
            f"{batch // parts} rather than {batch} pictures in a forward pass from here on, and"
            f" {more * parts} rather than {more} passes in a step"
        )
    else:
        return None
    return replace(recipe, settings=settings.model_copy(update=change)), told


def _checkpoints(state: TrainState) -> bool:
    """Turn gradient checkpointing on; False for a denoiser that has none."""
    try:
        checkpoint_blocks(state.model.denoiser)
    except (AttributeError, ValueError):
        return False
    return True


def _free(group: Distributed) -> None:
    import torch

    gc.collect()
    if group.device.type == "cuda":
        torch.cuda.empty_cache()
