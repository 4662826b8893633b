"""Sana. A VAE that shrinks 32 times and has no deviation; captions behind a long instruction for
the language model, Gemma, of which the end and the first token are kept."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import MASK, Tensors
from hubtools.models.families.configs import bytes_of, config, vae_factor
from hubtools.models.families.flow import FlowFamily, FlowModel
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import BaseInfo, Sampling

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_TOKENS = 300


class SanaModel(FlowModel):
    """A loaded Sana pipeline."""

    sampled = False
    variable = True

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """The last state of Gemma, of the caption's own tokens and what is kept of the instruction:
        (1, n, width). A dropped caption is what pictures are guided against: no instruction."""
        embeds, mask = _encoded(self.pipeline, caption, device, instructed=bool(caption))
        return {"embeds": embeds[:, mask[0].bool()]}

    def posterior(self, pixels: Tensor) -> Any:
        """Its middle, which is all there is."""
        return SimpleNamespace(mean=self.pipeline.vae.encode(pixels).latent)

    def affine(self) -> tuple[float, float]:
        """Only a scale."""
        return 0.0, float(self.pipeline.vae.config.scaling_factor)

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock 1000 s, times what the denoiser is told to scale it by."""
        answer: Tensor = self.denoiser(
            hidden_states=latents,
            timestep=1000 * s * self.denoiser.config.timestep_scale,
            encoder_hidden_states=captions["embeds"],
            encoder_attention_mask=captions.get(MASK),
            return_dict=False,
        )[0]
        return answer


class Sana(FlowFamily):
    """The family."""

    row = "sana"
    denoiser = "SanaTransformer2DModel"
    model = SanaModel

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes a prompt, padding and all."""
        return _caption_tensors(pipeline, text or "", instructed=True)

    def negative_words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes a negative prompt: without the instruction."""
        return _caption_tensors(pipeline, text or "", instructed=False)

    def call_words(self, words: Tensors) -> dict[str, Any]:
        """In place of a negative prompt too, which would be an empty one."""
        return {**words, "negative_prompt": None}

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of the language model."""
        return {"embeds": (_TOKENS, config.caption_channels)}

    def sampling(self, folder: Path) -> Sampling:
        """As the pipeline does."""
        return Sampling(20, 4.5)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """As large a picture as its denoiser was taught."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        factor, dtype = vae_factor(vae), self.text_dtype(folder)
        width = int(transformer.get("caption_channels") or 2304)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=factor * int(transformer.get("sample_size") or 32),
            latent_factor=factor,
            caption_tokens=_TOKENS,
            cell_bytes=4 * int(vae.get("latent_channels") or 32),
            caption_bytes=_TOKENS * width * bytes_of(dtype),
            shift=shift,
            text_dtype=dtype,
        )


def _encoded(
    pipeline: Any, text: str, device: torch.device, *, instructed: bool
) -> tuple[Tensor, Tensor]:
    """States (1, 300, width) and mask (1, 300) of one text, with the instruction that a call of the
    pipeline has by default or without."""
    told = inspect.signature(type(pipeline).__call__).parameters["complex_human_instruction"]
    embeds, mask, *_ = pipeline.encode_prompt(
        text,
        False,
        device=device,
        complex_human_instruction=told.default if instructed else None,
    )
    return embeds, mask


def _caption_tensors(pipeline: Any, text: str, *, instructed: bool) -> dict[str, Tensor]:
    device = next(pipeline.text_encoder.parameters()).device
    embeds, mask = _encoded(pipeline, text, device, instructed=instructed)
    return {"prompt_embeds": embeds, "prompt_attention_mask": mask}
