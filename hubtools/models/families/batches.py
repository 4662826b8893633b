"""Encoded pictures and captions put together into batches: dictionaries of tensors, rows first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hubtools.models.families.noise import Noised

if TYPE_CHECKING:
    from torch import Tensor

Tensors = Mapping[str, "Tensor"]

MASK = "mask"
"""(N, tokens) bool beside captions of unequal length: true where a token is the caption's own."""


REFERENCE, REFERENCE_SIZES = "reference", "reference_sizes"
"""Beside a picture that is made from others: their tokens (L, C), and (height, width) of each in
tokens (n, 2), 0 where a row of a batch has fewer."""


REFERENCE_SIDE = 1024
"""Pixels along a side of a square one, as large as pipelines let it be."""


@dataclass(frozen=True)
class Conditions:
    """What the denoiser is told beside the noised latents: all tensors of its pictures and of its
    captions, each (N, ...)."""

    pictures: Tensors
    captions: Tensors


def stacked(rows: Sequence[Tensors]) -> dict[str, Tensor]:
    """Rows of equal shapes as one batch."""
    import torch

    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


def stacked_pictures(rows: Sequence[Tensors]) -> dict[str, Tensor]:
    """Pictures of equal shapes as one batch; what they are made from may be of unequal length, and
    is followed by zeros."""
    if REFERENCE not in rows[0]:
        return stacked(rows)
    width = max(row[REFERENCE].shape[1] for row in rows)
    given = [
        {
            REFERENCE: row[REFERENCE].reshape(-1, width),
            REFERENCE_SIZES: row[REFERENCE_SIZES],
        }
        for row in rows
    ]
    others = [
        {key: value for key, value in row.items() if key not in (REFERENCE, REFERENCE_SIZES)}
        for row in rows
    ]
    found = stacked(others)
    for key in (REFERENCE, REFERENCE_SIZES):
        found[key] = padded([{key: row[key]} for row in given], (key,))[key]
    return found


def padded(rows: Sequence[Tensors], along: Sequence[str]) -> dict[str, Tensor]:
    """Rows as one batch; the tensors named in `along` may be of unequal length in their first
    dimension: zeros make them the longest, and `mask` tells which are the row's own."""
    import torch

    lengths = [len(row[along[0]]) for row in rows]
    longest = max(lengths)
    batch = {}
    for key in rows[0]:
        tensors = [row[key] for row in rows]
        if key in along:
            tensors = [
                torch.cat([one, one.new_zeros((longest - len(one), *one.shape[1:]))])
                for one in tensors
            ]
        batch[key] = torch.stack(tensors)
    batch[MASK] = torch.arange(longest) < torch.tensor(lengths)[:, None]
    return batch


def second_half(batch: Tensors) -> dict[str, Tensor]:
    """The last N of 2 N rows."""
    return {key: value.chunk(2)[1] for key, value in batch.items()}


def doubled(noised: Noised, pictures: Tensors) -> tuple[Noised, dict[str, Tensor]]:
    """Everything that belongs to a picture twice, for two captions each in one pass of the
    denoiser; what is to come out is compared by halves and stays as it is."""
    import torch

    twice = replace(
        noised,
        latents=torch.cat([noised.latents, noised.latents]),
        timesteps=torch.cat([noised.timesteps, noised.timesteps]),
    )
    return twice, {key: torch.cat([value, value]) for key, value in pictures.items()}


def pass_vae(vae: Any, factor: int, size: tuple[int, int], *, decode: bool) -> None:
    """Let a VAE encode a picture of `size` (width, height in pixels), or decode its latents, which
    have a cell for each `factor` pixels of a side. What is in them means nothing: it is counted."""
    import torch

    width, height = size
    if decode:
        channels = vae.config.latent_channels
        cells = (1, channels, height // factor, width // factor)
        vae.decode(torch.empty(cells, device=vae.device))
    else:
        vae.encode(torch.empty(1, 3, height, width, device=vae.device))
