"""FLUX.2: klein, klein-base and dev. Captions of a fixed length, padding and all, since the
denoiser attends to it; latents of 2x2 cells whose statistics are the VAE's batch norm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import Tensors
from hubtools.models.families.configs import bytes_of, config, vae_factor
from hubtools.models.families.flow import (
    FlowFamily,
    FlowModel,
    as_grid,
    as_tokens,
    grid_ids,
    patched,
)
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import BaseInfo, Sampling

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_DEV = "Flux2Pipeline"
_TOKENS = 512
# The guidance that dev is told while it learns: its embedding was distilled, and with a higher one
# the LoRA takes over what guidance does at sampling (so the recipes of those who train it).
_GUIDANCE = 1.0


class Flux2Model(FlowModel):
    """A loaded FLUX.2 pipeline."""

    sampled = False

    def told(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """States of three layers of the language model side by side, (1, 512, 3 widths)."""
        return {"embeds": self.pipeline.encode_prompt(caption, device=device)[0]}

    def cells(self, latents: Tensor) -> Tensor:
        """128 channels, a cell for every 16 pixels."""
        return patched(latents)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel."""
        vae = self.pipeline.vae
        mean, variance = vae.bn.running_mean.float(), vae.bn.running_var.float()
        deviation = (variance + vae.config.batch_norm_eps).sqrt()
        return mean.view(-1, 1, 1), 1 / deviation.view(-1, 1, 1)

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock s; ids are (0, row, column, 0) for a picture, (0, 0, 0, place) for words."""
        import torch

        height, width = latents.shape[-2:]
        embeds, device = captions["embeds"], latents.device
        words = torch.zeros(embeds.shape[1], 4, device=device)
        words[:, 3] = torch.arange(embeds.shape[1], device=device)
        guidance = None
        if self.denoiser.config.guidance_embeds:
            guidance = torch.full_like(s, _GUIDANCE)
        answer = self.denoiser(
            hidden_states=as_tokens(latents),
            timestep=s,
            guidance=guidance,
            encoder_hidden_states=embeds,
            txt_ids=words,
            img_ids=grid_ids(height, width, 4, device),
            return_dict=False,
        )[0]
        return as_grid(answer, height, width)


class Flux2(FlowFamily):
    """The family."""

    row = "flux2"
    denoiser = "Flux2Transformer2DModel"
    model = Flux2Model

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """States of three layers side by side. klein is guided against the empty prompt alone, dev
        against nothing."""
        if text is None and type(pipeline).__name__ == _DEV:
            return {}
        device = next(pipeline.text_encoder.parameters()).device
        return {"prompt_embeds": pipeline.encode_prompt(text or "", device=device)[0]}

    def caption_shapes(self, told: Any) -> dict[str, tuple[int, ...]]:
        """States of the language model."""
        return {"embeds": (_TOKENS, told.joint_attention_dim)}

    def sampling(self, folder: Path) -> Sampling:
        """As the model cards do."""
        return Sampling(4, 1.0) if _distilled(folder) else Sampling(50, 4.0)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """Blocks decide which layers get a LoRA: those of the double blocks by name, of each single
        one its two."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        distilled = _distilled(folder)
        guided = not transformer.get("guidance_embeds", True)  # dev is told its guidance
        singles = int(transformer.get("num_single_layers") or 48)
        dtype = self.text_dtype(folder)
        channels = 4 * int(vae.get("latent_channels") or 32)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=int(vae.get("sample_size") or 1024),
            latent_factor=2 * vae_factor(vae),
            caption_tokens=_TOKENS,
            cell_bytes=4 * channels,
            caption_bytes=_TOKENS
            * int(transformer.get("joint_attention_dim") or 15360)
            * bytes_of(dtype),
            targets=(
                "to_q", "to_k", "to_v", "to_out.0", "to_qkv_mlp_proj",
                *(f"single_transformer_blocks.{block}.attn.to_out" for block in range(singles)),
            ),
            distilled=distilled,
            guided=guided and not distilled,
            shift=shift,
            text_dtype=dtype,
        )  # fmt: skip


def _distilled(folder: Path) -> bool:
    return bool(config(folder, "model_index.json").get("is_distilled"))
