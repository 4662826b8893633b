"""The training loop. It knows pictures, noise and a LoRA, but no model family by name.

One optimizer step sees `batch x accumulation x processes` pictures. Its loss is the mean over
them, however they are cut into forward passes, and however few the epoch has left for its last
step. All randomness is a function of (seed, step, picture's place in the step): see draws.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hubtools.errors import is_out_of_memory
from hubtools.models.families.batches import (
    REFERENCE,
    Conditions,
    Tensors,
    doubled,
    second_half,
    stacked_pictures,
)
from hubtools.models.families.noise import Noised
from hubtools.models.families.protocol import Model
from hubtools.models.seeds import seed_of
from hubtools.training.averages import Average, averaged
from hubtools.training.cuda_graph import Batch, GraphedStep, can_record
from hubtools.training.device import attending, autocast
from hubtools.training.distributed import Distributed
from hubtools.training.draws import Chosen, draw
from hubtools.training.losses import COUNTS, WEIGHTS, errors
from hubtools.training.optimizers import PEAK, rate_in_use
from hubtools.training.order import most_frequent_shape, passes, shape_of, step_items
from hubtools.training.recipe import Recipe
from hubtools.training.texts import trained_modules, without_lora

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


_EPSILON = 1e-6  # what PyTorch adds to a norm before it divides by it


@dataclass
class TrainState:
    """What is trained and with what. `encoded` answers (picture's tensors, caption's tensors) of
    an item, as they are chosen. `prior_caption` answers the tensors of the caption without the
    subject, for what the base is to be kept to."""

    model: Model
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    encoded: Callable[[int, Chosen], tuple[Tensors, Tensors]]
    prior_caption: Callable[[int, Chosen], Tensors] | None = None
    average: Average | None = None

    def published(self) -> AbstractContextManager[None]:
        """While it lasts the denoiser is as it is published: averaged, if anything is."""
        return averaged(self.parameters, self.optimizer, self.average)


class PassTooLarge(Exception):
    """A forward or backward pass ran out of memory; the step can be begun anew."""


@dataclass(frozen=True)
class TrainStep:
    """A step that is done: `done` counts from 1; `loss` and `norm` are still on the device."""

    done: int
    loss: Tensor
    norm: Tensor
    rate: float


def train_steps(
    state: TrainState, recipe: Recipe, group: Distributed, start: int
) -> Iterator[TrainStep]:
    """Train from step `start` to the end, yielding after each optimizer step.

    Whoever iterates may save, sample or stop between two steps; nothing done there changes what
    follows, because every step seeds its own randomness. Raises `PassTooLarge` if there is no
    memory for a step, unless there are several processes, which would wait for this one.
    """
    import torch

    parameters = list(state.parameters.values())
    modules = trained_modules(state.model)
    for module in modules:
        module.train()
    record = can_record(recipe.settings, group.device, group.world_size)
    record = record and not recipe.settings.train_text_encoder
    record = record and not of_many_sizes(state.model, state.encoded)
    usual = most_frequent_shape(recipe) if record else None
    graphed = GraphedStep(
        lambda batch: backpropagate(state, recipe, batch), parameters, group.device, record=record
    )
    drops = any(map(has_dropout, modules))
    for step in range(start, recipe.steps):
        rate = recipe.learning_rate_at(step)
        for options in state.optimizer.param_groups:
            options["lr"] = recipe.learning_rate_at(step, options.get(PEAK))

        pictures = len(step_items(recipe, step))
        loss = torch.zeros((), device=group.device)
        try:
            for number, (batch, of) in enumerate(passes(recipe, step, group.rank, pictures)):
                if drops:  # noise has generators of its own
                    torch.manual_seed(
                        seed_of("dropout", recipe.settings.seed, step, number, group.rank)
                    )
                fed = gathered(state, recipe, step, batch, of)
                loss += graphed.run(fed, usual=not record or shape_of(recipe, batch) == usual)
        except RuntimeError as error:
            if group.world_size > 1 or not is_out_of_memory(error):
                raise
            state.optimizer.zero_grad(set_to_none=True)  # nothing of the step is left
            raise PassTooLarge from error

        loss = group.sum_gradients(parameters, loss)
        state.scaler.unscale_(state.optimizer)
        norm = clip(parameters, recipe.settings.max_grad_norm)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        state.optimizer.zero_grad(set_to_none=not graphed.keeps_gradients)
        if state.average is not None:
            state.average.update(step + 1)
        yield TrainStep(step + 1, loss, norm, rate_in_use(state.optimizer, rate))


def of_many_sizes(model: Model, encoded: Callable[[int, Chosen], tuple[Tensors, Tensors]]) -> bool:
    """Whether passes differ in size within a bucket: captions do, or control pictures, which come
    in any."""
    return model.variable or REFERENCE in encoded(0, Chosen())[0]


def gathered(
    state: TrainState, recipe: Recipe, step: int, batch: list[tuple[int, int]], pictures: float
) -> Batch:
    """What a forward pass is fed with, on the CPU; nothing else of it changes from step to step.

    `batch`: (slot, item) pairs, see `passes`; `pictures`: in the whole step.
    """
    import torch

    slots, items = [slot for slot, _ in batch], [item for _, item in batch]
    first_picture, _ = state.encoded(items[0], Chosen())
    draws = draw(recipe, step, slots, state.model.latent_shape(first_picture))
    rows = [state.encoded(item, how) for item, how in zip(items, draws.chosen, strict=True)]
    captions = [caption for _, caption in rows]
    if state.prior_caption is not None:
        captions += [
            state.prior_caption(item, how) for item, how in zip(items, draws.chosen, strict=True)
        ]
    more = {} if draws.seen is None else {"seen": draws.seen}
    return more | {
        "pictures": stacked_pictures([picture for picture, _ in rows]),
        "captions": state.model.collate(captions),
        "posterior": draws.posterior,
        "noise": draws.noise,
        "t": draws.t,
        "of": torch.tensor(float(pictures)),
    }


def backpropagate(state: TrainState, recipe: Recipe, batch: Batch) -> Tensor:
    """Add the gradients of a batch (on the device) and answer its share of the step's loss.

    Recorded where that is possible (see cuda_graph.py): it must look at no value of a tensor.
    """
    with attending(recipe.settings.attention):
        part: Tensor = loss_sum(state, recipe, batch) / batch["of"]
        state.scaler.scale(part).backward()  # type: ignore[no-untyped-call]
    return part.detach()


def loss_sum(state: TrainState, recipe: Recipe, batch: Batch) -> Tensor:
    """Weighted error of a forward pass, summed over its pictures (a scalar)."""
    model = state.model
    latents = model.latents(batch["pictures"], batch["posterior"])
    noised = model.noised(latents, batch["noise"], batch["t"])
    if "seen" in batch:  # more noise than is to be answered
        seen = model.noised(latents, batch["seen"], batch["t"])
        noised = replace(noised, latents=seen.latents)
    conditions = Conditions(batch["pictures"], batch["captions"])
    apart = partial(errors, kind=recipe.settings.loss_type, threshold=noised.threshold)
    weights, counts = batch["pictures"].get(WEIGHTS), batch["pictures"].get(COUNTS)
    if counts is not None:
        noised = replace(noised, weight=noised.weight * counts)
    if state.prior_caption is None:
        with autocast(latents.device, recipe.precision):
            prediction = model.predict(noised, conditions)
        return (apart(prediction, noised.target, weights=weights) * noised.weight).sum()
    prediction, kept, wanted = _with_prior(model, noised, conditions, recipe)
    missed = apart(prediction, noised.target, weights=weights) * noised.weight
    drift = apart(kept, wanted)
    return (missed + recipe.settings.prior_loss_weight * drift).sum()


def _with_prior(
    model: Model, noised: Noised, conditions: Conditions, recipe: Recipe
) -> tuple[Tensor, Tensor, Tensor]:
    """(answers to the captions, answers to those without the subject, the base's to the latter).
    `conditions` has both kinds of captions, first all of the one.

    Prior preservation as in DreamBooth (arXiv:2208.12242, section 3.2), but without pictures drawn
    beforehand: the base's own answer to the same noised latents is what the LoRA is held to. The
    empty caption is left to caption_dropout.
    """
    import torch

    device, pictures = noised.latents.device, conditions.pictures
    without = Conditions(pictures, second_half(conditions.captions))
    with without_lora(model), torch.no_grad(), autocast(device, recipe.precision):
        wanted = model.predict(noised, without)
    # one pass over twice as many is faster than two
    twice, pictures = doubled(noised, pictures)
    with autocast(device, recipe.precision):
        answers = model.predict(twice, Conditions(pictures, conditions.captions))
    prediction, kept = answers.chunk(2)
    return prediction, kept, wanted


def has_dropout(module: Any) -> bool:
    """True if a forward pass may draw random numbers: in the LoRA or in the base itself."""
    layers = (getattr(one, "p", 0.0) for one in module.modules())
    config = getattr(module, "config", {})
    said = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    told = (value for key, value in said.items() if "dropout" in key)
    return any(isinstance(one, int | float) and one > 0 for one in (*layers, *told))


def clip(parameters: list[nn.Parameter], limit: float) -> Tensor:
    """Scale the gradients down to a norm of `limit` (0: leave them); answers the norm before."""
    from torch.nn.utils import clip_grads_with_norm_, get_total_norm

    gradients = [one.grad for one in parameters if one.grad is not None]
    norm: Tensor = get_total_norm(gradients, foreach=True)
    # times one changes nothing; on other devices a look at the norm would take longer
    if limit and not (norm.device.type == "cpu" and limit >= float(norm) + _EPSILON):
        clip_grads_with_norm_(parameters, limit, norm, foreach=True)
    return norm
