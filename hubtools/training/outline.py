"""What a LoRA adds to a base and what its training takes, before a weight is loaded."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from hubtools.files import json_value
from hubtools.kept import read_kept, write_kept
from hubtools.layout import OUTLINES_CACHE, cache_dir
from hubtools.models import outlines
from hubtools.models.blank import blank_component, in_precision
from hubtools.models.families.batches import REFERENCE_SIDE
from hubtools.models.families.protocol import BaseInfo, Family
from hubtools.models.loading import left_out
from hubtools.models.lookup import texts_of
from hubtools.models.quantised import bytes_packed
from hubtools.models.registry import SUPPORTED
from hubtools.quiet import hush
from hubtools.train_settings import TrainSettings
from hubtools.training.adapter import add_lora, add_text_lora
from hubtools.training.device import dtype_of, quantise_as_set
from hubtools.training.layers import Share, shares
from hubtools.training.memory import (
    Beside,
    Memory,
    all_it_hangs_on,
    largest_encoded,
    largest_pass,
    plan_memory,
    put_together,
)
from hubtools.training.recipe import DTYPES, Recipe
from hubtools.training.start import Start
from hubtools.training.texts import trained_of
from hubtools.training.versions import library_versions

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}


@dataclass(frozen=True)
class Outline:
    """`shapes` of the LoRA's parameters; `shares` of the base's sorts of layers in it; `memory`
    None: not reckoned."""

    shapes: list[tuple[int, ...]]
    shares: tuple[Share, ...]
    memory: Memory | None


def outline_of(
    family: Family,
    folder: Path,
    info: BaseInfo,
    recipe: Recipe,
    sample: int,
    start: Start | None,
    note: Callable[[str], None],
) -> Outline:
    """From the table of known bases where it has this one, else by PyTorch, which takes seconds to
    start; `note` hears of it. `sample`: the side of a sample, 0 if none is drawn. Raises
    `UsageError` for a LoRA that the base cannot have, and `HubtoolsError` if that to `start` from
    does not fit."""
    if start is None and (found := known(folder, info, recipe, sample)) is not None:
        return found
    settings = recipe.settings
    key = all_it_hangs_on(folder, info, recipe, sample, trained_of(info, settings))
    key += repr((family.name, recipe.alpha, [getattr(settings, name) for name in _of_lora()]))
    key += repr(library_versions(settings))
    place = cache_dir() / OUTLINES_CACHE / f"{hashlib.sha256(key.encode()).hexdigest()}.json"
    if start is None and (before := _rehearsed.get(key) or _kept(place)) is not None:
        _rehearsed[key] = before
        return before
    if "torch" not in sys.modules:
        note(
            "This plan is reckoned with PyTorch, which takes some seconds to start: base, LoRA or"
            " sizes are none that are known beforehand."
        )
        hush()
    if start is not None:
        return rehearsed(family, folder, info, recipe, sample, start)
    found = _rehearsed[key] = rehearsed(family, folder, info, recipe, sample)
    if found.memory is not None:
        write_kept(place, [json.dumps(asdict(found)).encode()])
    return found


# What was rehearsed before in this process, by all that it hangs on: `ship` plans twice.
_rehearsed: dict[str, Outline] = {}


def _kept(place: Path) -> Outline | None:
    """What an earlier process has rehearsed, so that the same plan needs no PyTorch; None if there
    is no such file, or it says no outline."""
    try:
        told = json_value(read_kept(place) or b"")
        return Outline(
            [tuple(map(int, shape)) for shape in told["shapes"]],
            tuple(Share(**share) for share in told["shares"]),
            Memory(**{name: int(told["memory"][name]) for name in _BYTES_OF}),
        )
    except (ValueError, TypeError, KeyError):
        return None


_BYTES_OF = [field.name for field in fields(Memory)]


def known(folder: Path, info: BaseInfo, recipe: Recipe, sample: int) -> Outline | None:
    """By the table of known bases; None for another base, or where the LoRA is no plain one of the
    usual layers."""
    settings, support = recipe.settings, SUPPORTED[info.family]
    size, count = largest_pass(recipe)
    dtype = DTYPES[recipe.precision]
    if not _is_plain(settings, info):
        return None
    denoiser = outlines.denoiser_of(
        folder,
        support.denoiser,
        info,
        half=dtype != "float32",
        checkpointing=settings.gradient_checkpointing,
    )
    vae = outlines.vae_of(folder, info)
    absent = left_out(folder, support)
    names = [n for n in texts_of(support) if "encoder" in n and n not in absent]
    texts = [outlines.numbers_of(folder, name) for name in names]
    if denoiser is None or vae is None or None in texts:
        return None
    if any(side not in denoiser.sides for side in (*size, *([sample] if sample else []))):
        return None
    if settings.rank not in denoiser.ranks:
        return None
    if info.controls[1] and not denoiser.counts_tokens:
        return None
    weights, (numbers, rows) = denoiser.weights, denoiser.fewer
    if settings.quantize is not None:
        if not numbers:
            return None
        weights += bytes_packed(numbers, rows, settings.quantize) - numbers * _BYTES[dtype]
    beside = Beside(
        vae.numbers * 4,
        outlines.value(vae.encoding, *largest_encoded(info, size)),
        outlines.value(vae.decoding, sample, sample) if sample else 0,
        sum(number or 0 for number in texts) * _BYTES[info.text_dtype],
    )
    given = info.controls[1] * REFERENCE_SIDE**2
    shapes: list[tuple[int, ...]] = [*denoiser.lora_shapes(settings.rank)]
    memory = put_together(
        recipe,
        weights,
        shapes,
        outlines.value(denoiser.kept, *size, count, settings.rank, given),
        outlines.value(denoiser.flops, *size, count, settings.rank, given),
        beside,
    )
    own = tuple(
        Share(sort, settings.rank, layers, numbers * settings.rank)
        for sort, layers, numbers in denoiser.sorts
    )
    return Outline(shapes, own, memory)


def _is_plain(settings: TrainSettings, info: BaseInfo) -> bool:
    """True if nothing but its rank and alpha tells the LoRA from the usual one of the base."""
    usual = TrainSettings()
    others = set(_of_lora()) - {"rank", "lora_alpha", "target_modules"}
    return (
        all(getattr(settings, name) == getattr(usual, name) for name in others)
        and sorted(settings.target_modules) == sorted(info.targets)
        and settings.gradient_checkpointing_interval == 1
    )


def _of_lora() -> list[str]:
    """The settings that tell one LoRA from another."""
    names = list(TrainSettings.model_fields)
    return names[names.index("rank") : names.index("with_prior_preservation")]


def rehearsed(
    family: Family,
    folder: Path,
    info: BaseInfo,
    recipe: Recipe,
    sample: int,
    start: Start | None = None,
) -> Outline:
    """By passes over a denoiser without weights."""
    settings = recipe.settings
    denoiser = family.blank_denoiser(folder).requires_grad_(False)
    in_precision(denoiser, dtype_of(recipe.precision))
    quantise_as_set(denoiser, settings)
    blank = add_lora(denoiser, settings, recipe.alpha)
    encoders = {name: blank_component(folder, name) for name in trained_of(info, settings)}
    if encoders:
        for encoder in encoders.values():
            encoder.requires_grad_(False)
        blank |= add_text_lora(encoders, settings, recipe.alpha, info.unread)
    if start is not None:
        start.check(blank, family.prefix)
    every = (*shares(denoiser), *(one for e in encoders.values() for one in shares(e, text=True)))
    return Outline(
        [tuple(parameter.shape) for parameter in blank.values()],
        every,
        plan_memory(family, folder, info, recipe, denoiser, sample, encoders),
    )
