"""Chroma: the blocks of FLUX.1 without CLIP and without a guidance to be told. Of T5 all states are
read, and a mask says which: the caption's own and one of padding."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
    unpatched,
)
from hubtools.models.families.flux1 import LAYERS
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import BaseInfo, Sampling

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

# diffusers on itself, whenever the denoiser is made
warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)

_TOKENS = 512
_SINGLE = "ChromaSingleTransformerBlock"


class ChromaModel(FlowModel):
    """A loaded Chroma pipeline."""

    cells_a_token = 4

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """`embeds` (1, 512, width of T5), `attended` (1, 512) of ones and zeros."""
        return _encoded(self.pipeline, caption, device)

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock s; ids as FLUX.1 has them. The mask is one of numbers, not of yes and no: attention
        adds it to its scores, in the pipeline as here, so that what it leaves out counts for less
        and is not gone."""
        import torch

        height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
        embeds, attended, device = captions["embeds"], captions["attended"], latents.device
        mask = torch.cat([attended, attended.new_ones(len(attended), height * width)], dim=1)
        with _mask_everywhere(self.denoiser, mask):
            answer = self.denoiser(
                hidden_states=as_tokens(patched(latents)),
                timestep=s,
                encoder_hidden_states=embeds,
                txt_ids=torch.zeros(embeds.shape[1], 3, device=device),
                img_ids=grid_ids(height, width, 3, device),
                attention_mask=mask,
                return_dict=False,
            )[0]
        return unpatched(as_grid(answer, height, width))


class Chroma(FlowFamily):
    """The family."""

    row = "chroma"
    denoiser = "ChromaTransformer2DModel"
    model = ChromaModel

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes it."""
        device = next(pipeline.text_encoder.parameters()).device
        told = _encoded(pipeline, text or "", device)
        return {"prompt_embeds": told["embeds"], "prompt_attention_mask": told["attended"]}

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of T5, and which of them are read."""
        return {"embeds": (_TOKENS, config.joint_attention_dim), "attended": (_TOKENS,)}

    def sampling(self, folder: Path) -> Sampling:
        """As the model card does."""
        return Sampling(40, 3.0)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """The VAE is that of FLUX.1, and so are the layers of the LoRA; the layer that stands for
        guidance is left as it was distilled."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        dtype = self.text_dtype(folder)
        width = int(transformer.get("joint_attention_dim") or 4096)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=int(vae.get("sample_size") or 1024),
            latent_factor=vae_factor(vae),
            caption_tokens=_TOKENS,
            cell_bytes=2 * 4 * int(vae.get("latent_channels") or 16),
            caption_bytes=_TOKENS * (width + 1) * bytes_of(dtype),
            targets=LAYERS,
            shift=shift,
            text_dtype=dtype,
        )


def _encoded(pipeline: Any, text: str, device: torch.device) -> dict[str, Tensor]:
    """`embeds` (1, 512, width) and `attended` (1, 512) of one text."""
    embeds, _, attended, *_ = pipeline.encode_prompt(
        text, device=device, do_classifier_free_guidance=False
    )
    return {"embeds": embeds, "attended": attended}


@contextmanager
def _mask_everywhere(denoiser: nn.Module, mask: Tensor) -> Iterator[None]:
    """While it lasts, the single blocks are told the mask under gradient checkpointing too:
    diffusers 0.42 leaves it out there, and the loss would be another one."""
    if not getattr(denoiser, "gradient_checkpointing", False):
        yield
        return
    call: Any = denoiser._gradient_checkpointing_func

    def with_mask(block: nn.Module, *args: Any) -> Any:
        # hidden states, modulation, places: the mask comes fourth
        lacks = type(block).__name__ == _SINGLE and len(args) == 3
        return call(block, *args, *([mask] if lacks else []))

    denoiser._gradient_checkpointing_func = with_mask  # type: ignore[assignment]
    try:
        yield
    finally:
        denoiser._gradient_checkpointing_func = call
