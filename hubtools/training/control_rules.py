"""The rule about the pictures that others are made from."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.findings import Problem, Severity, plural
from hubtools.models.registry import FROM_PICTURES
from hubtools.training.plan import TRAIN_RULES, TrainPlan


@TRAIN_RULES.rule("T123", "The base is shown no control pictures", Severity.WARNING)
def unused_controls(plan: TrainPlan) -> Iterator[Problem]:
    """The dataset has control pictures, and the base draws from words alone.

    It learns the pictures with their captions, as if there were no others: what an instruction
    such as "make it night" starts from, it never sees. FLUX.1 Kontext, FLUX.2 and Qwen-Image-Edit
    make pictures from others.
    """
    examples = [example for example in plan.examples if example.controls]
    if examples and not plan.base.controls[1]:
        yield Problem(
            f"{plural(len(examples), 'picture')} of the dataset"
            f" {'has' if len(examples) == 1 else 'have'} control pictures, which the base is not"
            " shown.",
            f"train {FROM_PICTURES}, or set dataset.control_columns = []",
        )
