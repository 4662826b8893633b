"""FLUX.1: dev, schnell and Kontext. Two text encoders: of CLIP only what sums a caption up, of T5
all states, padding and all, since the denoiser attends to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import Tensors
from hubtools.models.families.clip import TOKENS, clip_tokens
from hubtools.models.families.configs import bytes_of, config, vae_factor
from hubtools.models.families.flow import (
    as_grid,
    as_tokens,
    grid_ids,
    patched,
    published,
    unpatched,
)
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import ATTENTION, Asked, BaseInfo, Sampling
from hubtools.models.families.references import ReferenceFamily, ReferenceFlowModel, References

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

KONTEXT = "FluxKontextPipeline"
_TOKENS = 512
# The guidance that dev is told while it learns: its embedding was distilled, and with a higher one
# the LoRA takes over what guidance does at sampling (so the recipes of those who train it).
_GUIDANCE = 1.0

LAYERS = (
    *ATTENTION, "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
    "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
)  # fmt: skip
"""What gets a LoRA: all of the double blocks, the attention of the single ones."""


class Flux1Model(ReferenceFlowModel):
    """A loaded FLUX.1 pipeline."""

    cells_a_token = 4

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """`embeds` (1, 512, width of T5), `pooled` (1, width of CLIP)."""
        embeds, pooled, _ = self.pipeline.encode_prompt(caption, None, device=device)
        return {"embeds": embeds, "pooled": pooled}

    def tokens(self, caption: str) -> dict[str, Tensor]:
        """CLIP's; T5 is not trained."""
        return clip_tokens(self.pipeline, caption, 1)

    def read(self, captions: Tensors) -> Tensors:
        """With CLIP's sum."""
        if TOKENS not in captions:
            return captions
        kept = {key: value for key, value in captions.items() if key != TOKENS}
        return kept | {"pooled": self.pipeline.text_encoder(captions[TOKENS]).pooler_output}

    def reference_pixels(self, picture: Image.Image) -> Tensor:
        """As Kontext does: of the sizes that it was trained with the one whose shape is nearest."""
        from diffusers.pipelines.flux.pipeline_flux_kontext import PREFERRED_KONTEXT_RESOLUTIONS

        shape = picture.width / picture.height
        _, width, height = min((abs(shape - w / h), w, h) for w, h in PREFERRED_KONTEXT_RESOLUTIONS)
        step = 2 * self.pipeline.vae_scale_factor
        size = (height // step * step, width // step * step)
        processor = self.pipeline.image_processor
        pixels: Tensor = processor.preprocess(processor.resize(picture, *size), *size)
        return pixels

    def velocity_from(
        self, latents: Tensor, s: Tensor, captions: Tensors, references: References
    ) -> Tensor:
        """Clock s; ids are (0, row, column) for a picture, (1, row, column) for what it is made
        from, zeros for words."""
        import torch

        height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
        embeds, device = captions["embeds"], latents.device
        guided = self.denoiser.config.guidance_embeds
        answer = self.denoiser(
            hidden_states=references.behind(as_tokens(patched(latents))),
            timestep=s,
            guidance=torch.full_like(s, _GUIDANCE) if guided else None,
            pooled_projections=captions["pooled"],
            encoder_hidden_states=embeds,
            txt_ids=torch.zeros(embeds.shape[1], 3, device=device),
            img_ids=torch.cat(
                [
                    grid_ids(height, width, 3, device),
                    *(grid_ids(h, w, 3, device, first=1) for h, w in references.sizes),
                ]
            ),
            return_dict=False,
        )[0]
        return unpatched(as_grid(answer, height, width))


class Flux1(ReferenceFamily):
    """The family."""

    row = "flux"
    denoiser = "FluxTransformer2DModel"
    model = Flux1Model

    def text_dtype(self, folder: Path) -> str:
        """That of T5."""
        return published(folder, "text_encoder_2")

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes it; there is no negative prompt."""
        if text is None:
            return {}
        device = next(pipeline.text_encoder_2.parameters()).device
        embeds, pooled, _ = pipeline.encode_prompt(text, None, device=device)
        return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}

    def control_arguments(
        self, pipeline: Any, pictures: Sequence[Image.Image], shot: Asked
    ) -> dict[str, Any]:
        """Kontext makes a megapixel of every size unless it is told another area."""
        if type(pipeline).__name__ != KONTEXT:
            return {}
        area = {"max_area": shot.width * shot.height}
        return area | ({"image": pictures[0]} if pictures else {})

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of T5, and CLIP's sum."""
        return {
            "embeds": (_TOKENS, config.joint_attention_dim),
            "pooled": (config.pooled_projection_dim,),
        }

    def sampling(self, folder: Path) -> Sampling:
        """As the model cards do."""
        if _is_kontext(folder):
            return Sampling(28, 2.5)
        return Sampling(4, 0.0) if _is_schnell(folder) else Sampling(28, 3.5)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """Only schnell is told no guidance."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        dtype = self.text_dtype(folder)
        states = _TOKENS * int(transformer.get("joint_attention_dim") or 4096)
        pooled = int(transformer.get("pooled_projection_dim") or 768)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=int(vae.get("sample_size") or 1024),
            latent_factor=vae_factor(vae),
            caption_tokens=_TOKENS,
            cell_bytes=2 * 4 * int(vae.get("latent_channels") or 16),
            caption_bytes=(states + pooled) * bytes_of(dtype),
            targets=LAYERS,
            distilled=_is_schnell(folder),
            guided=False,
            shift=shift,
            text_dtype=dtype,
            controls=(0, 1) if _is_kontext(folder) else (0, 0),
        )


def _is_kontext(folder: Path) -> bool:
    return config(folder, "model_index.json").get("_class_name") == KONTEXT


def _is_schnell(folder: Path) -> bool:
    return not config(folder, "transformer/config.json").get("guidance_embeds", False)
