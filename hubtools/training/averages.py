"""What is published in place of the last step: an average of the steps, which is not trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def decay_after(done: int, most: float) -> float:
    """Decay of the moving average after step `done` (from 1), as diffusers' `EMAModel` has it: it
    grows from 0, so that the beginning is forgotten, to `most`."""
    return min(most, done / (9 + done)) if done > 1 else 0.0


class Average:
    """The exponential moving average of `parameters`, with a decay of at most `decay`."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._decay = decay
        self.tensors = {name: one.detach().clone() for name, one in parameters.items()}
        self._own: list[Tensor] = list(self.tensors.values())
        self._trained: list[Tensor] = list(parameters.values())

    def update(self, done: int) -> None:
        """Take in the parameters as they are after step `done` (from 1)."""
        import torch

        with torch.no_grad():
            torch._foreach_lerp_(self._own, self._trained, 1.0 - decay_after(done, self._decay))


def average_of(parameters: Mapping[str, nn.Parameter], decay: float | None) -> Average | None:
    """That of `parameters`; none without a decay."""
    return None if decay is None else Average(parameters, decay)


@contextmanager
def averaged(
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    average: Average | None,
) -> Iterator[None]:
    """Have the parameters hold what is published, and afterwards what is trained, bit for bit: the
    average, or that of an optimizer that averages itself (its `eval`); else they stay."""
    turned = None if average else getattr(optimizer, "eval", None)
    if average is None and turned is None:
        yield
        return
    trained = {name: one.detach().clone() for name, one in parameters.items()}
    if average is not None:
        _put(parameters, average.tensors)
    elif turned is not None:
        turned()
    try:
        yield
    finally:
        if turned is not None:
            optimizer.train()  # type: ignore[attr-defined]
        _put(parameters, trained)  # there and back it would be another in the last bit


def _put(parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
