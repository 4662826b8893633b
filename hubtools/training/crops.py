"""How a picture is resized and cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hubtools.dataset.metadata.focus import Focus
from hubtools.models.families.protocol import Framing
from hubtools.models.seeds import seed_of
from hubtools.train_settings import TrainSettings

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

    def framing(self, original: tuple[int, int], *, flip: bool) -> Framing:
        """What a model is told of the cut of a picture that was `original` (width, height)."""
        left = self.width - self.size[0] - self.left if flip else self.left
        return Framing(original, (left, self.top), self.size)


def geometry(
    size: tuple[int, int],
    resolution: int,
    *,
    center_crop: bool,
    seed: int,
    identity: str,
    focus: Focus | None = None,
) -> Geometry:
    """Shorter side to `resolution`, then a square: see `geometry_of`."""
    return geometry_of(
        size,
        (resolution, resolution),
        center_crop=center_crop,
        seed=seed,
        identity=identity,
        focus=focus,
    )


def geometry_of(
    size: tuple[int, int],
    target: tuple[int, int],
    *,
    center_crop: bool,
    seed: int,
    identity: str,
    focus: Focus | None = None,
) -> Geometry:
    """Resize to cover `target` (width, height), then cut it out: around `focus` (shares of width
    and height, 0 to 1) as nearly as the picture's edges allow, else the middle, or a place fixed by
    (seed, picture).

    `size` (width, height) of the picture as the trainer sees it; `identity` tells pictures apart.
    """
    scale = max(wanted / side for wanted, side in zip(target, size, strict=True))
    width, height = (
        max(wanted, round(side * scale)) for wanted, side in zip(target, size, strict=True)
    )
    if focus is not None:
        left, top = _around(focus[0], width, target[0]), _around(focus[1], height, target[1])
    elif center_crop:
        left, top = (width - target[0]) // 2, (height - target[1]) // 2
    else:
        left = seed_of("crop-x", seed, identity) % (width - target[0] + 1)
        top = seed_of("crop-y", seed, identity) % (height - target[1] + 1)
    return Geometry(width, height, left, top, target)


def _around(middle: float, whole: int, cut: int) -> int:
    """Where `cut` of `whole` pixels begin that have the share `middle` in their middle, or near it;
    of 0.5 where `center_crop` has them."""
    return min(max(math.ceil(middle * whole - cut / 2 - 0.5), 0), whole - cut)


def geometries_of(
    size: tuple[int, int],
    target: tuple[int, int],
    settings: TrainSettings,
    *,
    identity: str,
    focus: Focus | None = None,
) -> tuple[Geometry, ...]:
    """The ways in which a picture of `size` is cut to `target`, of which each step draws one; those
    that are the same stand once. One with a `focus` is cut in that one way."""
    places = range(settings.crops_per_image)
    found = (
        geometry_of(
            size,
            target,
            center_crop=settings.center_crop,
            seed=settings.seed,
            # the first place is that of a single one
            identity=f"{identity}+{place}" if place else identity,
            focus=focus,
        )
        for place in places
    )
    return tuple(dict.fromkeys(found))


def pixels(image: Image.Image, cut: Geometry, *, filter: str, flip: bool) -> Tensor:
    """The cut picture as (3, H, W) float32 in [-1, 1]; `filter` is a Pillow resampling name."""
    import numpy as np
    import torch

    array = np.asarray(_shown(image, cut, filter, flip), dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


def mask_weights(mask: Image.Image, cut: Geometry, cells: tuple[int, int], *, flip: bool) -> Tensor:
    """How much each cell of the latents of a cut picture counts, (h, w) float32 in [0, 1]: the mean
    of the mask over its pixels, white is 1. `cells` are (h, w); a mask of another size than its
    picture is taken to show the same."""
    import numpy as np
    import torch

    array = np.asarray(_shown(mask, cut, "bilinear", flip).convert("L"), dtype=np.float32) / 255
    pooled = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(array)[None], cells)
    return pooled[0].contiguous()


def _shown(image: Image.Image, cut: Geometry, filter: str, flip: bool) -> Image.Image:
    from PIL import Image, ImageOps

    resized = image.resize((cut.width, cut.height), Image.Resampling[filter.upper()])
    box = (cut.left, cut.top, cut.left + cut.size[0], cut.top + cut.size[1])
    square = resized.crop(box)
    return ImageOps.mirror(square) if flip else square
