"""Prove that the written LoRA acts as the trained one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.inference.adapters import apply_lora
from hubtools.inference.lora import resolve_lora
from hubtools.models.families.batches import Conditions, stacked
from hubtools.models.families.noise import NoiseOptions
from hubtools.models.families.protocol import Family, Model
from hubtools.training.device import arrange, autocast, dtype_of
from hubtools.training.plan import TrainPlan

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hubtools.models.base import Base
    from hubtools.training.encode import EncodedDataset


def verify_lora(
    path: Path,
    model: Model,
    encoded: EncodedDataset,
    *,
    base: Base,
    family: Family,
    plan: TrainPlan,
    device: torch.device,
) -> float:
    """How far the LoRA in `path`, put into a fresh base, is from the trained one (see `compare`).

    Raises `HubtoolsError` if that is too far."""
    precision, settings = plan.recipe.precision, plan.recipe.settings
    picture, caption = encoded(0, False, False)

    def answer(model: Model) -> Tensor:
        with autocast(device, precision):
            return denoiser_output(model, caption, picture)

    trained = answer(model)
    model.denoiser.to("cpu")  # room for the other one
    fresh = family.load(
        base,
        plan.base,
        variant=settings.variant,
        dtype=dtype_of(precision),
        noise=NoiseOptions(settings.snr_gamma),
    )
    apply_lora(fresh.pipeline, resolve_lora(str(path)), 1.0)
    fresh.denoiser.to(device)
    arrange(fresh.denoiser, device, precision)
    # half precision rounds the reloaded weights themselves
    tolerance = 1e-4 if precision == "no" else 2e-2
    return compare(trained, answer(fresh), tolerance)


def denoiser_output(
    model: Model, caption: Mapping[str, Tensor], picture: Mapping[str, Tensor]
) -> Tensor:
    """What the denoiser answers to fixed noise, for comparing two of them; float32 on the CPU."""
    import torch

    device = next(model.denoiser.parameters()).device
    generator = torch.Generator("cpu").manual_seed(0)
    shape = model.latent_shape(picture)
    latents = torch.randn((1, *shape), generator=generator).to(device)
    noise = torch.randn((1, *shape), generator=generator).to(device)
    pictures, captions = (
        {key: value.to(device) for key, value in batch.items()}
        for batch in (stacked([picture]), model.collate([caption]))
    )
    training = model.denoiser.training
    model.denoiser.eval()
    try:
        with torch.no_grad():
            noised = model.noised(latents, noise, torch.tensor([0.5], device=device))
            return model.predict(noised, Conditions(pictures, captions)).float().cpu()
    finally:
        model.denoiser.train(training)


def compare(trained: Tensor, reloaded: Tensor, tolerance: float) -> float:
    """Largest difference relative to the largest value. Raises `HubtoolsError` beyond
    `tolerance`: a LoRA that does not read back as it was trained must not be published."""
    scale = max(1.0, float(trained.abs().max()))
    difference = float((trained - reloaded).abs().max()) / scale
    if not difference <= tolerance:
        raise HubtoolsError(
            f"The written LoRA does not act as the trained one: predictions differ by"
            f" {difference:.2g} (allowed: {tolerance:g}).",
            hint="the state of the last step is kept; please report this with the versions that"
            " `hubtools doctor` prints",
        )
    return difference
