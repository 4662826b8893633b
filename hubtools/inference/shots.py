"""What to draw: the settings of [samples] turned into shots, the same in training and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubtools.errors import UsageError
from hubtools.models.families.protocol import USUAL, Sampling
from hubtools.models.registry import DIVISOR
from hubtools.settings import SampleSettings


@dataclass(frozen=True)
class Shot:
    """One picture to draw. Sizes in pixels, multiples of the family's `divisor`; `lora_weight` 0
    is the bare base. `literals` are words whose brackets are no notation of weights (see
    prompts.py); `controls` the pictures that it is made from."""

    prompt: str
    negative_prompt: str | None = None
    seed: int = 0
    steps: int = 30
    guidance: float = 7.5
    scheduler: str = "default"
    width: int = 512
    height: int = 512
    lora_weight: float = 1.0
    prompt_weights: bool = True
    literals: tuple[str, ...] = ()
    controls: tuple[Path, ...] = ()
    guidance_rescale: float = 0.0


def check_size(width: int, height: int, divisor: int = DIVISOR) -> None:
    """Raise `UsageError` for a size that the family of this divisor cannot draw."""
    if width % divisor or height % divisor:
        raise UsageError(
            f"A size of {width}x{height} is no multiple of {divisor}.",
            hint=f"e.g. {width // divisor * divisor}x{height // divisor * divisor}",
        )


def rescale_of(settings: SampleSettings, usual: Sampling) -> float:
    """How far the contrast of guided pictures is brought back. Raises `UsageError` if that is asked
    of a base whose pipeline cannot."""
    asked = settings.guidance_rescale
    if usual.rescale is None:
        if asked:
            raise no_rescale(asked)
        return 0.0
    return usual.rescale if asked is None else asked


def no_rescale(asked: float) -> UsageError:
    """What is said to who asks it of another pipeline."""
    return UsageError(
        f"guidance_rescale {asked:g} is for pipelines that take it; that of this base has no such"
        " thing.",
        hint="leave it out; a smaller guidance gives less contrast",
        code="bad-setting",
    )


def prompts_of(settings: SampleSettings, captions: Sequence[str]) -> list[str]:
    """The prompts to draw: `samples.prompts`, else two of the dataset's captions."""
    if settings.prompts:
        return list(settings.prompts)
    distinct = list(dict.fromkeys(captions))
    return distinct if len(distinct) < 2 else [distinct[0], distinct[len(distinct) // 2]]


def shots_of(
    settings: SampleSettings,
    prompts: Sequence[str],
    resolution: int,
    *,
    images: int = 1,
    lora_weight: float | None = None,
    literals: Sequence[str] = (),
    divisor: int = DIVISOR,
    usual: Sampling = USUAL,
    controls: Sequence[tuple[Path, ...]] = (),
) -> tuple[list[Shot], list[str]]:
    """A shot for every prompt and each of `images` seeds, and a name for each (`p00_s42`: first
    prompt, seed 42). Seeds begin anew with every prompt, so that prompts are compared on the same
    noise. `resolution` is the size if the settings name none; `lora_weight` overrules theirs;
    `literals`: triggers, whose brackets are not weights; `divisor`: that of the base's family;
    `usual`: how the base is drawn with where the settings do not say; `controls`: for each prompt
    the pictures to make from, if there are any.

    Raises `UsageError` for a size that no pipeline can draw, or a rescaling that this one cannot.
    """
    size = settings.size or resolution
    if size % divisor:
        raise UsageError(
            f"samples.size is {size}; pictures need a multiple of {divisor}.",
            hint=f"{size // divisor * divisor} would do",
            code="bad-setting",
        )
    weight = settings.lora_weight if lora_weight is None else lora_weight
    shots, names = [], []
    for number, prompt in enumerate(prompts):
        for seed in range(settings.seed, settings.seed + images):
            shots.append(
                Shot(
                    prompt,
                    settings.negative_prompt,
                    seed,
                    usual.steps if settings.steps is None else settings.steps,
                    usual.guidance if settings.guidance is None else settings.guidance,
                    settings.scheduler,
                    size,
                    size,
                    weight,
                    settings.prompt_weights,
                    tuple(literals),
                    controls[number] if controls else (),
                    rescale_of(settings, usual),
                )
            )
            names.append(f"p{number:02d}_s{seed}")
    return shots, names
