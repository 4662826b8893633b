"""Qwen-Image and its Edit pipelines. Captions of any length inside a fixed chat, which the denoiser
is told by a mask; a VAE made for films, whose latents have a mean and a deviation a channel. The
text encoder of Edit is shown the pictures that one is made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.models.families.batches import MASK, Tensors
from hubtools.models.families.configs import bytes_of, config
from hubtools.models.families.flow import (
    as_grid,
    as_tokens,
    patched,
    unpatched,
)
from hubtools.models.families.noise import FLOW, Shift
from hubtools.models.families.protocol import Asked, BaseInfo, Sampling
from hubtools.models.families.references import ReferenceFamily, ReferenceFlowModel, References
from hubtools.models.registry import TARGETS

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor

# What the pipeline's call cuts a prompt to.
_TOKENS = 512
EDIT, EDIT_PLUS = "QwenImageEditPipeline", "QwenImageEditPlusPipeline"
# Pixels of a picture that others are made from: for the VAE, and as the text encoder of the newer
# pipeline is shown it.
_REFERENCE_AREA, _SHOWN_AREA = 1024 * 1024, 384 * 384
# How many the newer pipeline is made for.
_REFERENCES = 3
# Pixels of a side that become one token of the text encoder.
_PIXELS_A_TOKEN = 28


class QwenImageModel(ReferenceFlowModel):
    """A loaded Qwen-Image pipeline."""

    cells_a_token = 4
    variable = True

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
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

    def caption_tensors_seeing(
        self, caption: str, pictures: Sequence[Image.Image], device: torch.device
    ) -> dict[str, Tensor]:
        """With the pictures in view, in the size that the pipeline shows them."""
        return {"embeds": _seen(self.pipeline, caption or self.unsaid, pictures, device)}

    def reference_pixels(self, picture: Image.Image) -> Tensor:
        """As the pipeline does: the shape kept, 1024 x 1024 pixels in all, sides multiples of
        32."""
        processor = self.pipeline.image_processor
        width, height = area_of(picture, _REFERENCE_AREA)
        pixels: Tensor = processor.preprocess(
            processor.resize(picture, height, width), height, width
        )
        return pixels

    def velocity_from(
        self, latents: Tensor, s: Tensor, captions: Tensors, references: References
    ) -> Tensor:
        """Clock s; places by the size of the token grid, the words' after it."""
        height, width = latents.shape[-2] // 2, latents.shape[-1] // 2
        answer = self.denoiser(
            hidden_states=references.behind(as_tokens(patched(latents))),
            timestep=s,
            guidance=None,
            encoder_hidden_states=captions["embeds"],
            encoder_hidden_states_mask=captions.get(MASK),
            img_shapes=[[(1, height, width), *((1, h, w) for h, w in references.sizes)]]
            * len(latents),
            return_dict=False,
        )[0]
        return unpatched(as_grid(answer, height, width))


class QwenImage(ReferenceFamily):
    """The family."""

    row = "qwen-image"
    denoiser = "QwenImageTransformer2DModel"
    model = QwenImageModel

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """As the pipeline encodes it."""
        device = next(pipeline.text_encoder.parameters()).device
        return {"prompt_embeds": _encoded(pipeline, text or "", device)}

    def control_arguments(
        self, pipeline: Any, pictures: Sequence[Image.Image], shot: Asked
    ) -> dict[str, Any]:
        """One picture, or a list of the newer pipeline."""
        if not pictures:
            return {}
        plus = type(pipeline).__name__ == EDIT_PLUS
        return {"image": list(pictures) if plus else pictures[0]}

    def seen_words(
        self, pipeline: Any, text: str | None, pictures: Sequence[Image.Image]
    ) -> dict[str, Tensor] | None:
        """With the pictures in view."""
        if type(pipeline).__name__ not in (EDIT, EDIT_PLUS):
            return None
        device = next(pipeline.text_encoder.parameters()).device
        return {"prompt_embeds": _seen(pipeline, text or "", pictures, device)}

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """States of the language model."""
        return {"embeds": (_TOKENS, config.joint_attention_dim)}

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
        """As the model cards do."""
        return Sampling(40 if _kind(folder) == EDIT_PLUS else 50, 4.0)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """The VAE shrinks as often as it says for films."""
        transformer = config(folder, "transformer/config.json")
        vae = config(folder, "vae/config.json")
        dtype = self.text_dtype(folder)
        controls, tokens = _read(folder)
        return BaseInfo(
            family=self.name,
            prediction_type=FLOW,
            native_size=TARGETS["qwen-image"].size,
            latent_factor=film_factor(vae),
            caption_tokens=_TOKENS,
            cell_bytes=2 * 4 * int(vae.get("z_dim") or 16),
            caption_bytes=tokens
            * int(transformer.get("joint_attention_dim") or 3584)
            * bytes_of(dtype),
            shift=shift,
            text_dtype=dtype,
            controls=controls,
            sees=controls != (0, 0),
        )


def _kind(folder: Path) -> str:
    return str(config(folder, "model_index.json").get("_class_name"))


def _read(folder: Path) -> tuple[tuple[int, int], int]:
    """(how many pictures one is made from, tokens of a caption with those in view)."""
    area = {EDIT: _REFERENCE_AREA, EDIT_PLUS: _SHOWN_AREA}.get(_kind(folder))
    if area is None:
        return (0, 0), _TOKENS
    most = 1 if area == _REFERENCE_AREA else _REFERENCES
    return (1, most), _TOKENS + most * area // _PIXELS_A_TOKEN**2


def area_of(picture: Image.Image, area: int) -> tuple[int, int]:
    """(width, height) of a picture's shape with so many pixels, in multiples of 32."""
    from diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus import calculate_dimensions

    width, height = calculate_dimensions(area, picture.width / picture.height)
    return int(width), int(height)


def _seen(
    pipeline: Any, text: str, pictures: Sequence[Image.Image], device: torch.device
) -> Tensor:
    """(1, n, width) of a text with pictures before it; all of its tokens are its own."""
    plus = type(pipeline).__name__ == EDIT_PLUS
    shown = []
    for picture in pictures:
        width, height = area_of(picture, _SHOWN_AREA if plus else _REFERENCE_AREA)
        shown.append(pipeline.image_processor.resize(picture, height, width))
    embeds: Tensor = pipeline.encode_prompt(
        prompt=text, image=shown if plus else shown[0], device=device, max_sequence_length=_TOKENS
    )[0]
    return embeds


def film_factor(vae: dict[str, Any]) -> int:
    """Pixels a latent cell of Qwen-Image's VAE, by its configuration."""
    factor: int = 2 ** len(vae.get("temperal_downsample") or [0] * 3)
    return factor


def _encoded(pipeline: Any, text: str, device: torch.device) -> Tensor:
    """(1, n, width) of one text: its mask says nothing."""
    embeds: Tensor = pipeline.encode_prompt(text, device=device, max_sequence_length=_TOKENS)[0]
    return embeds
