"""The text encoders of a run that are trained, made ready for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from hubtools.models.families.protocol import Model, ReadsTokens
from hubtools.training.adapter import add_text_lora
from hubtools.training.encode import EncodedDataset
from hubtools.training.lean import make_lean
from hubtools.training.plan import TrainPlan

if TYPE_CHECKING:
    import torch
    from torch import nn


def open_texts(
    model: Model, plan: TrainPlan, device: torch.device, encoded: Sequence[EncodedDataset]
) -> dict[str, nn.Parameter]:
    """Put a LoRA on the text encoders that `plan` trains, which `model` has open, and answer its
    parameters; what is `encoded` is told in their tokens from now on. They are in float32, as
    captions are encoded otherwise."""
    import torch

    encoders = {name: getattr(model.pipeline, name) for name in plan.trained_texts}
    if not encoders:
        return {}
    for encoder in encoders.values():
        encoder.to(device, torch.float32)
    recipe = plan.recipe
    parameters = add_text_lora(encoders, recipe.settings, recipe.alpha, plan.base.unread)
    for encoder in encoders.values():
        make_lean(encoder)
    for one in encoded:
        one.speak_by(cast(ReadsTokens, model))
    return parameters
