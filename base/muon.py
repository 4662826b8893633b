"""Muon: momentum whose singular values are made equal, for the matrices of a transformer's blocks.

After https://kellerjordan.github.io/posts/muon/, scaled as arXiv:2502.16982 does, so that one
learning rate serves it and AdamW. torch.optim.Muon computes in bfloat16, for which many processors
have no instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


def orthogonal(matrices: torch.Tensor, steps: int = 4) -> torch.Tensor:
    """(n, a, b) with singular values near 1, by a Newton-Schulz iteration of order five."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrices if matrices.shape[1] <= matrices.shape[2] else matrices.mT
    found = wide / (wide.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = found @ found.mT
        found = a * found + (b * square + c * square @ square) @ found
    return found if matrices.shape[1] <= matrices.shape[2] else found.mT


class Muon(torch.optim.Optimizer):
    """Muon for `matrices`, with Nesterov momentum 0.95; AdamW at half the rate for `others`."""

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        others: Iterable[torch.nn.Parameter],
        *,
        lr: float,
        weight_decay: float = 0.01,
    ) -> None:
        groups = [
            {"params": list(matrices), "matrices": True},
            {"params": list(others), "matrices": False},
        ]
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step; matrices of one shape are dealt with together."""
        assert closure is None
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            if not group["matrices"]:
                self._adam(group, given)
                continue
            for shape in dict.fromkeys(p.shape for p in given):
                self._muon(group, [p for p in given if p.shape == shape])

    def _muon(self, group: dict[str, Any], given: list[torch.nn.Parameter]) -> None:
        pushed = []
        for p in given:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            state["momentum"].lerp_(p.grad, 0.05)
            pushed.append(p.grad.lerp(state["momentum"], 0.95))
        size = 0.2 * max(given[0].shape) ** 0.5
        for p, update in zip(given, orthogonal(torch.stack(pushed)), strict=True):
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * size)

    def _adam(self, group: dict[str, Any], given: list[torch.nn.Parameter]) -> None:
        rate = 0.5 * group["lr"]
        for p in given:
            state = self.state[p]
            if not state:
                state["mean"], state["square"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] = torch.zeros(())
            state["step"] += 1
            state["mean"].lerp_(p.grad, 0.1)
            state["square"].lerp_(p.grad.square(), 0.01)
            count = state["step"].item()
            mean = state["mean"] / (1 - 0.9**count)
            deviation = (state["square"] / (1 - 0.99**count)).sqrt() + 1e-8
            p.mul_(1 - rate * group["weight_decay"]).addcdiv_(mean, deviation, value=-rate)
