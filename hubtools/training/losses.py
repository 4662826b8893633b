"""How far answers are from their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubtools.models.families.noise import LossType

if TYPE_CHECKING:
    from torch import Tensor


WEIGHTS = "weights"
"""(h, w) beside a picture's tensors, in [0, 1]: how much each cell of its latents counts."""

COUNTS = "counts"
"""() beside a picture's tensors: how much its error counts among those of a step."""


def errors(
    found: Tensor,
    wanted: Tensor,
    kind: LossType = "l2",
    threshold: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """The mean error of each picture, (N,) float32, of `found` and `wanted` (N, C, h, w).

    Squared, or pseudo-Huber of the same names as in kohya's scripts (arXiv:2403.16728, eq. 3):
    with the threshold c (N,), `huber` is 2 c (sqrt(d^2 + c^2) - c), close to d^2 where d is small,
    and `smooth_l1` is that over c, close to 2 |d| where d is large.

    With `weights` (N, h, w) the mean is weighted, so that a small subject counts as much as a large
    one; a picture of which nothing counts has no error.
    """
    apart = found.float() - wanted.float()
    if kind == "l2" or threshold is None:
        error = apart.square()
    else:
        c = threshold.float().view(-1, *[1] * (apart.dim() - 1))
        error = 2 * ((apart.square() + c.square()).sqrt() - c)
        error = error * c if kind == "huber" else error
    if weights is None:
        return error.flatten(1).mean(1)
    told = weights.flatten(1)
    cells = error.mean(1).flatten(1)
    return (cells * told).sum(1) / told.sum(1).clamp(min=1e-6)
