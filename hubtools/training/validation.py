"""The loss of pictures that are not trained on, always on the same noise at the same moments.

It is the training loss, weighed and masked as that is; as noise and moments never change, it shows
from when on a run only learns its pictures by heart. Nothing of it reaches the training: no random
number is drawn from what steps draw from, and dropout is off.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from hubtools.errors import first_line, is_out_of_memory
from hubtools.models.families.batches import stacked_pictures
from hubtools.progress import Reporter
from hubtools.training.buckets import make_buckets
from hubtools.training.cuda_graph import moved
from hubtools.training.draws import Chosen, draw
from hubtools.training.encode import EncodedDataset
from hubtools.training.loop import TrainState, loss_sum
from hubtools.training.plan import TrainPlan
from hubtools.training.recipe import Recipe
from hubtools.training.stages import Stages
from hubtools.training.texts import at_rest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from hubtools.training.cuda_graph import Batch
    from hubtools.training.step_log import StepLog

# Moments of each picture, in the middle of as many equal parts of what steps draw from.
MOMENTS = 4


def held_out_plan(plan: TrainPlan, resolution: int) -> TrainPlan:
    """The plan with the held-out pictures in place of those that are trained on: upright, in one
    cut, with their first caption as it stands."""
    settings = plan.recipe.settings.model_copy(
        update={
            "random_flip": False,
            "crops_per_image": 1,
            "shuffle_caption": False,
            "caption_tag_dropout_rate": 0.0,
            "with_prior_preservation": False,
            "input_perturbation": 0.0,
        }
    )
    examples = [replace(e, captions=(), repeats=1, weight=1.0) for e in plan.held_out]
    buckets = make_buckets(plan.held_out_sizes, settings, resolution, plan.divisor)
    return replace(
        plan,
        recipe=replace(plan.recipe, settings=settings, buckets=buckets),
        examples=examples,
        sizes=plan.held_out_sizes,
    )


def is_due(recipe: Recipe, done: int) -> bool:
    """Whether the held-out pictures are looked at after step `done`."""
    every = recipe.validate_every
    return bool(every) and (done == recipe.steps or done % every == 0)


class Validation:
    """What is measured of a plan that holds pictures out."""

    def __init__(self, stages: Stages, plan: TrainPlan, device: torch.device) -> None:
        self._device = device
        self._plan = held_out_plan(plan, plan.recipe.resolution)
        self.encoded = EncodedDataset(stages, self._plan)

    def look(self, state: TrainState, done: int, log: StepLog, reporter: Reporter) -> None:
        """Measure and note the loss after step `done`, unless it is known. What goes wrong is a
        warning: hours of training are worth more."""
        if done in {found.step for found in log.held_out}:
            return
        try:
            loss = self.loss(state)
        except RuntimeError as error:
            why = "there is no memory" if is_out_of_memory(error) else first_line(error)
            reporter.warn(f"No held-out loss after step {done:,}: {why.rstrip('.')}.")
            return
        if not math.isfinite(loss):
            reporter.warn(f"The held-out loss after step {done:,} is no number.")
            return
        log.add_held_out(done, loss)
        reporter.note(f"Held-out loss after step {done:,}: {loss:.4f}.")

    def loss(self, state: TrainState) -> float:
        """The mean over pictures and moments. One at a time: there is memory for it wherever there
        is for a step, and no picture depends on its neighbours."""
        import torch

        alone = replace(state, encoded=self.encoded, prior_caption=None)
        with at_rest(state.model), torch.no_grad():
            losses = [
                loss_sum(alone, self._plan.recipe, moved(batch, self._device)).double()
                for batch in self._batches(alone)
            ]
        return float(torch.stack(losses).mean())

    def _batches(self, state: TrainState) -> list[Batch]:
        import torch

        return [
            self._batch(state, item, moment, torch.tensor([(moment + 0.5) / MOMENTS]))
            for item in range(len(self._plan.recipe.buckets.of))
            for moment in range(MOMENTS)
        ]

    def _batch(self, state: TrainState, item: int, moment: int, t: Tensor) -> Batch:
        picture, caption = state.encoded(item, Chosen())
        shape = state.model.latent_shape(picture)
        # steps count from 0: no step draws these numbers
        drawn = draw(self._plan.recipe, -1 - moment, [item], shape)
        return {
            "pictures": stacked_pictures([picture]),
            "captions": state.model.collate([caption]),
            "posterior": drawn.posterior,
            "noise": drawn.noise,
            "t": t,
        }
