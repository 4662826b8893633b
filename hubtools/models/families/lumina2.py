"""Lumina-Image 2. Captions of any length behind words for the language model, Gemma, which stand
before a prompt and not before a negative one. Its clock runs the other way, and so does its
answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import MASK, Tensors
from hubtools.models.families.configs import bytes_of, config, vae_factor
from hubtools.models.families.flow import FlowFamily, FlowModel
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import BaseInfo, Sampling

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_TOKENS = 256


class Lumina2Model(FlowModel):
    """A loaded Lumina-Image 2 pipeline."""

    cells_a_token = 4
    variable = True

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """The last state but one of Gemma, of the caption's own tokens and the words before it:
        (1, n, width). A dropped caption is what pictures are guided against: nothing before it."""
        encode = _asked if caption else _refused
        embeds, mask = encode(self.pipeline, caption, device)
        return {"embeds": embeds[:, mask[0].bool()]}

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock 1 - s, and an answer of x - n. The denoiser counts a caption's tokens by the mask,
        so that it needs one, and numbers in it where everything else has shapes only."""
        import torch

        embeds, mask = captions["embeds"], captions.get(MASK)
        if mask is None:
            device = "cpu" if latents.is_meta else latents.device
            mask = torch.ones(embeds.shape[:2], dtype=torch.bool, device=device)
        answer: Tensor = self.denoiser(
            hidden_states=latents,
            timestep=1 - s,
            encoder_hidden_states=embeds,
            encoder_attention_mask=mask,
            return_dict=False,
        )[0]
        return -answer


class Lumina2(FlowFamily):
    """The family."""

    row = "lumina2"
    denoiser = "Lumina2Transformer2DModel"
    model = Lumina2Model

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes a prompt, padding and all."""
        return _caption_tensors(*_asked(pipeline, text or "", _device(pipeline)))

    def negative_words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes a negative prompt: nothing stands before it."""
        return _caption_tensors(*_refused(pipeline, text or "", _device(pipeline)))

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of the language model."""
        return {"embeds": (_TOKENS, config.cap_feat_dim)}

    def sampling(self, folder: Path) -> Sampling:
        """As the pipeline does."""
        return Sampling(30, 4.0)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """The VAE is that of FLUX.1."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        factor, dtype = vae_factor(vae), self.text_dtype(folder)
        width = int(transformer.get("cap_feat_dim") or 2304)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=factor * int(transformer.get("sample_size") or 128),
            latent_factor=factor,
            caption_tokens=_TOKENS,
            cell_bytes=2 * 4 * int(vae.get("latent_channels") or 16),
            caption_bytes=_TOKENS * width * bytes_of(dtype),
            shift=shift,
            text_dtype=dtype,
        )


def _device(pipeline: Any) -> torch.device:
    device: torch.device = next(pipeline.text_encoder.parameters()).device
    return device


def _asked(pipeline: Any, text: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """States (1, 256, width) and mask (1, 256) of a prompt."""
    embeds, mask, *_ = pipeline.encode_prompt(text, False, device=device)
    return embeds, mask


def _refused(pipeline: Any, text: str, device: torch.device) -> tuple[Tensor, Tensor]:
    """The same of a negative prompt."""
    embeds, mask = pipeline._get_gemma_prompt_embeds(text, device=device)
    return embeds, mask


def _caption_tensors(embeds: Tensor, mask: Tensor) -> dict[str, Tensor]:
    return {"prompt_embeds": embeds, "prompt_attention_mask": mask}
