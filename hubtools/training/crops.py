"""How a picture is resized and cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubtools.models.seeds import seed_of

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Resize to (width, height), then cut the box of `size` at (left, top). Pixels."""

    width: int
    height: int
    left: int
    top: int
    size: tuple[int, int]

    @property
    def name(self) -> str:
        """Fit for a file name; two geometries of one picture have two names."""
        return f"{self.size[0]}x{self.size[1]}_{self.width}x{self.height}+{self.left}+{self.top}"


def geometry(
    size: tuple[int, int], resolution: int, *, center_crop: bool, seed: int, identity: str
) -> Geometry:
    """Shorter side to `resolution`, then a square: the middle, or a place fixed by (seed, picture).

    `size` (width, height) of the picture as the trainer sees it; `identity` tells pictures apart.
    """
    scale = resolution / min(size)
    width, height = (max(resolution, round(side * scale)) for side in size)
    if center_crop:
        left, top = (width - resolution) // 2, (height - resolution) // 2
    else:
        left = seed_of("crop-x", seed, identity) % (width - resolution + 1)
        top = seed_of("crop-y", seed, identity) % (height - resolution + 1)
    return Geometry(width, height, left, top, (resolution, resolution))


def pixels(image: Image.Image, cut: Geometry, *, filter: str, flip: bool) -> Tensor:
    """The cut picture as (3, H, W) float32 in [-1, 1]; `filter` is a Pillow resampling name."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    resized = image.resize((cut.width, cut.height), Image.Resampling[filter.upper()])
    box = (cut.left, cut.top, cut.left + cut.size[0], cut.top + cut.size[1])
    square = resized.crop(box)
    if flip:
        square = ImageOps.mirror(square)
    array = np.asarray(square, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()
