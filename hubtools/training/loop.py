"""The training loop. It knows pictures, noise and a LoRA, but no model family by name.

One optimizer step sees `batch x accumulation x processes` pictures. Its loss is the mean over
them, however they are cut into forward passes, and however few the epoch has left for its last
step. All randomness is a function of (seed, step, picture's place in the step): see data.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hubtools.models.families.protocol import Model, Noised, Tensors
from hubtools.models.seeds import seed_of
from hubtools.training.data import draw, micro_batches, step_items
from hubtools.training.device import World, autocast
from hubtools.training.recipe import Recipe
from hubtools.training.replay import Batch, Passes, can_record

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@dataclass
class Trainee:
    """What is trained and with what. `encoded` answers (picture's tensors, caption's tensors) by
    the picture's index; `flip` asks for the mirrored one, `drop` for the empty caption. `prior`
    answers the tensors of the caption without the subject, for what the base is to be kept to."""

    model: Model
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    encoded: Callable[[int, bool, bool], tuple[Tensors, Tensors]]
    prior: Callable[[int], Tensors] | None = None


@dataclass(frozen=True)
class Step:
    """A step that is done: `done` counts from 1; `loss` and `norm` are still on the device."""

    done: int
    loss: Tensor
    norm: Tensor
    rate: float


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


def train_steps(trainee: Trainee, recipe: Recipe, world: World, start: int) -> Iterator[Step]:
    """Train from step `start` to the end, yielding after each optimizer step.

    Whoever iterates may save, sample or stop between two steps; nothing done there changes what
    follows, because every step seeds its own randomness.
    """
    import torch

    parameters = list(trainee.parameters.values())
    trainee.model.denoiser.train()
    record = can_record(recipe.settings, world.device, world.processes)
    passes = Passes(
        lambda batch: backpropagate(trainee, recipe, batch), parameters, world.device, record=record
    )
    for step in range(start, recipe.steps):
        rate = recipe.learning_rate_at(step)
        for group in trainee.optimizer.param_groups:
            group["lr"] = rate

        pictures = len(step_items(recipe, step))
        loss = torch.zeros((), device=world.device)
        for number, batch in enumerate(micro_batches(recipe, step, world.process)):
            # for dropout inside the denoiser; noise has generators of its own
            torch.manual_seed(seed_of("dropout", recipe.settings.seed, step, number, world.process))
            loss += passes.run(gathered(trainee, recipe, step, batch, pictures))

        loss = world.sum_gradients(parameters, loss)
        trainee.scaler.unscale_(trainee.optimizer)
        norm = clip(parameters, recipe.settings.max_grad_norm)
        trainee.scaler.step(trainee.optimizer)
        trainee.scaler.update()
        trainee.optimizer.zero_grad(set_to_none=not passes.keeps_gradients)
        yield Step(step + 1, loss, norm, rate)


def gathered(
    trainee: Trainee, recipe: Recipe, step: int, batch: list[tuple[int, int]], pictures: int
) -> Batch:
    """What a forward pass is fed with, on the CPU; nothing else of it changes from step to step.

    `batch`: (slot, picture index) pairs, see `micro_batches`; `pictures`: in the whole step.
    """
    import torch

    slots, indexes = [slot for slot, _ in batch], [index for _, index in batch]
    first_picture, _ = trainee.encoded(indexes[0], False, False)
    draws = draw(recipe, step, slots, trainee.model.latent_shape(first_picture))
    rows = [
        trainee.encoded(index, flip, drop)
        for index, flip, drop in zip(indexes, draws.flip, draws.drop, strict=True)
    ]
    found: Batch = {
        "pictures": _stack([picture for picture, _ in rows]),
        "texts": _stack([text for _, text in rows]),
        "posterior": draws.posterior,
        "noise": draws.noise,
        "when": draws.when,
        "of": torch.tensor(float(pictures)),
    }
    if trainee.prior is not None:
        found["others"] = _stack([trainee.prior(index) for index in indexes])
    return found


def backpropagate(trainee: Trainee, recipe: Recipe, batch: Batch) -> Tensor:
    """Add the gradients of a batch (on the device) and answer its share of the step's loss.

    Recorded where that is possible (see replay.py): it must look at no value of a tensor.
    """
    part: Tensor = loss_sum(trainee, recipe, batch) / batch["of"]
    trainee.scaler.scale(part).backward()  # type: ignore[no-untyped-call]
    return part.detach()


def loss_sum(trainee: Trainee, recipe: Recipe, batch: Batch) -> Tensor:
    """Weighted squared error of a forward pass, summed over its pictures (a scalar)."""
    model = trainee.model
    latents = model.latents(batch["pictures"], batch["posterior"])
    noised = model.noised(latents, batch["noise"], batch["when"])
    if "others" not in batch:
        with autocast(latents.device, recipe.precision):
            prediction = model.predict(noised, batch["texts"])
        return (_apart(prediction, noised.target) * noised.weight).sum()
    prediction, kept, wanted = _with_prior(model, noised, batch["texts"], batch["others"], recipe)
    errors = _apart(prediction, noised.target) * noised.weight
    drift = _apart(kept, wanted)
    return (errors + recipe.settings.prior_loss_weight * drift).sum()


def _with_prior(
    model: Model, noised: Noised, texts: Tensors, others: Tensors, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor]:
    """(answers to `texts`, answers to the captions without the subject, the base's to those).

    Prior preservation as in DreamBooth (arXiv:2208.12242, section 3.2), but without pictures drawn
    beforehand: the base's own answer to the same noised latents is what the LoRA is held to. The
    empty caption is left to caption_dropout.
    """
    import torch

    device = noised.latents.device
    model.denoiser.disable_adapters()  # type: ignore[operator]
    with torch.no_grad(), autocast(device, recipe.precision):
        wanted = model.predict(noised, others)
    model.denoiser.enable_adapters()  # type: ignore[operator]
    # one pass over twice as many is faster than two
    twice = replace(
        noised,
        latents=torch.cat([noised.latents, noised.latents]),
        timesteps=torch.cat([noised.timesteps, noised.timesteps]),
    )
    both = {key: torch.cat([texts[key], others[key]]) for key in texts}
    with autocast(device, recipe.precision):
        answers = model.predict(twice, both)
    prediction, kept = answers.chunk(2)
    return prediction, kept, wanted


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference of each picture, (N,) float32."""
    return (found.float() - wanted.float()).square().flatten(1).mean(1)


def _stack(rows: list[Tensors]) -> dict[str, Tensor]:
    import torch

    return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}


def clip(parameters: list[nn.Parameter], limit: float) -> Tensor:
    """Scale the gradients down to a norm of `limit` (0: leave them); answers the norm before."""
    from torch.nn.utils import clip_grad_norm_

    return clip_grad_norm_(parameters, limit or float("inf"))
