"""Stable Diffusion 1.x and 2.x: a UNet with one CLIP text encoder, epsilon or v-prediction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError
from hubtools.files import json_within
from hubtools.models.families.batches import Conditions, Tensors, stacked
from hubtools.models.families.noise import DDPM, DDPM_PREDICTIONS, Noised, NoiseOptions
from hubtools.models.families.protocol import Asked, BaseInfo, LoraNames
from hubtools.models.identity import identity_of_files
from hubtools.models.loading import ALL_PARTS, Part, load_pipeline
from hubtools.models.registry import SUPPORTED

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from hubtools.models.base import Base

# Their answers are kept, whatever precision the denoiser has; once a picture or caption is cheap.
_ENCODERS_IN = "float32"


class StableDiffusion:
    """The family."""

    _row = SUPPORTED["stable-diffusion"]
    name, pipelines = _row.name, _row.pipelines
    prefix, divisor = _row.denoiser, _row.divisor

    def call_arguments(self, shot: Asked) -> dict[str, Any]:
        """Steps, the scale of classifier-free guidance, and the size in pixels."""
        return {
            "num_inference_steps": shot.steps,
            "guidance_scale": shot.guidance,
            "width": shot.width,
            "height": shot.height,
        }

    def convert_lora(self, state: Tensors, to: LoraNames) -> dict[str, Tensor]:
        """To `unet.….to_q.lora.down.weight`, or peft's own `lora_A` for all layers if there is one
        that the former has no name for, such as a convolution: of a file that mixes both,
        diffusers loads a part and says nothing. To peft: `lora_A` without the prefix."""
        from diffusers.utils import convert_state_dict_to_diffusers

        if to == "peft":
            return {
                name.removeprefix(f"{self.prefix}.")
                .replace(".lora.down.", ".lora_A.")
                .replace(".lora.up.", ".lora_B."): value
                for name, value in state.items()
            }
        old = convert_state_dict_to_diffusers(dict(state))
        if any(".lora_A." in name for name in old):
            old = dict(state)
        return {f"{self.prefix}.{name}": value for name, value in old.items()}

    def info(self, folder: Path, prediction_type: str | None) -> BaseInfo:
        """Sizes and prediction type from the configuration files of unet, vae and scheduler."""
        unet = _config(folder, "unet/config.json")
        vae = _config(folder, "vae/config.json")
        scheduler = _config(folder, "scheduler/scheduler_config.json")
        tokenizer = _config(folder, "tokenizer/tokenizer_config.json", required=False)
        text = _config(folder, "text_encoder/config.json", required=False)
        if unet.get("in_channels") != vae.get("latent_channels", 4):
            raise HubtoolsError(
                f"The UNet takes {unet.get('in_channels')} channels, but the VAE makes"
                f" {vae.get('latent_channels', 4)}: this is an inpainting or depth model.",
                hint="train on the plain text-to-image model of the same version",
                code="not-supported",
            )
        prediction = prediction_type or str(scheduler.get("prediction_type", "epsilon"))
        if prediction not in DDPM_PREDICTIONS:
            raise HubtoolsError(
                f"The base's scheduler predicts {prediction!r}; hubtools trains"
                f" {' and '.join(DDPM_PREDICTIONS)}.",
                hint="overrule it with --prediction-type if you know better",
                code="not-supported",
            )
        try:
            return self._sizes(unet, vae, text, tokenizer, prediction)
        except (TypeError, ValueError, OverflowError) as error:
            raise HubtoolsError(
                f"A configuration file of the base in {folder} has a wrong value where a size"
                f" belongs: {error}.",
                hint="look at the config.json of unet, vae and text_encoder",
                code="file-damaged",
            ) from None

    def _sizes(
        self,
        unet: dict[str, Any],
        vae: dict[str, Any],
        text: dict[str, Any],
        tokenizer: dict[str, Any],
        prediction: str,
    ) -> BaseInfo:
        blocks = vae.get("block_out_channels") or [0] * 4
        factor = 2 ** (len(blocks) - 1)
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
        import torch
        from diffusers import UNet2DConditionModel

        with torch.device("meta"):
            unet: nn.Module = UNet2DConditionModel.from_config(_config(folder, "unet/config.json"))
        return unet

    def load(
        self,
        base: Base,
        info: BaseInfo,
        *,
        variant: str | None,
        dtype: torch.dtype,
        noise: NoiseOptions,
        parts: Collection[Part] = ALL_PARTS,
        given: Mapping[str, Any] | None = None,
    ) -> StableDiffusionModel:
        """Open the parts; only the UNet goes to `dtype`, since VAE and text encoder answer
        once a picture and their answers are cached whatever the precision."""
        pipeline = load_pipeline(
            base,
            dtype=_ENCODERS_IN,
            device="cpu",
            variant=variant,
            denoiser_dtype=str(dtype).removeprefix("torch."),
            parts=parts,
            given=given,
        )
        return StableDiffusionModel(pipeline, info, noise, given or {})

    def identity(self, base: Base, folder: Path, part: Part) -> str:
        """From the files: those of the text encoder and its tokenizer, of the VAE, of the UNet."""
        components = {"text": ("text_encoder", "tokenizer"), "picture": ("vae",)}
        return identity_of_files(base, folder, components.get(part, (self.prefix,)), _ENCODERS_IN)


class StableDiffusionModel:
    """A loaded Stable Diffusion pipeline."""

    prefix = "unet"

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

    def _tokens(self, caption: str) -> list[int]:
        tokens = self._tokenizer(
            caption,
            padding="max_length",
            max_length=self._tokenizer.model_max_length,
            truncation=True,
        ).input_ids
        return list(tokens)

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
            tokens = torch.tensor([self._tokens(caption)], device=device)
            return {"embeds": self._text(tokens)[0][0].float().cpu()}

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
            conditions.captions["embeds"].to(dtype),
            return_dict=False,
        )[0]
        return answer


def _config(folder: Path, name: str, *, required: bool = True) -> dict[str, Any]:
    try:
        content = json_within(folder / name)
    except FileNotFoundError:
        if not required:
            return {}
        raise HubtoolsError(
            f"The base has no {name}.",
            hint="is the download complete, the folder whole?",
            code="file-not-found",
        ) from None
    except ValueError as error:
        raise HubtoolsError(
            f"{folder / name} is not valid JSON: {error}.", code="file-damaged"
        ) from None
    return content if isinstance(content, dict) else {}
