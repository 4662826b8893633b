"""Qwen-Image. Captions of any length inside a fixed chat, which the denoiser is told by a mask; a
VAE made for films, whose latents have a mean and a deviation a channel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import MASK, Tensors
from hubtools.models.families.configs import bytes_of, config
from hubtools.models.families.flow import (
    FlowFamily,
    FlowModel,
    as_grid,
    as_tokens,
    patched,
    unpatched,
)
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import BaseInfo, Sampling
from hubtools.models.registry import TARGETS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# What the pipeline's call cuts a prompt to.
_TOKENS = 512


class QwenImageModel(FlowModel):
    """A loaded Qwen-Image pipeline."""

    cells_a_token = 4
    variable = True

    def told(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """Last state of the language model, of the caption's own tokens. A dropped caption is what
        pictures are guided against, where nothing is said: a space."""
        return {"embeds": _encoded(self.pipeline, caption or self.unsaid, device)}

    @property
    def unsaid(self) -> str:
        """The negative prompt where there is none."""
        return QwenImage().support.unsaid or ""

    def posterior(self, pixels: Tensor) -> Any:
        """Of a film of one frame."""
        return self.pipeline.vae.encode(pixels[:, :, None]).latent_dist

    def cells(self, latents: Tensor) -> Tensor:
        """Its one frame."""
        return latents[:, 0]

    def affine(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel."""
        import torch

        vae = self.pipeline.vae
        device = next(vae.parameters()).device
        mean, deviation = (
            torch.tensor(values, device=device, dtype=torch.float32).view(-1, 1, 1)
            for values in (vae.config.latents_mean, vae.config.latents_std)
        )
        return mean, 1 / deviation

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock s; places by the size of the token grid, the words' after it."""
        height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
        answer = self.denoiser(
            hidden_states=as_tokens(patched(latents)),
            timestep=s,
            guidance=None,
            encoder_hidden_states=captions["embeds"],
            encoder_hidden_states_mask=captions.get(MASK),
            img_shapes=[[(1, height, width)]] * len(latents),
            return_dict=False,
        )[0]
        return unpatched(as_grid(answer, height, width))


class QwenImage(FlowFamily):
    """The family."""

    row = "qwen-image"
    denoiser = "QwenImageTransformer2DModel"
    model = QwenImageModel

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes it."""
        device = next(pipeline.text_encoder.parameters()).device
        return {"prompt_embeds": _encoded(pipeline, text or "", device)}

    def caption_shapes(self, told: Any) -> dict[str, tuple[int, ...]]:
        """States of the language model."""
        return {"embeds": (_TOKENS, told.joint_attention_dim)}

    def rehearse_vae(
        self, vae: Any, info: BaseInfo, size: tuple[int, int], *, decode: bool
    ) -> None:
        """The VAE's pass over a film of one frame."""
        import torch

        width, height = (side // info.latent_factor for side in size)
        if decode:
            vae.decode(torch.empty(1, vae.config.z_dim, 1, height, width, device=vae.device))
        else:
            vae.encode(torch.empty(1, 3, 1, *reversed(size), device=vae.device))

    def sampling(self, folder: Path) -> Sampling:
        """As the model card does."""
        return Sampling(50, 4.0)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """The VAE shrinks as often as it says for films."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        dtype = self.text_dtype(folder)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=TARGETS["qwen-image"].size,
            latent_factor=film_factor(vae),
            caption_tokens=_TOKENS,
            cell_bytes=2 * 4 * int(vae.get("z_dim") or 16),
            caption_bytes=_TOKENS
            * int(transformer.get("joint_attention_dim") or 3584)
            * bytes_of(dtype),
            shift=shift,
            text_dtype=dtype,
        )


def film_factor(vae: dict[str, Any]) -> int:
    """Pixels a latent cell of Qwen-Image's VAE, by its configuration."""
    factor: int = 2 ** len(vae.get("temperal_downsample") or [0] * 3)
    return factor


def _encoded(pipeline: Any, text: str, device: torch.device) -> Tensor:
    """(1, n, width) of one text: its mask says nothing."""
    embeds: Tensor = pipeline.encode_prompt(text, device=device, max_sequence_length=_TOKENS)[0]
    return embeds
