"""One forward and backward pass, recorded as a CUDA graph and replayed.

At the usual batch of one, a fast GPU waits for Python: a step of Stable Diffusion is some six
thousand small kernels, and each costs more to launch than to run. A graph launches all of them at
once. It holds the same kernels in the same order, so that what is learned is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hubtools.settings import TrainSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# name -> tensor, or name -> (name -> tensor): what a pass is fed with, on the CPU or the device
Batch = dict[str, Any]

# A graph keeps its activations for good; sampling and other shapes need room beside it.
_SHARE = 0.4
_WARM_UP = 2


def can_record(settings: TrainSettings, device: torch.device, processes: int) -> bool:
    """True where a pass is the same kernels every time: no dropout, nothing that looks at random
    state or at values while it runs."""
    return (
        settings.cuda_graph
        and device.type == "cuda"
        and processes == 1
        and not settings.lora_dropout
        and not settings.gradient_checkpointing
        and not settings.compile_blocks
        and not settings.enable_xformers_memory_efficient_attention
    )


class GraphedStep:
    """Runs passes: `run(batch)` adds to the parameters' gradients and answers the loss (scalar).

    `work(batch)` computes and backpropagates the loss of a batch that lies on the device. With
    `record` the first batch that is said to be of the `usual` shapes is recorded, and every later
    one of the same shapes replayed; others run as they are. If recording fails or would take too
    much memory, all do, and `problem` says why.
    """

    def __init__(
        self,
        work: Callable[[Batch], Tensor],
        parameters: Sequence[nn.Parameter],
        device: torch.device,
        *,
        record: bool,
    ) -> None:
        self._work, self._parameters, self._device = work, parameters, device
        self._wanted = record
        self._shapes: Any = None
        self._inputs: Batch = {}
        self._loss: Tensor | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.problem: str | None = None

    @property
    def keeps_gradients(self) -> bool:
        """True if the gradients' memory must stay where it is between steps."""
        return self.graph is not None

    def run(self, batch: Batch, *, usual: bool = True) -> Tensor:
        """Loss of `batch`, whose tensors may still be on the CPU; `usual`: worth recording."""
        if self._device.type == "cuda":
            batch = _pinned(batch)
        if self._wanted and usual:
            self._wanted = False
            self._record(batch)
        if self.graph is None or self._shapes != _shapes(batch):
            return self._work(moved(batch, self._device))
        _copy(batch, self._inputs)
        self.graph.replay()
        assert self._loss is not None
        return self._loss

    def _record(self, batch: Batch) -> None:
        import torch

        inputs = moved(batch, self._device)
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        torch.cuda.reset_peak_memory_stats(self._device)
        stream: Any = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        try:
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):  # libraries choose kernels and take their work space
                    self._work(inputs)
            torch.cuda.current_stream(self._device).wait_stream(stream)
            used = torch.cuda.max_memory_allocated(self._device)
            if used <= _SHARE * torch.cuda.get_device_properties(self._device).total_memory:
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    loss = self._work(inputs)
                self.graph, self._loss = graph, loss
                self._inputs, self._shapes = inputs, _shapes(batch)
            else:
                self.problem = f"a pass takes {used:,} bytes"
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # some kernel cannot be recorded; it runs all the same
            self.problem = str(error)
        for parameter in self._parameters:
            parameter.grad = None if self.graph is None else parameter.grad
            if parameter.grad is not None:
                parameter.grad.zero_()


def _pinned(batch: Batch) -> Batch:
    """In page-locked memory: a copy from any other waits for what the GPU has yet to do."""
    return {
        key: _pinned(value)
        if isinstance(value, dict)
        else (value.pin_memory() if value.device.type == "cpu" else value)
        for key, value in batch.items()
    }


def moved(batch: Batch, device: torch.device) -> Batch:
    """On the device."""
    return {
        key: moved(value, device)
        if isinstance(value, dict)
        else value.to(device, non_blocking=True)
        for key, value in batch.items()
    }


def _copy(batch: Batch, into: Batch) -> None:
    for key, value in batch.items():
        if isinstance(value, dict):
            _copy(value, into[key])
        else:
            into[key].copy_(value, non_blocking=True)


def _shapes(batch: Batch) -> Any:
    return {
        key: _shapes(value) if isinstance(value, dict) else (tuple(value.shape), value.dtype)
        for key, value in batch.items()
    }
