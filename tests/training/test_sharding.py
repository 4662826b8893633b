"""A base that is spread over processes: what it does not go with, and how often each passes."""

from __future__ import annotations

from typing import Any

import pytest

from hubtools.errors import UsageError
from hubtools.settings import TrainSettings
from hubtools.training.order import micro_batches, passes
from hubtools.training.recipe import make_recipe
from hubtools.training.sharding import check_sharding


@pytest.mark.parametrize(
    ("processes", "settings", "told"),
    [
        (1, {}, "has one process"),
        (2, {"quantize": "nf4"}, "quantize do not go together"),
        (2, {"validation_steps": 5}, "validation_steps do not go together"),
        (2, {"validation_split": 0.1}, "validation_split do not go together"),
    ],
)
def test_what_it_does_not_go_with(processes: int, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check_sharding(TrainSettings(fsdp=True, **settings), processes)
    check_sharding(TrainSettings(**settings), processes)
    check_sharding(TrainSettings(fsdp=True, validation_steps=0), 2)


def test_all_processes_pass_as_often_and_every_picture_counts_once() -> None:
    settings = TrainSettings(fsdp=True, train_batch_size=2, gradient_accumulation_steps=2)
    recipe = make_recipe(
        settings, resolution=64, images=5, world_size=3, precision="no", prediction_type="epsilon"
    )
    assert recipe.sample_every == 0
    each = [passes(recipe, 0, rank, 5) for rank in range(3)]
    assert {len(one) for one in each} == {1}
    counted = [item for one in each for share, of in one if of == 5 for item in share]
    assert sorted(slot for slot, _ in counted) == [0, 1, 2, 3, 4]
    assert micro_batches(recipe, 0, 2) == [share for share, of in each[2] if of == 5]
