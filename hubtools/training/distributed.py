"""The processes of a run, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hubtools.models.device import best_device, is_surely_cpu

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Distributed:
    """One process of `world_size`; its `rank` counts from 0."""

    device: torch.device
    rank: int
    world_size: int
    _accelerator: Any

    @property
    def main(self) -> bool:
        """True for the one process that writes files and reports."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for the other processes."""
        if self.world_size > 1:
            self._accelerator.wait_for_everyone()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process goes first, the others follow."""
        if not self.main:
            self.barrier()
        yield
        if self.main:
            self.barrier()

    def sum(self, flat: Tensor) -> Tensor:
        """The sum of `flat` over all processes."""
        if self.world_size == 1:
            return flat
        summed: Tensor = self._accelerator.reduce(flat, reduction="sum")
        return summed

    def sum_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Make every gradient the sum over all processes; answer the summed loss.

        One message for everything. A process that had no picture in this step adds zeros, which
        a gradient-averaging wrapper could not.
        """
        if self.world_size == 1:
            return loss
        import torch

        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([p.grad.reshape(-1) for p in parameters] + [loss.reshape(1)])  # type: ignore[union-attr]
        flat = self.sum(flat)
        start = 0
        for parameter in parameters:
            size = parameter.numel()
            parameter.grad.copy_(flat[start : start + size].view_as(parameter))  # type: ignore[union-attr]
            start += size
        return flat[-1]


# What launchers of several processes set: torchrun and accelerate, and those of MPI.
_LAUNCHED = (
    "WORLD_SIZE",
    "LOCAL_RANK",
    "RANK",
    "PMI_SIZE",
    "OMPI_COMM_WORLD_SIZE",
    "MV2_COMM_WORLD_SIZE",
)


def planned(processes: int = 1) -> Distributed:
    """So many processes on CPUs, for a plan and no more: PyTorch is not imported."""
    place: Any = SimpleNamespace(type="cpu")
    return Distributed(place, 0, processes, None)


def alone_on_cpu() -> Distributed | None:
    """This process, for a plan and no more, without importing PyTorch; None if there are others or
    there may be a GPU."""
    if not is_surely_cpu() or any(name in os.environ for name in _LAUNCHED):
        return None
    return planned()


def open_distributed() -> Distributed:
    """Find the device, and the other processes if `accelerate launch` or `torchrun` made some."""
    from accelerate import Accelerator

    # Precision is ours (see `precision_of`), so that the launcher's own choice cannot contradict.
    # Without a GPU several processes must be told so, or each takes itself for the only one.
    accelerator = Accelerator(mixed_precision="no", cpu=best_device() == "cpu")
    return Distributed(
        accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator
    )
