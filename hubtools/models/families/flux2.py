"""FLUX.2: klein, klein-base and dev. Captions of a fixed length, padding and all, since the
denoiser attends to it; latents of 2x2 cells whose statistics are the VAE's batch norm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError, first_line
from hubtools.models.families.batches import Tensors
from hubtools.models.families.configs import bytes_of, config, vae_factor
from hubtools.models.families.flow import (
    as_grid,
    as_tokens,
    grid_ids,
    patched,
)
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import BaseInfo, Sampling
from hubtools.models.families.references import ReferenceFamily, ReferenceFlowModel, References

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

_DEV = "Flux2Pipeline"
_TOKENS = 512
# Pixels of a reference at most, and how many there may be.
_REFERENCE_AREA = 1024 * 1024
_REFERENCES = 10
# The guidance that dev is told while it learns: its embedding was distilled, and with a higher one
# the LoRA takes over what guidance does at sampling (so the recipes of those who train it).
_GUIDANCE = 1.0


class Flux2Model(ReferenceFlowModel):
    """A loaded FLUX.2 pipeline."""

    sampled = False

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
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

    def reference_pixels(self, picture: Image.Image) -> Tensor:
        """As the pipeline does: no more than 1024 x 1024 pixels, the middle of it so that sides are
        multiples of 16."""
        processor = self.pipeline.image_processor
        try:
            processor.check_image_input(picture)
        except ValueError as error:
            raise HubtoolsError(
                f"FLUX.2 takes no picture of {picture.width}x{picture.height} as a reference:"
                f" {first_line(error)}",
                hint="use a larger one, of a usual shape",
                code="not-supported",
            ) from None
        picture = processor._resize_if_exceeds_area(picture, _REFERENCE_AREA)
        step = 2 * self.pipeline.vae_scale_factor
        width, height = picture.width // step * step, picture.height // step * step
        pixels: Tensor = processor.preprocess(
            picture, height=height, width=width, resize_mode="crop"
        )
        return pixels

    def velocity_from(
        self, latents: Tensor, s: Tensor, captions: Tensors, references: References
    ) -> Tensor:
        """Clock s; ids are (0, row, column, 0) for a picture, (10, ...), (20, ...) and so on for
        what it is made from, (0, 0, 0, place) for words."""
        import torch

        height, width = latents.shape[-2:]
        embeds, device = captions["embeds"], latents.device
        words = torch.zeros(embeds.shape[1], 4, device=device)
        words[:, 3] = torch.arange(embeds.shape[1], device=device)
        guidance = None
        if self.denoiser.config.guidance_embeds:
            guidance = torch.full_like(s, _GUIDANCE)
        answer = self.denoiser(
            hidden_states=references.behind(as_tokens(latents)),
            timestep=s,
            guidance=guidance,
            encoder_hidden_states=embeds,
            txt_ids=words,
            img_ids=torch.cat(
                [
                    grid_ids(height, width, 4, device),
                    *(
                        grid_ids(h, w, 4, device, first=10 * number)
                        for number, (h, w) in enumerate(references.sizes, 1)
                    ),
                ]
            ),
            return_dict=False,
        )[0]
        return as_grid(answer, height, width)


class Flux2(ReferenceFamily):
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

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of the language model."""
        return {"embeds": (_TOKENS, config.joint_attention_dim)}

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
            controls=(0, _REFERENCES),
        )  # fmt: skip


def _distilled(folder: Path) -> bool:
    return bool(config(folder, "model_index.json").get("is_distilled"))
