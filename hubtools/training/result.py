"""What a run that is over says of its LoRA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.files import sha256_of
from hubtools.manifest import LoraFacts, RunManifest
from hubtools.rooted import Root
from hubtools.rooted.outputs import sums_written
from hubtools.training.metrics import HeldOut, Metric, first_and_last
from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn


def note_lora(
    manifest: RunManifest, path: Path, recipe: Recipe, parameters: Mapping[str, nn.Parameter]
) -> None:
    """Put the file of the LoRA at `path` into the manifest, with its sum as the run wrote it: what
    somebody has changed since is no result of the run."""
    with Root(path.parent) as root:
        written = sums_written(root).get(path.name)
    manifest.lora = LoraFacts(
        file=path.name,
        sha256=written or sha256_of(path),
        bytes=path.stat().st_size,
        rank=recipe.settings.rank,
        alpha=recipe.alpha,
        target_modules=sorted(recipe.settings.target_modules),
        parameters=sum(parameter.numel() for parameter in parameters.values()),
    )


def note_losses(manifest: RunManifest, history: list[Metric], held_out: Sequence[HeldOut]) -> None:
    """Put the first and the last losses of the log into the manifest."""
    if losses := first_and_last(history):
        manifest.loss_first, manifest.loss_last = losses
    if held_out:
        first, last = held_out[0].validation_loss, held_out[-1].validation_loss
        manifest.validation_loss_first, manifest.validation_loss_last = first, last
