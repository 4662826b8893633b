"""How many pictures are drawn at once, and whether their LoRA is added to the base for it.

Measured on one thread of a CPU, a pass of a UNet of a quarter of Stable Diffusion 1.5's widths:
with 16 pictures at once each takes 0.69 of its time alone at 128 pixels, 0.9 at 256, and as long at
512. So on a CPU there is a limit in pixels, too: beyond it nothing is won, and pictures come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError
from hubtools.models.base import Base, fetch_base
from hubtools.models.blank import blank_component, in_precision
from hubtools.models.device import memory_left
from hubtools.models.families.protocol import family_of
from hubtools.models.loading import denoiser_of
from hubtools.models.rehearsal import Rehearses, held, rehearse

if TYPE_CHECKING:
    from hubtools.inference.lora import WeightedLora
    from hubtools.inference.shots import Shot

MOST = 8  # pictures at once
_PIXELS_ON_CPU = MOST * 256 * 256
_SIDES = 2  # guidance computes each picture twice: with its prompt, and without


def fuses_unasked(loras: Sequence[WeightedLora], shots: Sequence[Shot], dtype: str) -> bool:
    """True for one LoRA at one strength in float32. In half precision the sums are rounded to what
    the base's weights can hold, which the eye can see."""
    strengths = {lora.weight * shot.lora_weight for lora in loras for shot in shots}
    return len(loras) == 1 and len(strengths) == 1 and 0 not in strengths and dtype == "float32"


def as_many_as_fit(pipeline: Any, base: Base, shots: Sequence[Shot]) -> int:
    """How many of `shots` to draw at once, 1 to `MOST`: as many as the memory that is free now has
    room for, reckoned as a training's plan reckons it; 1 if that is not known of the family."""
    if len(shots) < 2:
        return 1
    width, height = max(((s.width, s.height) for s in shots), key=lambda size: size[0] * size[1])
    denoiser = denoiser_of(pipeline)
    wanted = min(MOST, len(shots))
    if denoiser.device.type == "cpu":
        wanted = min(wanted, _PIXELS_ON_CPU // (width * height))
    if wanted < 2:
        return 1
    found = _reckoned(base, denoiser.dtype, (width, height))
    if found is None:
        return 1
    one, decoding = found
    free = memory_left(str(denoiser.device))
    fitting = (n for n in range(wanted, 1, -1) if held(max(n * one, decoding)) <= free)
    return next(fitting, 1)


# What was reckoned before in this process: the base draws, then each LoRA.
_known: dict[tuple[Any, ...], tuple[int, int] | None] = {}


def _reckoned(base: Base, dtype: Any, size: tuple[int, int]) -> tuple[int, int] | None:
    """Bytes of the denoiser's pass for a picture, and of decoding one (pictures are decoded one
    after the other); None if they are not known."""
    key = (base.path_or_id, base.revision, str(dtype), size)
    if key not in _known:
        _known[key] = _rehearsed(base, dtype, size)
    return _known[key]


def _rehearsed(base: Base, dtype: Any, size: tuple[int, int]) -> tuple[int, int] | None:
    import torch

    try:
        folder = fetch_base(base)
        family = family_of(folder, base.shown)
        if not isinstance(family, Rehearses):
            return None
        info = family.info(folder, None)
        denoiser = family.blank_denoiser(folder)
        in_precision(denoiser, dtype)
        with torch.no_grad():
            one = rehearse(
                lambda: family.rehearse_denoiser(denoiser, info, size, _SIDES), dtype
            ).bytes
            vae = blank_component(folder, "vae")
            decoding = rehearse(
                lambda: family.rehearse_vae(vae, info, size, decode=True), torch.float32
            ).bytes
    except (AttributeError, HubtoolsError, RuntimeError, TypeError, ValueError):
        return None  # of a model that is built otherwise nothing is known
    return one, decoding


class Batches:
    """`groups` of indexes, of which one call can draw any number, cut into batches of at most
    `size`."""

    def __init__(self, groups: Iterator[list[int]], size: int) -> None:
        self._groups, self.size = groups, max(1, size)
        self._left: list[int] = []

    def __iter__(self) -> Iterator[list[int]]:
        for group in self._groups:
            self._left = group
            while self._left:
                batch, self._left = self._left[: self.size], self._left[self.size :]
                yield batch

    def halve(self, batch: list[int]) -> bool:
        """Give `batch`, which did not fit into memory, again in halves; False if it is one."""
        if len(batch) < 2:
            return False
        self.size, self._left = len(batch) // 2, batch + self._left
        return True
