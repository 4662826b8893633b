"""What families of flow matching share. A family adds how its captions are encoded, how its
denoiser is called, and what its configuration files tell.

Latents are normalised before they are cached, which is affine in every family. `predict` answers
the velocity n - x in the shape of the latents, whatever clock and sign the denoiser has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from hubtools.errors import HubtoolsError, UsageError
from hubtools.models.blank import making
from hubtools.models.families.batches import (
    MASK,
    Conditions,
    Tensors,
    padded,
    pass_vae,
    stacked,
)
from hubtools.models.families.configs import config, reading_sizes, vae_factor
from hubtools.models.families.noise import Flow, Noised, NoiseOptions, Shift
from hubtools.models.families.protocol import (
    Asked,
    BaseInfo,
    Framing,
    LoraNames,
    Sampling,
)
from hubtools.models.identity import identity_of_files
from hubtools.models.loading import ALL_PARTS, Part, left_out, load_pipeline
from hubtools.models.lookup import is_flow, texts_of
from hubtools.models.registry import SUPPORTED

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from hubtools.models.base import Base

# Once a picture, and small beside the denoiser; half of them overflow in float16.
_VAE_IN = "float32"


class FlowModel:
    """A loaded pipeline of a flow family, or parts of it."""

    prefix = "transformer"
    cells_a_token = 1
    """Cells of the latents that the denoiser reads as one token."""
    sampled = True
    """Whether latents are drawn from the VAE's posterior, or are its middle."""
    variable = False
    """Whether captions are of unequal length."""

    def __init__(
        self, pipeline: Any, info: BaseInfo, noise: NoiseOptions, given: Mapping[str, Any]
    ) -> None:
        self.pipeline = pipeline
        self.denoiser = pipeline.transformer
        self.noise = Flow(info.shift, noise, self.cells_a_token)
        for module in (self.denoiser, *self.encoders()):
            if module is not None and all(module is not one for one in given.values()):
                module.requires_grad_(False)
                module.eval()

    def encoders(self) -> Sequence[nn.Module]:
        """The text encoders that captions go through, then the VAE."""
        texts = [name for name in self.pipeline.components if name.startswith("text_encoder")]
        found = (getattr(self.pipeline, name, None) for name in (*sorted(texts), "vae"))
        return tuple(module for module in found if module is not None)

    def encode_picture(self, pixels: Tensor) -> dict[str, Tensor]:
        """`mean`, and `std` where latents are drawn from the posterior: (C, h, w), normalised."""
        import torch

        vae = self.pipeline.vae
        with torch.no_grad():
            parameter = next(vae.parameters())
            posterior = self.posterior(pixels[None].to(parameter.device, parameter.dtype))
        shift, scale = self.affine()
        mean = (self.cells(posterior.mean[0].float()) - shift) * scale
        if not self.sampled:
            return {"mean": mean.cpu()}
        return {"mean": mean.cpu(), "std": (self.cells(posterior.std[0].float()) * scale).cpu()}

    def posterior(self, pixels: Tensor) -> Any:
        """The VAE's posterior of pictures."""
        return self.pipeline.vae.encode(pixels).latent_dist

    def cells(self, latents: Tensor) -> Tensor:
        """The VAE's (C, h, w) in the order of the denoiser's latents."""
        return latents

    def affine(self) -> tuple[Tensor | float, Tensor | float]:
        """What is taken from latents, and what they are then multiplied by."""
        vae = self.pipeline.vae.config
        return float(vae.shift_factor or 0.0), float(vae.scaling_factor)

    def latent_shape(self, picture: Tensors) -> tuple[int, ...]:
        """The shape of the mean."""
        return tuple(picture["mean"].shape)

    def latents(self, pictures: Tensors, posterior: Tensor) -> Tensor:
        """The mean, or a sample of the posterior."""
        mean: Tensor = pictures["mean"]
        return mean + pictures["std"] * posterior if "std" in pictures else mean

    def encode_caption(self, caption: str) -> dict[str, Tensor]:
        """What the pipeline itself makes of a prompt, for one picture without guidance."""
        return self.of_one(lambda device: self.caption_tensors(caption, device))

    def of_one(self, encode: Callable[[torch.device], dict[str, Tensor]]) -> dict[str, Tensor]:
        """What `encode` answers for one picture, on the CPU."""
        import torch

        with torch.no_grad():
            device = next(self.encoders()[0].parameters()).device
            return {key: value[0].cpu() for key, value in encode(device).items()}

    def caption_tensors(self, caption: str, device: torch.device) -> dict[str, Tensor]:
        """(1, ...) tensors of a caption by the pipeline's `encode_prompt`."""
        raise NotImplementedError

    def collate(self, captions: Sequence[Tensors]) -> dict[str, Tensor]:
        """Captions of one length; of unequal ones as long as the longest, with a mask only where
        some are shorter."""
        if not self.variable:
            return stacked(captions)
        batch = padded(captions, ("embeds",))
        if bool(batch[MASK].all()):
            del batch[MASK]
        return batch

    def read(self, captions: Tensors) -> Tensors:
        """As they are: text encoders are not trained, but for the CLIPs that some families have."""
        return captions

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """On the straight line from the picture to the noise."""
        return self.noise.noised(latents, noise, t)

    def predict(self, noised: Noised, conditions: Conditions) -> Tensor:
        """The velocity."""
        dtype = next(self.denoiser.parameters()).dtype
        captions = {
            key: value.to(dtype) if value.is_floating_point() else value
            for key, value in self.read(conditions.captions).items()
        }
        latents = noised.latents.to(dtype)
        return self.answer(latents, noised.timesteps, captions, conditions.pictures)

    def answer(self, latents: Tensor, s: Tensor, captions: Tensors, pictures: Tensors) -> Tensor:
        """The velocity, whatever is told of the pictures."""
        return self.velocity(latents, s, captions)

    def rehearsed(self, info: BaseInfo, latents: Tensor, s: Tensor, captions: Tensors) -> None:
        """A pass with all that the denoiser may be told."""
        self.velocity(latents, s, captions)

    def velocity(self, latents: Tensor, s: Tensor, captions: Tensors) -> Tensor:
        """n - x for latents (N, C, h, w) at the moments `s` (N,), in the denoiser's precision."""
        raise NotImplementedError


class FlowFamily:
    """How to recognise, measure and load the bases of a flow family."""

    row: ClassVar[str]
    """Its name in the registry."""
    denoiser: ClassVar[str]
    """The class of its denoiser in diffusers."""
    model: ClassVar[type[FlowModel]]

    def __init__(self) -> None:
        self.support = SUPPORTED[self.row]
        self.name, self.pipelines = self.support.name, self.support.pipelines
        self.prefix, self.divisor = self.support.denoiser, self.support.divisor

    def call_arguments(self, shot: Asked) -> dict[str, Any]:
        """Steps, guidance by the name that the pipeline has for it, and the size in pixels."""
        return {
            "num_inference_steps": shot.steps,
            self.support.guidance: shot.guidance,
            "width": shot.width,
            "height": shot.height,
            **dict(self.support.always),
        }

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """By the pipeline's `encode_prompt`, under the names that a call has for them."""
        raise NotImplementedError

    def negative_words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """The same."""
        return self.words(pipeline, text)

    def call_words(self, words: Tensors) -> dict[str, Any]:
        """As they are."""
        return dict(words)

    def clip_window(self, pipeline: Any, tokens: Sequence[str]) -> dict[str, Tensor]:
        """Not asked for: words are not weighed here."""
        raise NotImplementedError

    def decodes_exactly(self, pipeline: Any) -> bool:
        """No: these VAEs are drawn with in the precision of the denoiser."""
        return False

    def convert_lora(self, state: Tensors, to: LoraNames) -> dict[str, Tensor]:
        """peft's own names with the denoiser's before them: of a file that mixes them with the
        older ones, diffusers loads a part and says nothing."""
        if to == "peft":
            return {name.removeprefix(f"{self.prefix}."): value for name, value in state.items()}
        return {f"{self.prefix}.{name}": value for name, value in state.items()}

    def picture_conditions(self, framing: Framing) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def sampling(self, folder: Path) -> Sampling:
        """As the model's card does."""
        raise NotImplementedError

    def info(self, folder: Path, prediction_type: str | None) -> BaseInfo:
        """Sizes from the configuration files, timesteps from the scheduler's."""
        if prediction_type is not None:
            raise UsageError(
                f"prediction_type {prediction_type} does not fit: {self.support.title} predicts a"
                " flow, always.",
                hint="leave it out",
                code="bad-setting",
            )
        scheduler = config(folder, "scheduler/scheduler_config.json")
        if not is_flow(scheduler):
            raise HubtoolsError(
                f"The base's scheduler is a {scheduler.get('_class_name')}, but"
                f" {self.support.title} predicts a flow.",
                hint="is its scheduler_config.json that of another model?",
                code="not-supported",
            )
        with reading_sizes(folder, "transformer, vae, text_encoder and scheduler"):
            return self.sizes(folder, Shift.of(scheduler))

    def text_dtype(self, folder: Path) -> str:
        """The precision in which captions are encoded."""
        return published(folder)

    def sizes(self, folder: Path, shift: Shift) -> BaseInfo:
        """What the other configuration files tell."""
        raise NotImplementedError

    def blank_denoiser(self, folder: Path) -> nn.Module:
        """The transformer on the meta device."""
        import diffusers

        with making(folder, self.prefix):
            blank: nn.Module = getattr(diffusers, self.denoiser).from_config(
                config(folder, f"{self.prefix}/config.json")
            )
        return blank

    def rehearse_denoiser(
        self, denoiser: nn.Module, info: BaseInfo, size: tuple[int, int], count: int
    ) -> None:
        """The transformer's pass over captions as long as can be."""
        import torch

        numbers = info.cell_bytes // (8 if self.model.sampled else 4)
        width, height = (side // info.latent_factor for side in size)
        pipeline = SimpleNamespace(transformer=denoiser, components={})
        given = {self.prefix: denoiser}
        model = self.model(pipeline, info, NoiseOptions(), given)
        device = next(denoiser.parameters()).device
        captions = {
            key: torch.empty(count, *shape, device=device)
            for key, shape in self.caption_shapes(denoiser.config).items()
        }
        latents = torch.empty(count, numbers, height, width, device=device)
        model.rehearsed(info, latents, torch.empty(count, device=device), captions)

    def caption_shapes(self, config: Any) -> dict[str, tuple[int, ...]]:
        """Of a caption as long as can be, by the denoiser's configuration."""
        raise NotImplementedError

    def rehearse_vae(
        self, vae: Any, info: BaseInfo, size: tuple[int, int], *, decode: bool
    ) -> None:
        """The VAE's pass."""
        pass_vae(vae, vae_factor(vae.config), size, decode=decode)

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
    ) -> FlowModel:
        """Open the parts: the VAE in float32, text encoders as they were published, since float32
        would be twice the memory for nothing."""
        pipeline = load_pipeline(
            base,
            dtype=_VAE_IN,
            device="cpu",
            variant=variant,
            denoiser_dtype=str(dtype).removeprefix("torch."),
            text_dtype=info.text_dtype,
            parts=parts,
            given=given,
        )
        return self.model(pipeline, info, noise, given or {})

    def identity(self, base: Base, folder: Path, part: Part) -> str:
        """From the files of the part's components."""
        if part == "text":
            absent = left_out(folder, self.support)
            texts = [name for name in texts_of(self.support) if name not in absent]
            return identity_of_files(base, folder, texts, self.text_dtype(folder))
        components = {"picture": ("vae",)}.get(part, (self.prefix,))
        return identity_of_files(base, folder, components, _VAE_IN)


def published(folder: Path, name: str = "text_encoder") -> str:
    """The precision that a text encoder was published in; float32 for float16 too, in which those
    of these families overflow."""
    told = config(folder, f"{name}/config.json", required=False)
    dtype = str(told.get("dtype") or told.get("torch_dtype"))
    return "bfloat16" if dtype.endswith("bfloat16") else "float32"


def patched(latents: Tensor) -> Tensor:
    """(..., C, h, w) as (..., 4 C, h / 2, w / 2): squares of two by two cells become channels, in
    the order (channel, row, column)."""
    *first, channels, height, width = latents.shape
    cut = latents.reshape(*first, channels, height // 2, 2, width // 2, 2)
    order = [*range(len(first)), *(len(first) + place for place in (0, 2, 4, 1, 3))]
    return cut.permute(order).reshape(*first, 4 * channels, height // 2, width // 2)


def unpatched(latents: Tensor) -> Tensor:
    """`patched` undone."""
    *first, channels, height, width = latents.shape
    cut = latents.reshape(*first, channels // 4, 2, 2, height, width)
    order = [*range(len(first)), *(len(first) + place for place in (0, 3, 1, 4, 2))]
    return cut.permute(order).reshape(*first, channels // 4, 2 * height, 2 * width)


def as_tokens(latents: Tensor) -> Tensor:
    """(N, C, h, w) as (N, h w, C)."""
    return latents.flatten(2).transpose(1, 2)


def as_grid(tokens: Tensor, height: int, width: int) -> Tensor:
    """(N, h w, C), or more tokens of which the first h w are the picture's, as (N, C, h, w)."""
    picture = tokens[:, : height * width].transpose(1, 2)
    return picture.reshape(*picture.shape[:2], height, width)


def grid_ids(height: int, width: int, columns: int, device: Any, first: int = 0) -> Tensor:
    """(h w, columns) float32: `first`, row, column, and 0 in what columns are left."""
    import torch

    ids = torch.zeros(height, width, columns, device=device)
    ids[..., 0] = first
    ids[..., 1] = torch.arange(height, device=device)[:, None]
    ids[..., 2] = torch.arange(width, device=device)[None]
    return ids.flatten(0, 1)
