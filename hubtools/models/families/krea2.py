"""Krea 2, Raw and Turbo: the VAE and the chat of Qwen-Image, but of each word the states of twelve
layers of the language model, which the denoiser fuses itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import MASK, Tensors
from hubtools.models.families.configs import bytes_of, config
from hubtools.models.families.flow import as_grid, as_tokens, grid_ids, patched, unpatched
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import ATTENTION, BaseInfo, Sampling
from hubtools.models.families.qwen_image import QwenImage, QwenImageModel, film_factor
from hubtools.models.registry import TARGETS

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_TOKENS = 512
# Turbo draws with one shift for all sizes (mu in diffusers' pipeline).
_TURBO = Shift(math.exp(1.15))


class Krea2Model(QwenImageModel):
    """A loaded Krea 2 pipeline."""

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """States of the caption's own tokens and of those that end its turn, (1, n, layers, width).
        The padding between them is masked in the denoiser and has no place of its own there: left
        out, the answer is the same."""
        embeds, mask = self.pipeline.encode_prompt(caption, device=device)
        return {"embeds": embeds[:, mask[0]]}

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock s; places are (0, row, column) for a picture, zeros for words."""
        import torch

        height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
        embeds, device = captions["embeds"], latents.device
        answer = self.denoiser(
            hidden_states=as_tokens(patched(latents)),
            timestep=s,
            encoder_hidden_states=embeds,
            encoder_attention_mask=captions.get(MASK),
            position_ids=torch.cat(
                [torch.zeros(embeds.shape[1], 3, device=device), grid_ids(height, width, 3, device)]
            ),
            return_dict=False,
        )[0]
        return unpatched(as_grid(answer, height, width))


class Krea2(QwenImage):
    """The family."""

    row = "krea2"
    denoiser = "Krea2Transformer2DModel"
    model = Krea2Model

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes it, padding and all."""
        device = next(pipeline.text_encoder.parameters()).device
        embeds, mask = pipeline.encode_prompt(text or "", device=device)
        return {"prompt_embeds": embeds, "prompt_embeds_mask": mask}

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of several layers of the language model."""
        return {"embeds": (_TOKENS, config.num_text_layers, config.text_hidden_dim)}

    def sampling(self, folder: Path) -> Sampling:
        """As the pipeline does; Turbo without guidance, which this pipeline counts from 0."""
        return Sampling(8, 0.0) if _is_turbo(folder) else Sampling(28, 4.5)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """The LoRA goes on the layers that its makers recommend, but for the one that sums up the
        layers of the language model: with a number each, it is smaller than a LoRA."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        turbo, dtype = _is_turbo(folder), self.text_dtype(folder)
        layers = int(transformer.get("num_text_layers") or 12)
        states = _TOKENS * layers * int(transformer.get("text_hidden_dim") or 2560)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=TARGETS["krea2"].size,
            latent_factor=film_factor(vae),
            caption_tokens=_TOKENS,
            cell_bytes=2 * 4 * int(vae.get("z_dim") or 16),
            caption_bytes=states * bytes_of(dtype),
            targets=(
                *ATTENTION, "to_gate", "ff.up", "ff.down", "img_in", "final_layer.linear",
                "txt_in.linear_1", "txt_in.linear_2", "time_embed.linear_1", "time_embed.linear_2",
                "time_mod_proj",
            ),
            distilled=turbo,
            guided=not turbo,
            shift=_TURBO if turbo else shift,
            text_dtype=dtype,
        )  # fmt: skip


def _is_turbo(folder: Path) -> bool:
    return bool(config(folder, "model_index.json").get("is_distilled"))
