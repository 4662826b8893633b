"""Stable Diffusion 1.x and 2.x: a UNet with one CLIP text encoder, epsilon or v-prediction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError
from hubtools.models.blank import making
from hubtools.models.families.batches import Conditions, Tensors, pass_vae, stacked
from hubtools.models.families.clip import TOKENS, clip_row, clip_tokens, padded_tokens
from hubtools.models.families.configs import config, reading_sizes, vae_factor
from hubtools.models.families.noise import (
    DDPM,
    DDPM_PREDICTIONS,
    EPSILON,
    Noised,
    NoiseOptions,
)
from hubtools.models.families.protocol import USUAL, Asked, BaseInfo, Framing, LoraNames, Sampling
from hubtools.models.identity import identity_of_files
from hubtools.models.loading import ALL_PARTS, Part, load_pipeline
from hubtools.models.registry import SUPPORTED

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from hubtools.models.base import Base

# Their answers are kept, whatever precision the denoiser has; once a picture or caption is cheap.
ENCODERS_IN = "float32"
_MAGNITUDE = ".lora_magnitude_vector"  # of a DoRA, as peft calls it
# How distilled bases are drawn with: Lightning in four steps or eight, Turbo in one to four.
FEW = Sampling(4, 1.0, 0.0)
# Of bases of zero terminal SNR, which guidance makes too bright (arXiv:2305.08891, section 3.4).
_RESCALE = 0.7


class StableDiffusion:
    """The family."""

    _row = SUPPORTED["stable-diffusion"]
    name, pipelines = _row.name, _row.pipelines
    prefix, divisor = _row.denoiser, _row.divisor
    usual = USUAL

    def call_arguments(self, shot: Asked) -> dict[str, Any]:
        """Steps, classifier-free guidance, and the size in pixels."""
        return {
            "num_inference_steps": shot.steps,
            "guidance_scale": shot.guidance,
            "guidance_rescale": shot.guidance_rescale,
            "width": shot.width,
            "height": shot.height,
        }

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """Last hidden states of the text encoder, (1, 77, width); none are those of `""`."""
        device = pipeline._execution_device
        return {"prompt_embeds": pipeline.encode_prompt(text or "", device, 1, False)[0]}

    def negative_words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """The same."""
        return self.words(pipeline, text)

    def call_words(self, words: Tensors) -> dict[str, Any]:
        """As they are."""
        return dict(words)

    def clip_window(self, pipeline: Any, tokens: Sequence[str]) -> dict[str, Tensor]:
        """Last hidden states of a window, (1, 77, width)."""
        device = pipeline._execution_device
        row, mask = clip_row(pipeline.tokenizer, pipeline.text_encoder, tokens, device)
        states = pipeline.text_encoder(row, attention_mask=mask)[0]
        return {"prompt_embeds": states.to(pipeline.text_encoder.dtype)}

    def decodes_exactly(self, pipeline: Any) -> bool:
        """No: this VAE keeps its numbers small."""
        return False

    def convert_lora(self, state: Tensors, to: LoraNames) -> dict[str, Tensor]:
        """To `unet.….to_q.lora.down.weight`, or peft's own `lora_A` for all layers if there is one
        that the former has no name for, such as a convolution or the magnitudes of a DoRA: of a
        file that mixes both, diffusers loads a part and says nothing. To peft: `lora_A` without
        the prefix."""
        from diffusers.utils import convert_state_dict_to_diffusers

        if to == "peft":
            return {
                name.removeprefix(f"{self.prefix}.")
                .replace(".lora.down.", ".lora_A.")
                .replace(".lora.up.", ".lora_B."): value
                for name, value in state.items()
            }
        old = convert_state_dict_to_diffusers(dict(state))
        if any(".lora_A." in name or name.endswith(_MAGNITUDE) for name in old):
            old = dict(state)
        return {f"{self.prefix}.{name}": value for name, value in old.items()}

    def picture_conditions(self, framing: Framing) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def sampling(self, folder: Path) -> Sampling:
        """As usual; a base that is distilled in a few steps and without guidance."""
        scheduler = config(folder, "scheduler/scheduler_config.json", required=False)
        prediction = str(scheduler.get("prediction_type", EPSILON))
        if _is_distilled(scheduler, prediction):
            return FEW
        zero = bool(scheduler.get("rescale_betas_zero_snr"))
        return replace(self.usual, rescale=_RESCALE) if zero else self.usual

    def info(self, folder: Path, prediction_type: str | None) -> BaseInfo:
        """Sizes and prediction type from the configuration files of unet, vae and scheduler."""
        unet = config(folder, "unet/config.json")
        vae = config(folder, "vae/config.json")
        scheduler = config(folder, "scheduler/scheduler_config.json")
        tokenizer = config(folder, "tokenizer/tokenizer_config.json", required=False)
        text = config(folder, "text_encoder/config.json", required=False)
        _refuse_others(unet, vae, scheduler)
        prediction = prediction_type or str(scheduler.get("prediction_type", "epsilon"))
        if prediction not in DDPM_PREDICTIONS:
            raise HubtoolsError(
                f"The base's scheduler predicts {prediction!r}; hubtools trains"
                f" {' and '.join(DDPM_PREDICTIONS)}.",
                hint="overrule it with --prediction-type if you know better",
                code="not-supported",
            )
        with reading_sizes(folder, "unet, vae and text_encoder"):
            info = self._sizes(unet, vae, text, tokenizer, prediction)
        distilled = _is_distilled(scheduler, prediction)
        return replace(info, distilled=distilled, guided=not distilled)

    def _sizes(
        self,
        unet: dict[str, Any],
        vae: dict[str, Any],
        text: dict[str, Any],
        tokenizer: dict[str, Any],
        prediction: str,
    ) -> BaseInfo:
        factor = vae_factor(vae)
        tokens = text.get("max_position_embeddings") or tokenizer.get("model_max_length") or 77
        width = int(text.get("hidden_size") or 1024)
        return BaseInfo(
            family=self.name,
            prediction_type=prediction,
            native_size=int(unet.get("sample_size") or 64) * factor,
            latent_factor=factor,
            caption_tokens=int(tokens),
            cell_bytes=2 * 4 * int(vae.get("latent_channels", 4)),  # mean and deviation, float32
            caption_bytes=4 * int(tokens) * width,
            latent_scale=float(vae.get("scaling_factor") or 0.18215),
        )

    def blank_denoiser(self, folder: Path) -> nn.Module:
        """The UNet on the meta device."""
        from diffusers import UNet2DConditionModel

        with making(folder, "unet"):
            unet: nn.Module = UNet2DConditionModel.from_config(config(folder, "unet/config.json"))
        return unet

    def rehearse_denoiser(
        self, denoiser: Any, info: BaseInfo, size: tuple[int, int], count: int
    ) -> None:
        """The UNet's pass."""
        import torch

        sides = [side // info.latent_factor for side in reversed(size)]
        told, device = denoiser.config.cross_attention_dim, denoiser.device
        denoiser(
            torch.empty(count, denoiser.config.in_channels, *sides, device=device),
            torch.empty(count, dtype=torch.int64, device=device),
            torch.empty(
                count,
                info.caption_tokens,
                told if isinstance(told, int) else told[-1],
                device=device,
            ),
            **self._rehearsed(denoiser, count),
        )

    def _rehearsed(self, denoiser: Any, count: int) -> dict[str, Any]:
        return {}

    def rehearse_vae(
        self, vae: Any, info: BaseInfo, size: tuple[int, int], *, decode: bool
    ) -> None:
        """The VAE's pass."""
        pass_vae(vae, info.latent_factor, size, decode=decode)

    def load(
        self,
        base: Base,
        info: BaseInfo,
        *,
        variant: str | None,
        dtype: torch.dtype,
        noise: NoiseOptions,
        parts: Collection[str] = ALL_PARTS,
        given: Mapping[str, Any] | None = None,
    ) -> StableDiffusionModel:
        """Open the parts; only the UNet goes to `dtype`, since VAE and text encoders answer
        once a picture and their answers are cached whatever the precision."""
        pipeline = load_pipeline(
            base,
            dtype=ENCODERS_IN,
            device="cpu",
            variant=variant,
            denoiser_dtype=str(dtype).removeprefix("torch."),
            parts=parts,
            given=given,
        )
        return self.model(pipeline, info, noise, given or {})

    @property
    def model(self) -> type[StableDiffusionModel]:
        """What a base is opened as."""
        return StableDiffusionModel

    def identity(self, base: Base, folder: Path, part: Part) -> str:
        """From the files: those of the text encoder and its tokenizer, of the VAE, of the UNet."""
        components = {"text": ("text_encoder", "tokenizer"), "picture": ("vae",)}
        return identity_of_files(base, folder, components.get(part, (self.prefix,)), ENCODERS_IN)


class StableDiffusionModel:
    """A loaded Stable Diffusion pipeline."""

    prefix = "unet"
    variable = False

    def __init__(
        self, pipeline: Any, info: BaseInfo, noise: NoiseOptions, given: Mapping[str, Any]
    ) -> None:
        from diffusers import DDPMScheduler

        self.pipeline = pipeline
        self.denoiser = pipeline.unet
        self._vae = pipeline.vae
        self._text = pipeline.text_encoder
        self._tokenizer = pipeline.tokenizer
        for module in (self.denoiser, *self.encoders()):
            if module is not None and all(module is not one for one in given.values()):
                module.requires_grad_(False)
                module.eval()
        self._scale = info.latent_scale
        # from_config keeps the base's betas, zero terminal SNR included
        scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.noise = DDPM(scheduler.alphas_cumprod, info.prediction_type, noise)

    def encoders(self) -> Sequence[nn.Module]:
        """VAE, text encoder and, if the base has one, the safety checker of its samples."""
        found = (self._vae, self._text, getattr(self.pipeline, "safety_checker", None))
        return tuple(module for module in found if module is not None)

    def encode_picture(self, pixels: Tensor) -> dict[str, Tensor]:
        """Mean and standard deviation of the VAE's posterior, each (C, h, w), unscaled."""
        import torch

        with torch.no_grad():
            device = next(self._vae.parameters()).device
            posterior = self._vae.encode(pixels[None].to(device, torch.float32)).latent_dist
        return {"mean": posterior.mean[0].cpu(), "std": posterior.std[0].cpu()}

    def encode_caption(self, caption: str) -> dict[str, Tensor]:
        """Last hidden state of the text encoder, (tokens, width); padded as for inference."""
        import torch

        with torch.no_grad():
            device = next(self._text.parameters()).device
            tokens = torch.tensor([padded_tokens(self._tokenizer, caption)], device=device)
            return {"embeds": self._text(tokens)[0][0].float().cpu()}

    def tokens(self, caption: str) -> dict[str, Tensor]:
        """As for inference."""
        return clip_tokens(self.pipeline, caption, 1)

    def read(self, captions: Tensors) -> Tensors:
        """Last hidden states, (N, tokens, width)."""
        if TOKENS not in captions:
            return captions
        return {"embeds": self._text(captions[TOKENS])[0]}

    def latent_shape(self, picture: Tensors) -> tuple[int, ...]:
        """The shape of the mean."""
        return tuple(picture["mean"].shape)

    def latents(self, pictures: Tensors, posterior: Tensor) -> Tensor:
        """A sample of the posterior, times the VAE's scaling factor."""
        sample = pictures["mean"] + pictures["std"] * posterior
        scaled: Tensor = sample * self._scale
        return scaled

    def collate(self, captions: Sequence[Tensors]) -> dict[str, Tensor]:
        """All captions have the length of the encoder."""
        return stacked(captions)

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """As the base's scheduler noises."""
        return self.noise.noised(latents, noise, t)

    def predict(self, noised: Noised, conditions: Conditions) -> Tensor:
        """The UNet's answer."""
        dtype = next(self.denoiser.parameters()).dtype
        answer: Tensor = self.denoiser(
            noised.latents.to(dtype),
            noised.timesteps,
            self.read(conditions.captions)["embeds"].to(dtype),
            return_dict=False,
        )[0]
        return answer


def _refuse_others(unet: dict[str, Any], vae: dict[str, Any], scheduler: dict[str, Any]) -> None:
    """Raise `HubtoolsError` for a UNet that draws from more than words, or learned otherwise."""
    takes, makes = unet.get("in_channels"), vae.get("latent_channels", 4)
    if takes != makes:
        pair = isinstance(makes, int) and takes == 2 * makes
        kind = "an InstructPix2Pix model" if pair else "an inpainting or depth model"
        raise HubtoolsError(
            f"The UNet takes {takes} channels, but the VAE makes {makes}: this is {kind}.",
            hint="train on the plain text-to-image model of the same version",
            code="not-supported",
        )
    if unet.get("time_cond_proj_dim") is not None:
        raise HubtoolsError(
            "The UNet is told the guidance scale: this is a latent consistency model, which was"
            " distilled from another base and answers otherwise than this training asks.",
            hint="train on that base; the LoRA can be used on the distilled one",
            code="not-supported",
        )
    kind = str(scheduler.get("_class_name", ""))
    if kind.startswith("FlowMatch"):
        raise HubtoolsError(
            f"The base's scheduler is a {kind}, but its UNet is trained to predict"
            f" {' or '.join(DDPM_PREDICTIONS)} only.",
            hint="if scheduler_config.json is that of another model, put the one of the base that"
            " this was made from in its place",
            code="not-supported",
        )
    if kind.startswith("EDM"):
        raise HubtoolsError(
            f"The base's scheduler is {kind}: it was trained by the formulas of EDM"
            " (arXiv:2206.00364), which hubtools does not train by.",
            hint="take a base that was trained as Stable Diffusion was",
            code="not-supported",
        )


def _is_distilled(scheduler: dict[str, Any], prediction: str) -> bool:
    """True for a scheduler as Turbo, Lightning and consistency models come with: Euler's with
    trailing steps. Bases of zero terminal SNR space their steps so as well."""
    kind = scheduler.get("_class_name")
    if kind in ("LCMScheduler", "TCDScheduler"):
        return True
    few = str(kind).startswith("Euler") and scheduler.get("timestep_spacing") == "trailing"
    return few and prediction == EPSILON and not scheduler.get("rescale_betas_zero_snr")
