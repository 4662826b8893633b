"""What a file must be to be read as a LoRA of two halves a layer."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.layout import PEFT_WEIGHTS
from hubtools.lorafile.look import Said, Weights, words_for
from hubtools.modelfiles import peft_config, unread
from hubtools.models.layers import widths_beside
from hubtools.models.rows import Target
from hubtools.models.targets import widths_of
from hubtools.tinypeople import bundled
from hubtools.weights import Holds

if TYPE_CHECKING:
    from torch import Tensor


def check_kind(path: Path, weights: Weights) -> None:
    """Raise `HubtoolsError` for what is no LoRA, or is damaged."""
    holds = weights.header.holds
    if holds is Holds.DAMAGED:
        raise unread(path, weights.header.problem)
    if not weights.header.tensors:
        raise HubtoolsError(f"{path} holds no tensors.", hint="fetch it again", code="file-damaged")
    if holds is Holds.LORA and any(part.role == "mid" for part in weights.parts):
        raise HubtoolsError(
            f"{path} is a LoRA in three parts a layer (Tucker's, lora_mid), not in two halves.",
            hint=f"`hubtools inspect {shlex.quote(str(path))}` tells who reads it",
            code="not-supported",
        )
    if holds is not Holds.LORA:
        what = words_for(weights.header) if weights.is_adapter else weights.kind
        raise HubtoolsError(
            f"{path} is a {what}, and no LoRA: it cannot be put as two halves a layer.",
            hint=f"`hubtools inspect {shlex.quote(str(path))}` tells what it is and who reads it",
            code="not-supported",
        )
    if weights.values is not None and weights.values.broken:
        raise HubtoolsError(
            f"{path}: NaN or infinite numbers are in {len(weights.values.broken)} of its tensors"
            f" (the first is {weights.values.broken[0]}).",
            hint="take an earlier checkpoint",
            code="file-damaged",
        )
    if weights.halved:
        raise HubtoolsError(
            f"{path}: one half is missing in {len(weights.halved)} of its layers (the first is"
            f" {weights.halved[0]}).",
            hint="write it again from the training's state",
            code="file-damaged",
        )


def check_shapes(path: Path, place: str, down: Tensor, up: Tensor) -> None:
    """Raise `HubtoolsError` unless two halves make a change: (rank, in, ...) and (out, rank, 1 or
    nothing more), of linear layers or of convolutions."""
    fit = min(down.dim(), up.dim()) >= 2 and max(down.dim(), up.dim()) <= 5
    if not fit or not down.numel() * up.numel() or up[0].numel() != down.shape[0]:
        shapes = " and ".join(f"({', '.join(map(str, one.shape))})" for one in (down, up))
        raise HubtoolsError(
            f"{path}: the halves of {shown(place)} are of {shapes}, which make no change of a"
            " layer.",
            hint="fetch it again, or write it again from the training's state",
            code="file-damaged",
        )


def check_widths(path: Path, downs: Mapping[str, Tensor], target: Target, base: str | None) -> None:
    """Raise `HubtoolsError` if the layers of the LoRA at `path` (their halves A by their names in
    a file of diffusers) are of other widths than those of the `base` of the kind `target`."""
    if base is None:
        return
    captions, blocks = widths_of(bundled(base) or base, target)
    start = f"{target.denoiser}."
    inside = (
        (name.removeprefix(start), down.shape[1])
        for name, down in downs.items()
        if name.startswith(start)
    )
    if wrong := widths_beside(inside, captions, blocks):
        raise HubtoolsError(
            f"The layers of {path} are {_these(wrong)} wide, and those of {base}"
            f" {_these(captions or blocks)}: it is a LoRA for another model.",
            hint="name the base that it was trained on; one of your own by its folder",
            code="not-supported",
        )


def _these(widths: Iterable[int]) -> str:
    return " and ".join(map(str, widths))


def check_magnitude(path: Path, place: str, up: Tensor, magnitude: Tensor) -> None:
    """Raise `HubtoolsError` unless a layer has a magnitude for each output."""
    if magnitude.numel() != up.shape[0] or magnitude.numel() != max(magnitude.shape, default=1):
        raise HubtoolsError(
            f"{path}: {shown(place)} is a DoRA with {magnitude.numel()} magnitudes, and has"
            f" {up.shape[0]} outputs.",
            hint="train it with a magnitude for each output (wd_on_output=True)",
            code="not-supported",
        )


def settings_beside(path: Path) -> Said | None:
    """What peft wrote beside a file of its own, which has nothing of that in its header."""
    content = peft_config(path.parent) if path.name == PEFT_WEIGHTS else None
    return None if content is None else Said(content)


def shown(name: str) -> str:
    """As much of a name as a sentence bears."""
    return name if len(name) <= 120 else f"{name[:120]}..."
