"""Order, cut and random numbers."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hubtools.settings import TrainSettings
from hubtools.training.buckets import Buckets, epoch_steps, permutation
from hubtools.training.crops import geometry, geometry_of, pixels
from hubtools.training.draws import draw
from hubtools.training.order import (
    micro_batches,
    most_frequent_shape,
    shape_of,
    step_items,
)
from hubtools.training.recipe import Recipe, make_recipe


def recipe(images: int, processes: int = 1, **given: object) -> Recipe:
    return make_recipe(
        TrainSettings.model_validate({"max_train_steps": 50} | given),
        resolution=512,
        images=images,
        world_size=processes,
        precision="no",
        prediction_type="epsilon",
    )


@given(st.integers(1, 300), st.integers(0, 2**40), st.integers(0, 50))
def test_an_epoch_has_every_picture_once(count: int, seed: int, epoch: int) -> None:
    assert sorted(permutation(count, seed, epoch)) == list(range(count))


def test_order_differs_between_epochs_and_seeds_and_is_pinned() -> None:
    assert permutation(50, 0, 0) != permutation(50, 0, 1)
    assert permutation(50, 0, 0) != permutation(50, 1, 0)
    # A change here would make every state saved so far continue as another run.
    assert permutation(8, 42, 3) == (0, 3, 6, 2, 1, 7, 5, 4)


@settings(deadline=None)
@given(
    images=st.integers(1, 40),
    repeats=st.integers(1, 3),
    batch=st.integers(1, 5),
    accumulation=st.integers(1, 4),
    processes=st.integers(1, 4),
    step=st.integers(0, 49),
)
def test_forward_passes_of_all_processes_make_up_the_step(
    images: int, repeats: int, batch: int, accumulation: int, processes: int, step: int
) -> None:
    found = recipe(
        images,
        processes,
        repeats=repeats,
        train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
    )
    shares = [micro_batches(found, step, process) for process in range(processes)]
    together = sorted(pair for share in shares for part in share for pair in part)
    assert together == list(enumerate(step_items(found, step)))
    assert all(len(part) <= batch for share in shares for part in share)
    assert all(len(share) <= accumulation for share in shares)


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 3), st.integers(1, 7))
def test_an_epoch_of_steps_sees_each_picture_as_often_as_it_repeats(
    images: int, repeats: int, batch: int
) -> None:
    found = recipe(images, repeats=repeats, train_batch_size=batch)
    seen = Counter(item for step in range(found.steps_an_epoch) for item in step_items(found, step))
    assert seen == dict.fromkeys(range(images), repeats)


def test_two_processes_see_what_one_with_twice_the_batch_sees() -> None:
    one = recipe(11, 1, train_batch_size=4)
    two = recipe(11, 2, train_batch_size=2)
    for step in range(20):
        halves = [micro_batches(two, step, process) for process in range(2)]
        merged = [pair for share in halves for part in share for pair in part]
        assert sorted(merged) == sorted(p for part in micro_batches(one, step, 0) for p in part)


def test_random_numbers_belong_to_a_place_in_a_step_and_to_nothing_else() -> None:
    torch = pytest.importorskip("torch")
    found = recipe(9, train_batch_size=3, random_flip=True)
    together = draw(found, 5, [0, 1, 2], (4, 8, 8))
    alone = draw(found, 5, [2], (4, 8, 8))
    assert torch.equal(together.noise[2], alone.noise[0])
    assert torch.equal(together.posterior[2], alone.posterior[0])
    assert together.t[2] == alone.t[0]
    assert together.chosen[2] == alone.chosen[0]
    assert not torch.equal(together.noise[0], together.noise[1])
    assert not torch.equal(draw(found, 6, [0], (4, 8, 8)).noise[0], together.noise[0])
    # turning one kind of randomness on does not shift another's
    other = recipe(9, noise_offset=0.1, caption_dropout=0.9)
    assert torch.equal(draw(other, 5, [2], (4, 8, 8)).posterior[0], alone.posterior[0])


def test_random_numbers_have_the_right_shares() -> None:
    pytest.importorskip("torch")
    found = recipe(9, random_flip=True, caption_dropout=0.2, noise_offset=0.5)
    many = draw(found, 0, range(3000), (4, 2, 2))
    assert sum(one.flip for one in many.chosen) / 3000 == pytest.approx(0.5, abs=0.04)
    assert sum(one.drop for one in many.chosen) / 3000 == pytest.approx(0.2, abs=0.04)
    assert float(many.t.mean()) == pytest.approx(0.5, abs=0.03)
    assert 0 <= float(many.t.min()) <= float(many.t.max()) < 1
    # a channel's offset is shared by its cells: their mean varies by 1/4 + 0.5^2 around 0
    assert float(many.noise.mean((2, 3)).var()) == pytest.approx(0.5, abs=0.05)
    none = draw(recipe(9, caption_dropout=0.0), 0, range(50), (4, 2, 2))
    assert not any(one.flip or one.drop for one in none.chosen)


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.integers(4, 128), st.booleans(), st.integers(0)
)
def test_a_cut_lies_within_the_resized_picture(
    width: int, height: int, eighths: int, center: bool, seed: int
) -> None:
    resolution = 8 * eighths
    cut = geometry((width, height), resolution, center_crop=center, seed=seed, identity="x")
    assert cut.size == (resolution, resolution)
    assert 0 <= cut.left <= cut.width - resolution
    assert 0 <= cut.top <= cut.height - resolution
    assert min(cut.width, cut.height) == resolution


def test_random_crop_is_fixed_by_seed_and_picture() -> None:
    def cut(seed: int, identity: str) -> int:
        return geometry((64, 4000), 64, center_crop=False, seed=seed, identity=identity).top

    assert cut(0, "a") == cut(0, "a")
    assert len({cut(0, "a"), cut(1, "a"), cut(0, "b")}) == 3
    middle = geometry((64, 4000), 64, center_crop=True, seed=0, identity="a")
    assert middle.top == (4000 - 64) // 2


def test_pixels_are_cut_mirrored_and_scaled() -> None:
    torch = pytest.importorskip("torch")
    picture = Image.new("RGB", (128, 64), (255, 0, 0))
    picture.paste((0, 0, 255), (64, 0, 128, 64))
    cut = geometry(picture.size, 64, center_crop=True, seed=0, identity="a")
    plain = pixels(picture, cut, filter="nearest", flip=False)
    assert plain.shape == (3, 64, 64)
    assert plain[:, 0, 0].tolist() == [1.0, -1.0, -1.0]
    assert plain[:, 0, 63].tolist() == [-1.0, -1.0, 1.0]
    mirrored = pixels(picture, cut, filter="nearest", flip=True)
    assert torch.equal(mirrored, plain.flip(2))


# --- buckets -----------------------------------------------------------------------------------


def bucketed(of: list[int], processes: int = 1, **given: object) -> Recipe:
    sizes = tuple((64 + 8 * bucket, 64) for bucket in range(max(of) + 1))
    return make_recipe(
        TrainSettings.model_validate({"max_train_steps": 50} | given),
        resolution=512,
        images=len(of),
        world_size=processes,
        precision="no",
        prediction_type="epsilon",
        buckets=Buckets(tuple(of), sizes),
    )


OF = st.lists(st.integers(0, 4), min_size=1, max_size=30)


@settings(deadline=None)
@given(of=OF, repeats=st.integers(1, 3), seed=st.integers(0, 2**40), epoch=st.integers(0, 9))
def test_a_step_is_of_one_bucket_and_an_epoch_has_every_picture(
    of: list[int], repeats: int, seed: int, epoch: int
) -> None:
    found = bucketed(of, repeats=repeats, train_batch_size=4)
    steps = epoch_steps(found.buckets, repeats, 4, seed, epoch)
    assert len(steps) == found.steps_an_epoch
    assert all(len({of[image] for image in step}) == 1 for step in steps)
    seen = Counter(image for step in steps for image in step)
    assert seen == dict.fromkeys(range(len(of)), repeats)
    again = Buckets(found.buckets.of, found.buckets.sizes)
    assert epoch_steps(again, repeats, 4, seed, epoch) == steps


@settings(deadline=None)
@given(of=OF, repeats=st.integers(1, 2), step=st.integers(0, 49))
def test_a_batch_of_four_is_four_of_one_is_two_processes_of_two(
    of: list[int], repeats: int, step: int
) -> None:
    """Picture by picture, with the slots that seed their random numbers, in every bucket."""
    four = bucketed(of, repeats=repeats, train_batch_size=4)
    ones = bucketed(of, repeats=repeats, gradient_accumulation_steps=4)
    twos = bucketed(of, 2, repeats=repeats, train_batch_size=2)
    (whole,) = micro_batches(four, step, 0)
    assert [pair for share in micro_batches(ones, step, 0) for pair in share] == whole
    halves = [share for rank in range(2) for share in micro_batches(twos, step, rank)]
    assert [pair for share in halves for pair in share] == whole
    shapes = {shape_of(recipe, share)[0] for recipe, share in ((four, whole), (twos, halves[0]))}
    assert shapes == {of[whole[0][1]]}


@given(images=st.integers(1, 40), batch=st.integers(1, 6), seed=st.integers(0, 99))
def test_one_bucket_is_the_order_of_the_epoch(images: int, batch: int, seed: int) -> None:
    """As it was before there were buckets: states saved then go on as the same run."""
    found = recipe(images, train_batch_size=batch, seed=seed)
    order = permutation(images, seed, 0)
    for step in range(min(50, found.steps_an_epoch)):
        assert step_items(found, step) == list(order[step * batch : (step + 1) * batch])


def test_the_most_frequent_shape_is_recorded_whatever_comes_first() -> None:
    assert most_frequent_shape(recipe(9, train_batch_size=4)) == (0, 4)
    assert most_frequent_shape(recipe(3, train_batch_size=4)) == (0, 3)
    # four steps of one picture, one of two; of two shapes as frequent the larger
    assert most_frequent_shape(bucketed([0, 1, 2, 3, 4, 4], train_batch_size=2)) == (4, 2)
    assert most_frequent_shape(bucketed([0] * 3 + [1] * 8, train_batch_size=2)) == (1, 2)


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.integers(8, 128), st.integers(8, 128),
    st.booleans(), st.integers(0),
)  # fmt: skip
def test_a_bucket_is_covered(
    width: int, height: int, wide: int, high: int, center: bool, seed: int
) -> None:
    cut = geometry_of((width, height), (wide, high), center_crop=center, seed=seed, identity="x")
    assert cut.size == (wide, high)
    assert 0 <= cut.left <= cut.width - wide
    assert 0 <= cut.top <= cut.height - high
    assert cut.width == wide or cut.height == high
