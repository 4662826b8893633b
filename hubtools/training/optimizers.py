"""Optimizers by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hubtools.training.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn


def make_optimizer(recipe: Recipe, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW, fused where PyTorch can."""
    import torch

    settings = recipe.settings
    options: dict[str, Any] = {
        "lr": recipe.learning_rate,
        "betas": (settings.adam_beta1, settings.adam_beta2),
        "weight_decay": settings.adam_weight_decay,
        "eps": settings.adam_epsilon,
    }
    try:
        return torch.optim.AdamW(parameters, fused=True, **options)
    except RuntimeError:  # this device has no fused kernel
        return torch.optim.AdamW(parameters, **options)
