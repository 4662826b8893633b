"""Hashes turn with their pictures; the measures say what an eye would."""

from __future__ import annotations

import numpy as np
import pytest
from photos import photo
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from hubtools.dataset.pictures.appearance import (
    TURNS,
    Grey,
    hash_of,
    measure,
    shrunk,
    turned,
    turned_pixels,
)


def grey(picture: Image.Image) -> Grey:
    return np.asarray(picture.convert("L"))


def bits(one: int, other: int) -> int:
    return (one ^ other).bit_count()


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("size", [(128, 128), (200, 131)])
def test_the_hash_of_a_turned_picture_is_worked_out(turn: int, size: tuple[int, int]) -> None:
    picture = photo(3, size)
    exif = picture.getexif()
    exif[0x0112] = turn
    upright = ImageOps.exif_transpose(picture)
    assert (turned_pixels(np.asarray(picture), turn) == np.asarray(upright)).all()
    hashes = turned(np.array([hash_of(grey(picture))], dtype=np.uint64), turn)
    # averages over parts of pixels round differently from the other side
    assert bits(int(hashes[0]), hash_of(grey(upright))) <= 1
    if turn > 1:
        assert bits(int(hashes[0]), hash_of(grey(picture))) > 8


@pytest.mark.parametrize("seed", range(8))
def test_copies_hash_alike_and_others_do_not(seed: int) -> None:
    picture = photo(seed)
    ours = hash_of(grey(picture))
    assert bits(ours, hash_of(grey(picture.resize((128, 96))))) <= 2
    assert bits(ours, hash_of(grey(ImageEnhance.Brightness(picture).enhance(0.8)))) <= 2
    assert bits(ours, hash_of(grey(picture.resize((300, 100))))) <= 4
    assert bits(ours, hash_of(grey(photo(seed + 100)))) > 12


def test_measures() -> None:
    picture = photo(1)
    look = measure(grey(picture))
    values = grey(picture).astype(float)
    assert look.brightness == pytest.approx(values.mean())
    assert look.contrast == pytest.approx(values.std())
    assert look.darkest == pytest.approx(np.percentile(values, 1), abs=1)
    assert look.lightest == pytest.approx(np.percentile(values, 99), abs=1)
    soft = measure(grey(picture.filter(ImageFilter.GaussianBlur(3))))
    assert soft.sharpness < look.sharpness / 20
    assert soft.crispness < look.crispness / 20
    assert look.crispness >= look.sharpness
    flat = measure(np.full((50, 60), 200, dtype=np.uint8))
    assert flat[1:] == (200, 200, 200, 0, 0, 0, 0)
    halves = measure(np.repeat(np.array([[0, 255]], dtype=np.uint8), 32, axis=1).repeat(64, axis=0))
    assert halves.information == pytest.approx(1)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    values = grey(photo(2)).astype(float)
    edges = 4 * values[1:-1, 1:-1] - values[:-2, 1:-1] - values[2:, 1:-1]
    edges -= values[1:-1, :-2] + values[1:-1, 2:]
    assert measure(grey(photo(2))).sharpness == pytest.approx(edges.var(), rel=1e-3)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (2, 2), (3, 9), (9, 3), (10, 10)])
def test_the_smallest_pictures_have_a_look(size: tuple[int, int]) -> None:
    look = measure(np.zeros(size, dtype=np.uint8))
    assert np.isfinite(look).all()


@pytest.mark.parametrize(
    ("size", "after"),
    [
        ((100, 100), (100, 100)),
        ((255, 400), (255, 400)),
        ((512, 1024), (128, 256)),
        ((20_000, 3), (6667, 3)),
        ((256, 40_000), (128, 6667)),
    ],
)
def test_small_copies(size: tuple[int, int], after: tuple[int, int]) -> None:
    assert shrunk(np.zeros(size, dtype=np.uint8)).shape == after
