"""The frozen base spread over the GPUs: each holds a share, and has one block whole at a time.

FSDP2 (`torch.distributed.fsdp.fully_shard`). The LoRA is left out of it: it is small, whole in each
process, and its gradients are summed as ever, so that files and states stay what they are. Passes
gather the base's shares from all processes, so all must make the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from hubtools.errors import UsageError
from hubtools.settings import TrainSettings
from hubtools.training.device import arrange
from hubtools.training.distributed import Distributed
from hubtools.training.memory import Memory
from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn


def check_sharding(settings: TrainSettings, processes: int) -> None:
    """Raise `UsageError` for what the setting does not go with."""
    if not settings.fsdp:
        return
    if processes == 1:
        raise UsageError(
            "--fsdp spreads the base over several GPUs, and this run has one process.",
            hint="accelerate launch --num_processes 2 -m hubtools train ..., or leave it out",
            code="bad-setting",
        )
    for name, asked in (
        ("quantize", settings.quantize),
        ("validation_steps", settings.validation_steps),
        ("validation_split", settings.validation_split),
    ):
        if asked:
            raise UsageError(
                f"--fsdp and {name} do not go together: no GPU has the whole base.",
                hint=f"leave {name} out; `hubtools generate` draws from the snapshots afterwards",
                code="bad-setting",
            )


def shared(memory: Memory | None, recipe: Recipe) -> Memory | None:
    """What each process needs, where it holds a share of the base only."""
    if memory is None or not recipe.settings.fsdp:
        return memory
    return replace(memory, base=memory.base // recipe.world_size)


def settle(
    denoiser: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    settings: TrainSettings,
    precision: str,
    group: Distributed,
) -> None:
    """Move the denoiser to the device: all of it, or this process's share of the base and all
    `parameters` of the LoRA."""
    if settings.fsdp:
        _spread(denoiser, set(parameters.values()), group)
    denoiser.to(group.device)
    if not settings.fsdp:
        arrange(denoiser, group.device, precision)


def _spread(denoiser: nn.Module, whole: set[nn.Parameter], group: Distributed) -> None:
    """Block by block, so that no more than one of them is on the device meanwhile."""
    from torch import nn
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(group.device.type, (group.world_size,))
    lists = [child for child in denoiser.children() if isinstance(child, nn.ModuleList)]
    for part in [*(block for blocks in lists for block in blocks), denoiser]:
        own = {parameter for parameter in part.parameters() if parameter in whole}
        fully_shard(part, mesh=mesh, ignored_params=own)
