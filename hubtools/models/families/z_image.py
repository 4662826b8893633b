"""Z-Image, base and Turbo. Captions of any length, without padding: the denoiser takes lists, pads
them itself and masks what it has padded. Its clock runs the other way, and so does its answer."""

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

_TOKENS = 512
# The shift of Turbo's scheduler; the base's is 6.
_TURBO = 3.0


class ZImageModel(FlowModel):
    """A loaded Z-Image pipeline."""

    sampled = False
    cells_a_token = 4
    variable = True

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """The last state but one of the language model, of the caption's own tokens: (1, n, w)."""
        return {"embeds": self.pipeline.encode_prompt(caption, device, False)[0][0][None]}

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """Clock 1 - s, and an answer of x - n."""
        import torch

        rows, masks = list(captions["embeds"].unbind()), captions.get(MASK)
        if masks is not None:
            rows = [row[mask] for row, mask in zip(rows, masks, strict=True)]
        answer = self.denoiser(
            list(latents.unsqueeze(2).unbind()),
            1 - s,
            rows,
            return_dict=False,
        )[0]
        return -torch.stack(list(answer)).squeeze(2)


class ZImage(FlowFamily):
    """The family."""

    row = "z-image"
    denoiser = "ZImageTransformer2DModel"
    model = ZImageModel

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes it."""
        device = next(pipeline.text_encoder.parameters()).device
        return {"prompt_embeds": pipeline.encode_prompt(text or "", device, False)[0][0][None]}

    def call_words(self, words: Tensors) -> dict[str, Any]:
        """Lists, one tensor a picture."""
        return {name: list(value.unbind()) for name, value in words.items()}

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of the language model."""
        return {"embeds": (_TOKENS, config.cap_feat_dim)}

    def sampling(self, folder: Path) -> Sampling:
        """As the model cards do; Turbo without guidance, which this pipeline counts from 0."""
        return Sampling(9, 0.0) if _is_turbo(folder) else Sampling(50, 4.0)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """The VAE is that of FLUX.1."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        turbo, dtype = _is_turbo(folder), self.text_dtype(folder)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=int(vae.get("sample_size") or 1024),
            latent_factor=vae_factor(vae),
            caption_tokens=_TOKENS,
            cell_bytes=4 * int(vae.get("latent_channels") or 16),
            caption_bytes=_TOKENS * int(transformer.get("cap_feat_dim") or 2560) * bytes_of(dtype),
            distilled=turbo,
            guided=not turbo,
            shift=shift,
            text_dtype=dtype,
        )


def _is_turbo(folder: Path) -> bool:
    scheduler = config(folder, "scheduler/scheduler_config.json")
    return not scheduler.get("use_dynamic_shifting") and scheduler.get("shift") == _TURBO
