"""Why an adapter file would not do what its maker means it to, each in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from hubtools.lorafile.look import (
    DENOISER_PREFIXES,
    Weights,
    family_words,
    same_names,
    stem_of,
    words_for,
)
from hubtools.models.rows import Target
from hubtools.tensornames import WRAPPED, Part

FaultKind = Literal[
    "peft-names", "lost-prefix", "adapter-keys", "other-family", "not-finite", "zero", "halves",
    "part",
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What is wrong (a clause without its subject), and what to do. `command`: what mends the
    file, typed as it is."""

    kind: FaultKind
    text: str
    hint: str
    command: str | None = None


_AS_IT_IS = (
    "train a LoRA for diffusers; or publish it for ComfyUI as it is, say so on its card, and add"
    " --ignore P147"
)
_AGAIN = "write it with save_lora_weights of the pipeline"
LATER = "it was saved before the first step, or nothing was trained; take a later checkpoint"
_LYCORIS = ("loha", "lokr", "oft")


def faults_of(
    weights: Weights, base: Target | None = None, *, place: str = "FILE", base_id: str | None = None
) -> tuple[Fault, ...]:
    """What is wrong with an adapter file for `base`, or for the family that its names tell; none
    for another file. The gravest stands first. `place`: the file as a command names it here;
    `base_id`: the base as one."""
    if not weights.is_adapter:
        return ()
    return tuple(_found(weights, base, convert_command(weights, place, base_id)))


def convert_command(weights: Weights, place: str, base_id: str | None = None) -> str:
    """What writes the LoRA at `place` as diffusers reads it; `base_id` is named where the file does
    not tell enough."""
    base = "" if same_names(weights.families) else f" --base-model {quote(base_id or 'OWNER/NAME')}"
    return f"hubtools convert {quote(place)}{base}"


def all_zero(count: int) -> str:
    """What is said of a LoRA of so many layers that changes nothing."""
    return f"all its {count} up (B) tensors are zero: it changes nothing"


def _found(weights: Weights, base: Target | None, command: str) -> Iterator[Fault]:
    values = weights.values
    if values is not None and values.broken:
        first, more = values.broken[0], len(values.broken)
        yield Fault(
            "not-finite",
            f"NaN or infinite numbers are in {more} of its {len(weights.header.tensors)} tensors"
            f" (the first is {_short(first)}): every picture would be black",
            "take an earlier checkpoint, or train again with a lower learning rate",
        )
    other = base is not None and not weights.fits(base)
    if base is not None and other:
        whose = family_words(weights.families) or "another kind of model"
        yield Fault(
            "other-family",
            f"it is a LoRA for {whose}, and the base is {base.title}",
            "name the base that it was trained on",
        )
    if weights.halved:
        yield Fault(
            "halves",
            f"one half is missing in {len(weights.halved)} of its {len(weights.layers)} layers"
            f" (the first is {_short(weights.halved[0])}): diffusers fills in random numbers or"
            " fails",
            "write it again from the training's state",
        )
    if weights.ups and len(weights.idle) == len(weights.ups):
        yield Fault(
            "zero",
            all_zero(len(weights.ups)),
            LATER,
        )
    if not other:  # whoever takes it is not known
        yield from _names(weights, base, command)


def _names(weights: Weights, base: Target | None, command: str) -> Iterator[Fault]:
    taken = weights.taken(base)
    alone = set(weights.halved)
    lost = [
        part
        for part in weights.parts
        if part.role != "alpha" and part.name not in taken and stem_of(part) not in alone
    ]
    if not lost:
        return
    mended = f"`{command}` writes it as diffusers reads it"
    much = "nothing" if not taken else f"{len(taken)} of {len(weights.header.tensors)} tensors"
    if any(part.wrapped for part in weights.parts):
        yield Fault(
            "peft-names",
            f"its tensors have peft's names ({WRAPPED}...): diffusers would load {much}",
            mended,
            command,
        )
    elif any(part.adapter for part in weights.parts):
        name = next(part.adapter for part in weights.parts if part.adapter)
        yield Fault(
            "adapter-keys",
            f"an adapter's name stands in its tensors' ({_short('.' + name + '.weight')}):"
            f" diffusers would load {much}",
            mended,
            command,
        )
    elif weights.format == "bare":
        known = DENOISER_PREFIXES if base is None else (f"{base.denoiser}.",)
        prefix = " or ".join(known)
        yield Fault(
            "lost-prefix",
            f"its tensors' names have lost their prefix ({prefix}): diffusers would load {much}",
            mended,
            command,
        )
    else:
        why = _why(weights, lost)
        text = f"{why}: diffusers would load {much}"
        styles = {part.style for part in weights.parts}
        if styles & {*_LYCORIS}:
            yield Fault("part", text, _AS_IT_IS)
        elif any(part.role == "mid" for part in weights.parts):
            yield Fault("part", text, _AGAIN)
        else:
            yield Fault("part", text, mended, command)


def _why(weights: Weights, lost: list[Part]) -> str:
    styles = {part.style for part in weights.parts}
    if styles & {*_LYCORIS}:
        return f"it is a {words_for(weights.header)}, which ComfyUI reads"
    if all(part.role == "magnitude" for part in lost):
        return "diffusers leaves out the magnitudes of this DoRA (dora_scale)"
    if weights.others:
        return f"it holds tensors that belong to no LoRA (the first is {_short(weights.others[0])})"
    if {"peft", "old"} <= styles:
        return "old names (.lora.down) and new ones (.lora_A) are mixed in it"
    prefixes = ", ".join(sorted({part.prefix for part in lost}))
    return f"the pipeline does not read all of its names ({prefixes}...)"


def _short(name: str) -> str:
    return name if len(name) <= 90 else f"{name[:60]}...{name[-25:]}"
