"""Prove that the written LoRA acts as the trained one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hubtools.errors import HubtoolsError
from hubtools.inference.adapters import in_place_of_training
from hubtools.inference.lora import resolve_lora
from hubtools.models.families.batches import Conditions, stacked
from hubtools.models.families.protocol import Model
from hubtools.training.device import autocast
from hubtools.training.distributed import Distributed
from hubtools.training.draws import Chosen
from hubtools.training.recipe import Recipe
from hubtools.training.texts import at_rest, without_lora

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hubtools.training.encode import EncodedDataset


# Beyond this share of what it changes, the LoRA that was read back is another one.
TOLERANCE = 0.01


def prove(
    path: Path, model: Model, encoded: EncodedDataset, recipe: Recipe, group: Distributed
) -> float:
    """`verify_lora` in the main process, which has written the file; in all of them where each
    holds a share of the base only. 0 in the others."""
    if recipe.settings.fsdp:
        group.barrier()  # it is written
    elif not group.main:
        return 0.0
    return verify_lora(
        path,
        model,
        encoded,
        precision=recipe.precision,
        device=group.device,
        together=bool(recipe.settings.fsdp),
    )


def verify_lora(
    path: Path,
    model: Model,
    encoded: EncodedDataset,
    *,
    precision: str,
    device: torch.device,
    together: bool = False,
) -> float:
    """How far the LoRA in `path` is from the one that `model` carries, as a share of what that
    changes in the base's answer (see `compare`).

    The file is put into the same denoiser, in place of what was trained there: two denoisers that
    are computed alike answer alike to the last bit, so that half precision hides nothing. Where
    they do, nothing more is asked; `together`: other processes answer too, and all ask as often.
    Raises `HubtoolsError` if it is too far."""
    import torch

    picture, caption = encoded(0, Chosen())

    def answer() -> Tensor:
        with autocast(device, precision):
            return denoiser_output(model, caption, picture)

    trained = answer()
    with in_place_of_training(model.pipeline, resolve_lora(str(path))):
        reloaded = answer()
    if not together and torch.equal(trained, reloaded):
        return 0.0
    again = answer()
    with without_lora(model):
        base = answer()
    return compare(trained, reloaded, base, noise=float((trained - again).abs().max()))


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
    with at_rest(model), torch.no_grad():
        noised = model.noised(latents, noise, torch.tensor([0.5], device=device))
        return model.predict(noised, Conditions(pictures, captions)).float().cpu()


def compare(trained: Tensor, reloaded: Tensor, base: Tensor, *, noise: float = 0.0) -> float:
    """Largest difference between the answers with the trained and with the reloaded LoRA, as a
    share of the largest one that the LoRA makes to the base's. `noise`: by how much two answers
    differ that should be equal.

    Raises `HubtoolsError` beyond `TOLERANCE`: a LoRA that does not read back as it was trained must
    not be published."""
    effect = float((trained - base).abs().max())
    difference = float((trained - reloaded).abs().max())
    share = difference / effect if effect else float(difference > 0)
    if not difference <= TOLERANCE * effect + 2 * noise:
        raise HubtoolsError(
            f"The written LoRA does not act as the trained one: predictions differ by {share:.2g}"
            f" of what it changes in the base's (allowed: {TOLERANCE:g}).",
            hint="the state of the last step is kept; please report this with the versions that"
            " `hubtools doctor` prints",
            code="training-failed",
        )
    return share
