"""Pictures that others are made from, as families read them that put their tokens behind those of
the picture to make (FLUX.1 Kontext, FLUX.2, Qwen-Image-Edit)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import (
    REFERENCE,
    REFERENCE_SIDE,
    REFERENCE_SIZES,
    Tensors,
)
from hubtools.models.families.flow import FlowFamily, FlowModel, patched
from hubtools.models.families.protocol import Asked, BaseInfo

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor


@dataclass(frozen=True)
class References:
    """Tokens (N, L, C) of all pictures that one is made from, one behind the other, and the
    (height, width) of each in tokens, the same in all rows."""

    tokens: Tensor | None = None
    sizes: tuple[tuple[int, int], ...] = ()

    def behind(self, tokens: Tensor) -> Tensor:
        """The picture's own tokens (N, l, C), then these."""
        import torch

        return tokens if self.tokens is None else torch.cat([tokens, self.tokens], dim=1)


NONE = References()


def encoded(grids: Sequence[Tensor]) -> dict[str, Tensor]:
    """Grids of tokens (C, h, w), perhaps none, as they are cached: tokens one behind the other, and
    their sizes."""
    import torch

    sizes = torch.tensor([grid.shape[1:] for grid in grids], dtype=torch.int64).reshape(-1, 2)
    tokens = [grid.flatten(1).transpose(0, 1) for grid in grids]
    return {
        REFERENCE: torch.cat(tokens) if tokens else torch.zeros(0, 0),
        REFERENCE_SIZES: sizes,
    }


def by_rows(pictures: Tensors, dtype: torch.dtype) -> list[tuple[slice, References]]:
    """(rows, what they are made from) of a batch: all rows at once where their pictures have the
    same sizes, else one by one, since denoisers are told one set of places for all."""
    tokens, sizes = pictures[REFERENCE].to(dtype), pictures[REFERENCE_SIZES].tolist()
    told = [tuple((h, w) for h, w in row if h) for row in sizes]
    if len(set(told)) == 1:
        return [(slice(None), _cut(tokens, told[0]))]
    return [
        (slice(row, row + 1), _cut(tokens[row : row + 1], told[row])) for row in range(len(told))
    ]


def _cut(tokens: Tensor, sizes: tuple[tuple[int, int], ...]) -> References:
    count = sum(height * width for height, width in sizes)
    return References(tokens[:, :count], sizes) if count else NONE


class ReferenceFamily(FlowFamily):
    """A flow family that has bases which make pictures from others."""

    def control_arguments(
        self, pipeline: Any, pictures: Sequence[Image.Image], shot: Asked
    ) -> dict[str, Any]:
        """The pictures as they are: the pipeline gives them their size."""
        return {"image": list(pictures)} if pictures else {}

    def seen_words(
        self, pipeline: Any, text: str | None, pictures: Sequence[Image.Image]
    ) -> dict[str, Tensor] | None:
        """The text encoder is not shown them."""
        return None


class ReferenceFlowModel(FlowModel):
    """A loaded flow base that makes pictures from others, too."""

    def encode_references(self, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """What the pipeline makes of the pictures that one is made from: the middle of the VAE's
        posterior, normalised, as tokens."""
        import torch

        grids = []
        for picture in pictures:
            shown = self.reference_pixels(picture)
            with torch.no_grad():
                parameter = next(self.pipeline.vae.parameters())
                posterior = self.posterior(shown.to(parameter.device, parameter.dtype))
            shift, scale = self.affine()
            latents = (self.cells(posterior.mode()[0].float()) - shift) * scale
            # a cell a token
            grid = latents if self.cells_a_token == 1 else patched(latents)
            grids.append(grid.cpu())
        return encoded(grids)

    def reference_pixels(self, picture: Image.Image) -> Tensor:
        """(1, 3, H, W) in [-1, 1], of the size that the pipeline gives it."""
        raise NotImplementedError

    def encode_seen(self, caption: str, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """As `encode_caption` where the text encoder is shown what the picture is made from."""
        return self.of_one(lambda device: self.caption_tensors_seeing(caption, pictures, device))

    def caption_tensors_seeing(
        self, caption: str, pictures: Sequence[Image.Image], device: torch.device
    ) -> dict[str, Tensor]:
        """(1, ...) tensors of a caption with those pictures in view."""
        raise NotImplementedError

    def answer(self, latents: Tensor, s: Tensor, captions: Tensors, pictures: Tensors) -> Tensor:
        """The velocity, row by row where they are made from pictures of different sizes."""
        import torch

        if REFERENCE not in pictures:
            return self.velocity(latents, s, captions)
        answers = [
            self.velocity_from(
                latents[rows], s[rows], {key: one[rows] for key, one in captions.items()}, given
            )
            for rows, given in by_rows(pictures, latents.dtype)
        ]
        return answers[0] if len(answers) == 1 else torch.cat(answers)

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """From words alone."""
        return self.velocity_from(latents, s, captions, NONE)

    def velocity_from(
        self, latents: Tensor, s: Tensor, captions: Tensors, references: References
    ) -> Tensor:
        """n - x for latents (N, C, h, w) at the moments `s` (N,), made from `references`."""
        raise NotImplementedError

    def rehearsed(self, info: BaseInfo, latents: Tensor, s: Tensor, captions: Tensors) -> None:
        """A pass with pictures as large as they may be, so that nobody is promised too little."""
        import torch

        most = info.controls[1]
        if not most:
            self.velocity(latents, s, captions)
            return
        side = REFERENCE_SIDE // (info.latent_factor * (2 if self.cells_a_token == 4 else 1))
        width = self.denoiser.config.in_channels
        tokens = torch.empty(len(latents), most * side * side, width, device=latents.device)
        self.velocity_from(latents, s, captions, References(tokens, ((side, side),) * most))
