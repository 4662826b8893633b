"""Settings resolved into numbers."""

from __future__ import annotations

import math

import pytest

from hubtools.settings import TrainSettings
from hubtools.training.recipe import Recipe, make_recipe


def recipe(images: int = 21, processes: int = 1, **settings: object) -> Recipe:
    return make_recipe(
        TrainSettings.model_validate(settings),
        resolution=512,
        images=images,
        world_size=processes,
        precision="no",
        prediction_type="epsilon",
    )


def test_the_tutorials_thousand_epochs_are_21000_steps() -> None:
    found = recipe(num_train_epochs=1000)
    assert (found.steps_an_epoch, found.steps, found.epochs) == (21, 21_000, 1000)


@pytest.mark.parametrize(
    ("settings", "processes", "an_epoch"),
    [
        ({"gradient_accumulation_steps": 4}, 1, 6),
        ({"gradient_accumulation_steps": 21}, 1, 1),
        ({"train_batch_size": 2, "gradient_accumulation_steps": 2}, 2, 3),
        ({"repeats": 3, "train_batch_size": 4}, 1, 16),
    ],
)
def test_steps_of_an_epoch_round_up(
    settings: dict[str, int], processes: int, an_epoch: int
) -> None:
    found = recipe(processes=processes, num_train_epochs=10, **settings)
    assert found.steps_an_epoch == an_epoch
    assert found.steps == 10 * an_epoch


@pytest.mark.parametrize(("images", "steps"), [(1, 600), (10, 1000), (21, 2000), (500, 2000)])
def test_default_length_grows_with_the_pictures(images: int, steps: int) -> None:
    assert recipe(images=images).steps == steps


def test_steps_overrule_epochs() -> None:
    assert recipe(max_train_steps=7, num_train_epochs=1000).steps == 7


def test_default_warm_up_is_a_twentieth_and_none_for_constant() -> None:
    assert recipe(max_train_steps=1000).warmup == 50
    assert recipe(max_train_steps=1000, lr_scheduler="constant").warmup == 0
    assert recipe(max_train_steps=1000, lr_warmup_steps=7).warmup == 7
    assert recipe(max_train_steps=1000, lr_warmup_steps=0).warmup == 0


def test_scale_lr_multiplies_by_the_pictures_of_a_step() -> None:
    settings = {"train_batch_size": 2, "gradient_accumulation_steps": 3, "learning_rate": 1e-4}
    assert recipe(**settings, processes=2).learning_rate == 1e-4
    assert recipe(**settings, processes=2, scale_lr=True).learning_rate == pytest.approx(12e-4)


def rates(scheduler: str, **settings: object) -> list[float]:
    found = recipe(
        max_train_steps=100,
        lr_warmup_steps=10,
        learning_rate=1.0,
        lr_scheduler=scheduler,
        **settings,
    )
    return [found.learning_rate_at(step) for step in range(100)]


SHAPES = ["constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"]


@pytest.mark.parametrize("scheduler", SHAPES)
def test_warm_up_rises_from_above_zero_to_the_peak(scheduler: str) -> None:
    found = rates(scheduler)
    assert found[:10] == pytest.approx([0.1 * number for number in range(1, 11)])
    assert max(found) == pytest.approx(1.0)
    assert min(found) > 0 or scheduler == "cosine_with_restarts"


def test_shapes_after_the_warm_up() -> None:
    assert rates("constant") == [1.0] * 100
    assert rates("constant_with_warmup")[10:] == [1.0] * 90
    assert rates("linear")[55] == pytest.approx(0.5)
    assert rates("linear")[99] == pytest.approx(1 / 90)
    assert rates("cosine")[55] == pytest.approx(0.5)
    assert rates("cosine")[99] == pytest.approx(0.5 * (1 + math.cos(math.pi * 89 / 90)))
    assert rates("polynomial", lr_power=2.0)[55] == pytest.approx(0.25)
    waves = rates("cosine_with_restarts", lr_num_cycles=3)
    assert [waves[step] for step in (10, 40, 70)] == pytest.approx([1.0] * 3)
    assert waves[25] == pytest.approx(0.5)
    assert rates("cosine_with_restarts", lr_num_cycles=1) == pytest.approx(rates("cosine"))


@pytest.mark.parametrize("scheduler", ["constant_with_warmup", "linear", "cosine"])
def test_shapes_are_those_of_diffusers(scheduler: str) -> None:
    torch = pytest.importorskip("torch")
    from diffusers.optimization import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_scheduler(scheduler, optimizer, num_warmup_steps=10, num_training_steps=100)
    found = []
    for _ in range(100):
        found.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    # theirs warms up from 0, ours from the first tenth: the same after the warm-up
    assert rates(scheduler)[10:] == pytest.approx(found[10:])


def test_steps_of_the_learning_rate_are_those_of_diffusers() -> None:
    torch = pytest.importorskip("torch")
    from diffusers.optimization import get_scheduler

    rules = "1:10,0.1:20,0.01:30,0.005"
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = get_scheduler("piecewise_constant", optimizer, step_rules=rules)
    found = []
    for _ in range(40):
        found.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    ours = recipe(
        max_train_steps=40, learning_rate=1, lr_scheduler="piecewise_constant", lr_step_rules=rules
    )
    assert [ours.learning_rate_at(step) for step in range(40)] == found


@pytest.mark.parametrize("rules", ["", "1:5", "1:x,2", "1:9,1:5,1", "0:5,1", "-1", "1:0,1", "nan"])
def test_steps_that_cannot_be(rules: str) -> None:
    with pytest.raises(ValueError, match="must look like 1:500,"):
        TrainSettings.model_validate({"lr_step_rules": rules})


def test_what_is_left_to_the_optimizer() -> None:
    assert recipe().learning_rate == 1e-4
    assert recipe(optimizer="prodigy", max_train_steps=100).warmup == 0
    assert recipe(optimizer="prodigy", max_train_steps=100, lr_warmup_steps=5).warmup == 5
    told = recipe(optimizer="schedule-free").resolved()
    assert (told["learning_rate"], told["lr_scheduler"]) == (3e-4, "constant_with_warmup")
    assert recipe(use_ema=True).ema_decay == 0.9999
    assert recipe(use_ema=True, ema_decay=0.5).ema_decay == 0.5
    assert "ema_decay" not in recipe().resolved()


def test_samples_and_states_have_sensible_defaults() -> None:
    found = recipe(max_train_steps=2000)
    assert (found.checkpoint_every, found.sample_every, found.snapshot_every) == (250, 250, 250)
    assert recipe(max_train_steps=300).sample_every == 100
    assert recipe(max_train_steps=2000, validation_steps=0).sample_every == 0
    assert recipe(max_train_steps=2000, snapshot_steps=40).snapshot_every == 40


def test_what_is_written_down_holds_no_path() -> None:
    found = recipe(output_dir="/home/me/runs/x", pretrained_model_name_or_path="/home/me/base")
    assert "/home/me" not in repr(found.resolved())
