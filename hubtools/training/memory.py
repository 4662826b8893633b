"""How much memory a run takes and how much it computes, reckoned before a weight is loaded.

Text encoders, VAE and denoiser are in memory one after the other (see stages.py); the steps of
large pictures and the drawing of samples are what takes most.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from hubtools.errors import HubtoolsError
from hubtools.models.blank import blank_component, bytes_of
from hubtools.models.families.batches import REFERENCE_SIDE
from hubtools.models.families.protocol import BaseInfo
from hubtools.models.loading import left_out
from hubtools.models.lookup import texts_of
from hubtools.models.registry import SUPPORTED
from hubtools.models.rehearsal import Rehearses, held, rehearse, rehearse_training
from hubtools.training.optimizer_kinds import bytes_remembered
from hubtools.training.recipe import DTYPES, Recipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Memory:
    """Bytes. During the steps there are `base`, `lora` (with gradients and what the optimizer
    remembers) and `kept`, what a forward pass keeps for the backward one; while captions are
    encoded `captions`, while pictures are `pictures`, while a sample is drawn `samples`. `flops`:
    floating point operations of a step."""

    base: int
    lora: int
    kept: int
    captions: int
    pictures: int
    samples: int
    flops: int

    @property
    def steps(self) -> int:
        """During the steps."""
        return self.base + self.lora + self.kept

    @property
    def most(self) -> int:
        """Of all moments, before what comes on top on a GPU."""
        return max(self.steps, self.captions, self.pictures, self.samples)

    @property
    def on_gpu(self) -> int:
        """What a GPU needs to have free."""
        return held(self.most)


# What was reckoned before in this process, by all that it hangs on: `ship` plans twice.
_reckoned: dict[str, Memory | None] = {}


def plan_memory(
    family: object,
    folder: Path,
    info: BaseInfo,
    recipe: Recipe,
    denoiser: nn.Module,
    sample: int,
    texts: Mapping[str, nn.Module] = MappingProxyType({}),
) -> Memory | None:
    """`denoiser` has its LoRA and lies on the meta device, in the run's precision; `sample` is the
    side of a sample, 0 if none is drawn; `texts`: the text encoders that are trained, likewise.
    None if it is not known of the family."""
    if not isinstance(family, Rehearses):
        return None
    key = all_it_hangs_on(folder, info, recipe, sample, texts)
    if key not in _reckoned:
        found = _reckon(family, folder, info, recipe, denoiser, sample)
        count = largest_pass(recipe)[1]
        _reckoned[key] = found and _with_texts(found, folder, info, recipe, texts, count)
    return _reckoned[key]


def all_it_hangs_on(
    folder: Path, info: BaseInfo, recipe: Recipe, sample: int, texts: Collection[str]
) -> str:
    """Two trainings of which this is equal take the same memory; `texts`: as in `plan_memory`."""
    settings = recipe.settings
    targets = (
        *(settings.rank, sorted(settings.target_modules)),
        *(settings.rank_pattern, settings.use_dora),
    )
    pass_ = largest_pass(recipe)
    key = repr((info, _told(folder), targets, *pass_, sample, recipe.precision))
    key += f"{settings.gradient_checkpointing} {settings.gradient_checkpointing_interval}"
    key += f" {settings.gradient_accumulation_steps}"
    key += f" {settings.quantize} {settings.optimizer} {settings.use_ema} {sorted(texts)}"
    return key


def _told(folder: Path) -> list[str]:
    """What the base's parts are and their settings."""
    files = [*folder.glob("model_index.json"), *sorted(folder.glob("*/config.json"))]
    return [path.read_text("utf-8") for path in files]


def _with_texts(
    memory: Memory,
    folder: Path,
    info: BaseInfo,
    recipe: Recipe,
    texts: Mapping[str, nn.Module],
    count: int,
) -> Memory | None:
    """The same where these text encoders are trained: they stay, in float32, and read `count`
    captions in each pass; the others come back when a sample is to be drawn."""
    import torch

    if not texts:
        return memory
    settings, dtype = recipe.settings, getattr(torch, DTYPES[recipe.precision])
    weights, kept, flops = 0, 0, 0
    shapes: list[tuple[int, ...]] = []
    for encoder in texts.values():
        words = torch.empty(count, _words(encoder), dtype=torch.int64, device="meta")
        try:
            step = rehearse_training(encoder, partial(encoder, words), dtype, checkpointing=False)
        except (AttributeError, HubtoolsError, RuntimeError, TypeError, ValueError):
            return None
        own = [tuple(p.shape) for name, p in encoder.named_parameters() if "lora_" in name]
        shapes += own
        weights += bytes_of(encoder, 4) - 4 * sum(map(prod, own))
        kept, flops = kept + step.bytes, flops + step.flops
    wide = getattr(torch, info.text_dtype).itemsize
    others = sum(bytes_of(blank_component(folder, n), wide) for n in info.texts if n not in texts)
    lora = sum(map(prod, shapes)) * (4 + 4) + bytes_remembered(settings, shapes)
    base, more = memory.base + weights, weights + lora
    speaking = base + memory.lora + lora + others if memory.samples else 0
    return replace(
        memory,
        base=base,
        lora=memory.lora + lora,
        kept=memory.kept + kept,
        samples=max(memory.samples + more, speaking) if memory.samples else 0,
        flops=memory.flops + 2 * flops * settings.gradient_accumulation_steps,
    )


def _words(encoder: Any) -> int:
    """Tokens that a CLIP reads at once."""
    return int(encoder.config.max_position_embeddings)


def largest_pass(recipe: Recipe) -> tuple[tuple[int, int], int]:
    """(width, height) in pixels, and how many pictures."""
    settings = recipe.settings
    size = max(recipe.buckets.sizes, key=lambda one: one[0] * one[1])
    return size, settings.train_batch_size * (2 if settings.keeps_answers else 1)


def largest_encoded(info: BaseInfo, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the largest picture that the VAE encodes where training is at `size`: one
    that others are made from is as large as it may be."""
    controls = [(REFERENCE_SIDE, REFERENCE_SIDE)] if info.controls[1] else []
    return max(size, *controls, key=prod) if controls else size


def _reckon(
    family: Rehearses,
    folder: Path,
    info: BaseInfo,
    recipe: Recipe,
    denoiser: nn.Module,
    sample: int,
) -> Memory | None:
    import torch

    size, count = largest_pass(recipe)
    settings, dtype = recipe.settings, getattr(torch, DTYPES[recipe.precision])
    try:
        step = rehearse_training(
            denoiser,
            lambda: family.rehearse_denoiser(denoiser, info, size, count),
            dtype,
            checkpointing=settings.gradient_checkpointing,
            every=settings.gradient_checkpointing_interval,
        )
        weights, encoded, drawn, captions = _beside(family, folder, info, size, sample)
    except (AttributeError, HubtoolsError, RuntimeError, TypeError, ValueError):
        return None  # of a model that is built otherwise nothing is known
    shapes = [tuple(p.shape) for name, p in denoiser.named_parameters() if "lora_" in name]
    base = bytes_of(denoiser) - 4 * sum(map(prod, shapes))
    beside = Beside(weights, encoded, drawn, captions)
    again = step.again if settings.gradient_checkpointing_interval > 1 else None
    return put_together(recipe, base, shapes, step.bytes, step.flops, beside, again)


@dataclass(frozen=True)
class Beside:
    """Bytes of the VAE's weights, of encoding a picture, of decoding a sample (0: none is drawn),
    and of the text encoders."""

    weights: int
    encoded: int
    drawn: int
    captions: int


def put_together(
    recipe: Recipe,
    base: int,
    shapes: Sequence[tuple[int, ...]],
    kept: int,
    flops: int,
    beside: Beside,
    again: int | None = None,
) -> Memory:
    """`base`: bytes of the denoiser's weights; `shapes` of the LoRA's parameters; `kept`, `flops`:
    of a forward pass; `again`: of what gradient checkpointing computes twice (None: all of it)."""
    settings = recipe.settings
    lora = sum(map(prod, shapes)) * (4 + 4) + bytes_remembered(settings, shapes)
    work = 2 * flops  # a step goes back as far as it went on
    if settings.gradient_checkpointing:
        work += flops if again is None else again
    return Memory(
        base=base,
        lora=lora,
        kept=kept,
        captions=beside.captions,
        pictures=beside.weights + beside.encoded,
        samples=base + lora + beside.weights + beside.drawn if beside.drawn else 0,
        flops=work * settings.gradient_accumulation_steps,
    )


# The same of what no setting of a training changes.
_known_beside: dict[str, tuple[int, int, int, int]] = {}


def _beside(
    family: Rehearses,
    folder: Path,
    info: BaseInfo,
    size: tuple[int, int],
    sample: int,
) -> tuple[int, int, int, int]:
    """Bytes of the VAE's weights, of encoding a picture of `size`, of decoding a sample, and of the
    text encoders."""
    import torch

    key = repr((info, _told(folder), size, sample))
    if key in _known_beside:
        return _known_beside[key]
    vae = blank_component(folder, "vae")
    largest = largest_encoded(info, size)
    encoded = rehearse(
        lambda: family.rehearse_vae(vae, info, largest, decode=False), torch.float32
    ).bytes
    square = (sample, sample)
    drawn = (
        sample
        and rehearse(
            lambda: family.rehearse_vae(vae, info, square, decode=True), torch.float32
        ).bytes
    )
    support = SUPPORTED[info.family]
    absent = left_out(folder, support)
    texts = [n for n in texts_of(support) if "encoder" in n and n not in absent]
    wide = getattr(torch, info.text_dtype).itemsize
    captions = sum(bytes_of(blank_component(folder, name), wide) for name in texts)
    _known_beside[key] = bytes_of(vae, 4), encoded, drawn, captions
    return _known_beside[key]
