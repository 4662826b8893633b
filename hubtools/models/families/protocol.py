"""Model families: what the loop needs to know of one, and which there are.

A family is one file here plus its row in the registry. The loop knows none by name: it calls the
methods below and moves dictionaries of tensors between them, so that a family may cache whatever
it needs beside the usual (pooled embeddings, size conditioning, ...).

Shapes: N pictures, latents (N, C, h, w); a picture's and a caption's tensors have no N.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, runtime_checkable

from hubtools.errors import HubtoolsError
from hubtools.files import json_within
from hubtools.models.base import configs_of, refusal
from hubtools.models.families.batches import Conditions, Tensors
from hubtools.models.families.noise import UNSHIFTED, Noised, NoiseOptions, Shift
from hubtools.models.loading import ALL_PARTS, Part
from hubtools.models.registry import SUPPORTED

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor, nn

    from hubtools.models.base import Base


ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")
"""The layers that get a LoRA where a family says nothing else."""


@dataclass(frozen=True)
class Sampling:
    """How a base is drawn with unless the settings say otherwise: denoising steps, the scale of
    guidance as its pipeline counts it, and how far its contrast is brought back (None: the pipeline
    cannot)."""

    steps: int = 30
    guidance: float = 7.5
    rescale: float | None = None


USUAL = Sampling(rescale=0.0)


@dataclass(frozen=True)
class BaseInfo:
    """What a base's small configuration files tell. Sizes in pixels, `caption_tokens` in tokens;
    `latent_factor` pixels a latent cell along one side, `latent_scale` what latents are multiplied
    by; `cell_bytes` of a latent cell and `caption_bytes` of a caption, as they are cached.

    `targets`: names of layers, all of which the denoiser has, that get a LoRA unless the settings
    say otherwise. `distilled`: the base draws in a few steps because it was taught to, which a
    training as usual slowly undoes. `guided`: it is drawn with guidance against the empty caption,
    which some captions are therefore left out for while it learns. `shift`: that of a flow base's
    scheduler. `text_dtype`: the precision in which its captions are encoded. `controls`: how many
    pictures each picture may be made from, at least and at most; `sees`: the text encoder is shown
    them too. `texts`: its text encoders; `clips`: those of them that may get a LoRA; `unread`:
    the layers of those whose answers nobody reads, as their names in files begin."""

    family: str
    prediction_type: str
    native_size: int
    latent_factor: int
    caption_tokens: int
    cell_bytes: int
    caption_bytes: int
    latent_scale: float = 1.0
    targets: tuple[str, ...] = ATTENTION
    distilled: bool = False
    guided: bool = True
    shift: Shift = UNSHIFTED
    text_dtype: str = "float32"
    controls: tuple[int, int] = (0, 0)
    sees: bool = False
    texts: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class Framing:
    """How a picture was cut: `original` (width, height) of the whole, before it was resized;
    `corner` (left, top) of the cut in the resized picture; `size` (width, height) of the cut.
    Pixels; of a mirrored picture all of it is mirrored."""

    original: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]


class Model(Protocol):
    """A base of some family, or those of its parts that were opened: what asks for another fails.

    `latent_shape`, `latents`, `noised` and `predict` need the denoiser alone."""

    pipeline: Any
    """The diffusers pipeline; shares its modules with this object."""
    denoiser: nn.Module
    """The module that gets the LoRA."""
    prefix: str
    """Name of the denoiser in a diffusers LoRA file: `unet` or `transformer`."""

    variable: bool
    """Whether captions are of unequal length, and so no two batches need be alike in shape."""

    def encoders(self) -> Sequence[nn.Module]:
        """Open modules needed for encoding and sampling, but not by the loop."""

    def encode_picture(self, pixels: Tensor) -> dict[str, Tensor]:
        """Tensors (on the CPU) of one picture; `pixels` (3, H, W) float32 in [-1, 1]."""

    def encode_caption(self, caption: str) -> dict[str, Tensor]:
        """Tensors (on the CPU) of one caption; `""` is the caption that was dropped."""

    def latent_shape(self, picture: Tensors) -> tuple[int, ...]:
        """(C, h, w) of the latents that `latents` will make of an encoded picture."""

    def latents(self, pictures: Tensors, posterior: Tensor) -> Tensor:
        """Latents at the denoiser's scale, sampled with standard normal `posterior`."""

    def collate(self, captions: Sequence[Tensors]) -> dict[str, Tensor]:
        """The tensors of captions, which may be of unequal length, as one batch."""

    def noised(self, latents: Tensor, noise: Tensor, t: Tensor) -> Noised:
        """Noise latents for the moments `t` (N,), uniform in [0, 1): 1 is pure noise."""

    def predict(self, noised: Noised, conditions: Conditions) -> Tensor:
        """The denoiser's answer, with gradients; the shape of `noised.target`. Captions that have
        `tokens` are read first, see `ReadsTokens`."""


@runtime_checkable
class ReadsTokens(Protocol):
    """What a model has besides of whose base text encoders may be trained (`BaseInfo.clips`). They
    are open while it predicts."""

    def tokens(self, caption: str) -> dict[str, Tensor]:
        """What they are fed with for one caption (on the CPU), beside the tensors of the encoders
        that are not trained. `""` is the caption that was dropped."""

    def read(self, captions: Tensors) -> Tensors:
        """Captions as `collate` makes them, with what those encoders answer to their tokens in the
        place of those, with gradients; as they are where they have none."""


class FromPictures(Protocol):
    """What a model of a base has besides whose `controls` are not (0, 0)."""

    def encode_references(self, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """Tensors (on the CPU) of the pictures that one is made from, beside its own."""

    def encode_seen(self, caption: str, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """As `encode_caption`, where the text encoder is shown those pictures (`sees`)."""


@runtime_checkable
class DrawsFromPictures(Protocol):
    """A family that has bases which make pictures from others."""

    def control_arguments(
        self, pipeline: Any, pictures: Sequence[Image.Image], shot: Asked
    ) -> dict[str, Any]:
        """What a call of the pipeline takes besides, for what one is made from, if anything."""

    def seen_words(
        self, pipeline: Any, text: str | None, pictures: Sequence[Image.Image]
    ) -> dict[str, Tensor] | None:
        """As `Family.words`, where the text encoder is shown those pictures; None where it is
        not."""


class Asked(Protocol):
    """What `call_arguments` reads of a picture that is asked for (`inference.shots.Shot`)."""

    @property
    def steps(self) -> int: ...
    @property
    def guidance(self) -> float: ...
    @property
    def guidance_rescale(self) -> float: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...


LoraNames = Literal["diffusers", "peft"]
"""How the tensors of a LoRA are called: as diffusers publishes them, or as peft does inside the
denoiser."""


class Family(Protocol):
    """How to recognise, measure and load the bases of one family."""

    name: str
    pipelines: tuple[str, ...]
    """Class names in `model_index.json` that belong to this family."""
    prefix: str
    """Name of the denoiser, in a pipeline and in a diffusers LoRA file: `unet`, `transformer`."""
    divisor: int
    """What the sides of a picture are multiples of, in pixels."""

    def call_arguments(self, shot: Asked) -> dict[str, Any]:
        """What a call of the pipeline takes besides its words, noise and callbacks."""

    def words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """What the pipeline's text encoders answer to a text as it stands, by the names that its
        call gives them, `prompt_embeds` (1, tokens, width) and others (1, ...): exactly what the
        pipeline makes of it. None: what it takes for a prompt that is not given."""

    def negative_words(self, pipeline: Any, text: str | None) -> dict[str, Tensor]:
        """The same of a negative prompt, around which some pipelines say less; its call has
        `negative_` before the names."""

    def call_words(self, words: Tensors) -> dict[str, Any]:
        """The same for several pictures, put together, as the call takes them."""

    def clip_window(self, pipeline: Any, tokens: Sequence[str]) -> dict[str, Tensor]:
        """The same of a window of CLIP, by the names of its tokens; for families without CLIP it
        is not asked for."""

    def decodes_exactly(self, pipeline: Any) -> bool:
        """True if the VAE must compute in float32 where the denoiser does not."""

    def convert_lora(self, state: Tensors, to: LoraNames) -> dict[str, Tensor]:
        """A LoRA's tensors of either naming under the names of the other, values as they are."""

    def picture_conditions(self, framing: Framing) -> dict[str, Tensor]:
        """Tensors of a picture beside those of its encoder, by how it was cut; they are not
        cached. Empty if the denoiser is not told."""

    def sampling(self, folder: Path) -> Sampling:
        """How the base in `folder` is drawn with unless the settings say otherwise."""

    def info(self, folder: Path, prediction_type: str | None) -> BaseInfo:
        """Read the configuration files in `folder`; `prediction_type` overrules the scheduler's.
        Raises `HubtoolsError` for what this family cannot train."""

    def blank_denoiser(self, folder: Path) -> nn.Module:
        """The denoiser without weights (on the meta device), to count what a LoRA would add."""

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
    ) -> Model:
        """Open `parts` of the base, or components by their names, on the CPU, all frozen: the
        denoiser in `dtype`, encoders in the precision that the family asks for. `given` components
        are taken as they are."""

    def identity(self, base: Base, folder: Path, part: Part) -> str:
        """Hex digest over everything that decides what the part in `folder` answers."""


def families() -> list[Family]:
    """Every known family."""
    found = []
    for support in SUPPORTED.values():
        module, _, name = support.place.partition(":")
        found.append(cast(Family, getattr(importlib.import_module(module), name)()))
    return found


def sampling_of(base: Base) -> Sampling:
    """How a base is drawn with unless the settings say otherwise."""
    folder = configs_of(base)
    return family_of(folder, base.shown).sampling(folder)


def family_for(pipeline: Any) -> Family:
    """The family of a pipeline that is open; raises `HubtoolsError` if it is none of ours."""
    name = type(pipeline).__name__
    for family in families():
        if name in family.pipelines:
            return family
    raise HubtoolsError(
        f"hubtools cannot draw with a {name} yet.",
        hint="families: " + ", ".join(SUPPORTED),
        code="not-supported",
    )


def family_of(folder: Path, shown: str) -> Family:
    """The family of the pipeline whose configuration lies in `folder`; `shown` names it in
    messages. Raises `HubtoolsError` if it is none that can be trained."""
    path = folder / "model_index.json"
    try:
        index = json_within(path)
        name = str(index["_class_name"])
    except FileNotFoundError:
        raise HubtoolsError(
            f"{shown} is no diffusers pipeline: it has no model_index.json.",
            hint="give the id or folder of a whole pipeline, not of a single weight file",
            code="wrong-kind",
        ) from None
    except (ValueError, KeyError, TypeError):
        raise HubtoolsError(
            f"{shown}: model_index.json names no pipeline class.", code="file-damaged"
        ) from None
    for family in families():
        if name in family.pipelines:
            return family
    raise refusal(shown, name, "train")
