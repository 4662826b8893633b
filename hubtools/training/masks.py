"""How much a picture counts in the loss, and each cell of its latents by its mask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.dataset.pictures.rgb import decoded_image, read_bytes
from hubtools.files import sha256_of
from hubtools.train_settings import TrainSettings
from hubtools.training.cache import Cache
from hubtools.training.crops import Geometry, mask_weights
from hubtools.training.losses import COUNTS, WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor

    from hubtools.dataset.examples import Example


class Masks:
    """Those of a dataset. They are cut as their pictures are, and reduced to cells."""

    def __init__(self, examples: Sequence[Example], settings: TrainSettings) -> None:
        self._outside = settings.unmasked_weight
        self.there = any(example.mask for example in examples)
        self._cache = Cache("masks", "cells") if self.there else None
        self._digests: dict[Path, str] = {}
        self._weighed = any(example.weight != 1 for example in examples)

    def weights(
        self, example: Example, cut: Geometry, cells: tuple[int, int], *, flip: bool
    ) -> dict[str, Tensor]:
        """`weights` (h, w) in [0, 1] for `cells` (h, w), all the same for a picture without a mask,
        and `counts` (); neither where no picture of the dataset has it."""
        import torch

        counts = {COUNTS: torch.tensor(example.weight)} if self._weighed else {}
        return counts | self._by_mask(example, cut, cells, flip)

    def _by_mask(
        self, example: Example, cut: Geometry, cells: tuple[int, int], flip: bool
    ) -> dict[str, Tensor]:
        import torch

        mask = example.mask
        if self._cache is None:
            return {}
        if mask is None:
            return {WEIGHTS: torch.ones(cells)}
        if mask not in self._digests:
            self._digests[mask] = sha256_of(mask)
        end = "_flip" if flip else ""
        name = f"{self._digests[mask]}_{cut.name}_{cells[1]}x{cells[0]}{end}"

        def make() -> dict[str, Tensor]:
            with decoded_image(read_bytes(mask), mask) as image:
                return {WEIGHTS: mask_weights(image, cut, cells, flip=flip)}

        inside = self._cache.fetch(name, make)[WEIGHTS]
        return {WEIGHTS: self._outside + (1 - self._outside) * inside}
