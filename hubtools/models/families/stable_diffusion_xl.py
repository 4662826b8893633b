"""SDXL: a UNet with two CLIP text encoders that is also told the sizes of its pictures
(arXiv:2307.01952, section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError
from hubtools.models.families.batches import Conditions, Tensors
from hubtools.models.families.clip import (
    TOKENS,
    clip_row,
    clip_rows,
    clip_tokens,
    padded_tokens,
    states_and_sum,
)
from hubtools.models.families.configs import config, reading_sizes
from hubtools.models.families.noise import Noised
from hubtools.models.families.protocol import BaseInfo, Framing, Sampling
from hubtools.models.families.stable_diffusion import (
    ENCODERS_IN,
    StableDiffusion,
    StableDiffusionModel,
)
from hubtools.models.identity import identity_of_files
from hubtools.models.loading import Part
from hubtools.models.registry import SUPPORTED

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hubtools.models.base import Base

_ZEROS = "force_zeros_for_empty_prompt"
_SAID = "said"
# Numbers that the UNet is told of a picture: three sizes or places, two numbers each.
_TOLD = 6


class StableDiffusionXL(StableDiffusion):
    """The family."""

    _row = SUPPORTED["stable-diffusion-xl"]
    name, pipelines = _row.name, _row.pipelines
    prefix, divisor = _row.denoiser, _row.divisor
    usual = Sampling(30, 5.0, 0.0)  # as its pipeline's default

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """The states before the last of both encoders side by side, (1, 77, 2048) in the published
        bases, and what the second one sums up, (1, 1280). None: zeros, if the base was taught so.
        """
        device = pipeline._execution_device
        embeds, _, pooled, _ = pipeline.encode_prompt(
            text or "", device=device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        found = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}
        if text is None and pipeline.config[_ZEROS]:
            return {key: value.new_zeros(value.shape) for key, value in found.items()}
        return found

    def clip_window(self, pipeline: Any, tokens: Sequence[str]) -> dict[str, Tensor]:
        """The same of a window, by the first tokenizer's tokens."""
        device, pairs = pipeline._execution_device, _pairs(pipeline)
        rows = [(encoder, clip_row(words, encoder, tokens, device)[0]) for words, encoder in pairs]
        embeds, (_, pooled) = states_and_sum(rows)
        dtype = pipeline.text_encoder_2.dtype
        return {"prompt_embeds": embeds.to(dtype), "pooled_prompt_embeds": pooled}

    def decodes_exactly(self, pipeline: Any) -> bool:
        """Yes, unless the VAE was mended: in float16 it answers no numbers."""
        return bool(pipeline.vae.config.force_upcast)

    def picture_conditions(self, framing: Framing) -> dict[str, Tensor]:
        """`time_ids`, (6,): height and width of the whole picture, top and left of the cut, height
        and width of the cut."""
        import torch

        told = (*framing.original[::-1], *framing.corner[::-1], *framing.size[::-1])
        return {"time_ids": torch.tensor(told, dtype=torch.float32)}

    def info(self, folder: Path, prediction_type: str | None) -> BaseInfo:
        """Sizes and prediction type from the configuration files; captions are kept as the states
        of both encoders and the sum of the second."""
        second = config(folder, "text_encoder_2/config.json", required=False)
        first = config(folder, "text_encoder/config.json", required=False)
        with reading_sizes(folder, "unet, text_encoder and text_encoder_2"):
            pooled = int(second.get("projection_dim") or 1280)
            _refuse_refiner(config(folder, "unet/config.json"), bool(first and second), pooled)
            width = int(first.get("hidden_size") or 768) + int(second.get("hidden_size") or 1280)
        info = super().info(folder, prediction_type)
        return replace(info, caption_bytes=4 * (info.caption_tokens * width + pooled))

    def _rehearsed(self, denoiser: Any, count: int) -> dict[str, Any]:
        import torch

        config = denoiser.config
        pooled = (
            config.projection_class_embeddings_input_dim - _TOLD * config.addition_time_embed_dim
        )
        numbers = {"text_embeds": pooled, "time_ids": _TOLD}
        told = {k: torch.empty(count, n, device=denoiser.device) for k, n in numbers.items()}
        return {"added_cond_kwargs": told}

    @property
    def model(self) -> type[StableDiffusionXLModel]:
        """What a base is opened as."""
        return StableDiffusionXLModel

    def identity(self, base: Base, folder: Path, part: Part) -> str:
        """From the files, and by whether a dropped caption is zeros."""
        if part != "text":
            return super().identity(base, folder, part)
        zeros = config(folder, "model_index.json").get(_ZEROS, True)
        names = [f"{kind}{end}" for kind in ("text_encoder", "tokenizer") for end in ("", "_2")]
        return identity_of_files(base, folder, names, f"{ENCODERS_IN} {_ZEROS}={zeros}")


class StableDiffusionXLModel(StableDiffusionModel):
    """A loaded SDXL pipeline."""

    def encoders(self) -> Sequence[nn.Module]:
        """VAE and both text encoders."""
        found = (self._vae, self._text, self.pipeline.text_encoder_2)
        return tuple(module for module in found if module is not None)

    def encode_picture(self, pixels: Tensor) -> dict[str, Tensor]:
        """Mean and standard deviation of the VAE's posterior, each (C, h, w), unscaled; counted
        from the mean and in the spread of all latents if the VAE tells them."""
        found = super().encode_picture(pixels)
        means, spreads = self._vae.config.latents_mean, self._vae.config.latents_std
        if means is None or spreads is None:
            return found
        spread = found["std"].new_tensor(spreads)[:, None, None]
        shifted = found["mean"] - found["mean"].new_tensor(means)[:, None, None]
        return {"mean": shifted / spread, "std": found["std"] / spread}

    def encode_caption(self, caption: str) -> dict[str, Tensor]:
        """The states before the last of both encoders side by side, (tokens, width), and what the
        second sums up, `pooled`; padded as for inference. `""` is zeros if the base says so."""
        import torch

        with torch.no_grad():
            device = next(self._text.parameters()).device
            embeds, (_, pooled) = states_and_sum(
                [
                    (encoder, torch.tensor([padded_tokens(words, caption)], device=device))
                    for words, encoder in _pairs(self.pipeline)
                ]
            )
        found = {"embeds": embeds[0].float().cpu(), "pooled": pooled[0].float().cpu()}
        if not caption and self.pipeline.config[_ZEROS]:
            return {key: torch.zeros_like(value) for key, value in found.items()}
        return found

    def tokens(self, caption: str) -> dict[str, Tensor]:
        """Of both tokenizers; `said` is 0 where the dropped caption is zeros."""
        import torch

        found = clip_tokens(self.pipeline, caption, 2)
        if self.pipeline.config[_ZEROS]:
            found[_SAID] = torch.tensor(float(bool(caption)))
        return found

    def read(self, captions: Tensors) -> Tensors:
        """As `encode_caption`, with `said` as a factor."""
        if TOKENS not in captions:
            return captions
        embeds, (_, pooled) = states_and_sum(clip_rows(self.pipeline, captions, 2))
        if _SAID not in captions:
            return {"embeds": embeds, "pooled": pooled}
        said = captions[_SAID]
        return {"embeds": embeds * said[:, None, None], "pooled": pooled * said[:, None]}

    def predict(self, noised: Noised, conditions: Conditions) -> Tensor:
        """The UNet's answer."""
        captions = self.read(conditions.captions)
        dtype = next(self.denoiser.parameters()).dtype
        answer: Tensor = self.denoiser(
            noised.latents.to(dtype),
            noised.timesteps,
            captions["embeds"].to(dtype),
            # sizes stay float32: bfloat16 has no 3,001
            added_cond_kwargs={
                "text_embeds": captions["pooled"].to(dtype),
                "time_ids": conditions.pictures["time_ids"],
            },
            return_dict=False,
        )[0]
        return answer


def _pairs(pipeline: Any) -> list[tuple[Any, Any]]:
    """(tokenizer, text encoder), twice."""
    return [
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    ]


def _refuse_refiner(unet: dict[str, Any], both: bool, pooled: int) -> None:
    """Raise `HubtoolsError` unless the UNet is told sizes and what the second encoder sums up."""
    wanted = pooled + _TOLD * int(unet.get("addition_time_embed_dim") or 0)
    takes = unet.get("projection_class_embeddings_input_dim")
    if both and unet.get("addition_embed_type") == "text_time" and takes == wanted:
        return
    raise HubtoolsError(
        "The base is no SDXL that draws from words: it"
        + (" lacks one of the two text encoders," if not both else "")
        + f" takes {takes} numbers beside the caption, not {wanted}. SDXL's refiner is such a one.",
        hint="train on the base, stabilityai/stable-diffusion-xl-base-1.0; the refiner needs no"
        " LoRA",
        code="not-supported",
    )
