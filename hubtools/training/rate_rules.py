"""Rules of the learning rate and its schedule."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.findings import Problem, Severity
from hubtools.training.plan import TRAIN_RULES, TrainPlan


@TRAIN_RULES.rule("T107", "The learning rate is very high", Severity.WARNING)
def high_rate(plan: TrainPlan) -> Iterator[Problem]:
    """The peak learning rate is far above what LoRAs are trained with.

    Usual are 5e-5 to 1e-3. Above that the loss often grows or becomes NaN. With Prodigy, whose rate
    is a factor of what it finds, 1 is usual. scale_lr multiplies the rate by batch, accumulation
    and processes.
    """
    rate, settings = plan.recipe.learning_rate, plan.recipe.settings
    prodigy = settings.optimizer == "prodigy"
    if rate > (3 if prodigy else 3e-3):
        scaled = settings.scale_lr and plan.recipe.pictures_a_step > 1
        usual = (
            "1 is usual with Prodigy" if prodigy else "LoRAs are usually trained with 5e-5 to 1e-3"
        )
        yield Problem(
            f"The learning rate is {rate:g}; {usual}.",
            "--no-scale-lr" if scaled else f"--learning-rate {'1' if prodigy else '1e-4'}",
        )


@TRAIN_RULES.rule("T124", "The learning rate holds Prodigy back", Severity.WARNING)
def low_rate(plan: TrainPlan) -> Iterator[Problem]:
    """Prodigy finds the step size itself and multiplies it by the learning rate, which is far below
    1: a rate that suits AdamW.

    Its steps are then thousands of times too short, and the LoRA hardly learns.
    """
    rate = plan.recipe.learning_rate
    if plan.recipe.settings.optimizer == "prodigy" and rate < 0.1:
        yield Problem(
            f"The learning rate is {rate:g} times what Prodigy finds; 1 is usual.",
            "leave --learning-rate out, or --optimizer adamw",
        )


@TRAIN_RULES.rule("T110", "The warm-up does not fit the schedule", Severity.WARNING)
def warm_up(plan: TrainPlan) -> Iterator[Problem]:
    """The warm-up is as long as the run, or the schedule has none.

    `constant` has no warm-up, here as in diffusers; `constant_with_warmup` has.
    """
    recipe, asked = plan.recipe, plan.recipe.settings.lr_warmup_steps
    if recipe.settings.lr_scheduler == "constant":
        if asked:
            yield Problem(
                f"lr_scheduler constant has no warm-up: lr_warmup_steps {asked:,} does nothing.",
                "--lr-scheduler constant_with_warmup",
            )
    elif recipe.warmup >= recipe.steps and recipe.steps > 1:
        yield Problem(
            f"The warm-up of {recipe.warmup:,} steps is not over before the run of"
            f" {recipe.steps:,} is: the learning rate only ever rises.",
            f"--lr-warmup-steps {round(0.05 * recipe.steps)}",
        )
