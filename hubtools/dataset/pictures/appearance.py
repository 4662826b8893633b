"""What a picture looks like, in a few numbers: a perceptual hash, brightness, sharpness.

All of it is computed from one small grey copy, so that it costs little more than the decoding that
proves a file whole. Arrays are `(height, width)` of `uint8`, short side 128 to 255 pixels unless
the picture itself is smaller.

The hash holds the signs of the 64 lowest frequencies of a 32x32 discrete cosine transform. Signs
need no threshold, so that mirroring and turning a picture only flips and swaps bits: the hash of a
mirrored copy is worked out, not measured (see `turned`).
"""

from __future__ import annotations

import math
from array import array
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

Grey = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]

# The side below which no small copy goes: fine blur is gone from anything smaller.
SIDE = 128
# The longer side is averaged down to this: a picture of one column may have millions of rows.
LONGEST = 8192
_TILES = 8
_LEVELS = np.arange(256, dtype=np.int64)


class ImageStats(NamedTuple):
    """Brightness and its kin in grey levels, 0 black to 255 white.

    `darkest` and `lightest` are the 1st and 99th percentile; `contrast` the standard deviation;
    `information` the entropy of the levels in bits (0 one colour, 8 all equally often);
    `sharpness` the variance of the Laplacian, `crispness` that of the sharpest of 64 tiles.
    """

    hash: int
    brightness: float
    darkest: float
    lightest: float
    contrast: float
    information: float
    sharpness: float
    crispness: float


def measure(grey: Grey) -> ImageStats:
    """Measure a small grey copy."""
    counts = np.frombuffer(array("q", Image.fromarray(grey).histogram()), dtype=np.int64)
    total = grey.size
    reached = counts.cumsum()
    first, second = int(counts @ _LEVELS), int(counts @ _LEVELS**2)
    # whole numbers: nothing is lost where the levels hardly differ
    spread = (second * total - first * first) / total**2
    bits = float(counts @ np.log2(np.maximum(counts, 1)))
    sharpness, crispness = _sharpness(grey)
    return ImageStats(
        hash_of(grey),
        first / total,
        float(reached.searchsorted(-(-total // 100))),
        float(reached.searchsorted(total - total // 100)),
        spread**0.5,
        max(0.0, math.log2(total) - bits / total),
        sharpness,
        crispness,
    )


def shrunk(grey: Grey) -> Grey:
    """Averaged down by a whole factor until the short side is below twice `SIDE`."""
    factor = min(grey.shape) // SIDE
    if factor > 1:
        grey = np.asarray(Image.fromarray(grey).reduce(factor))
    return narrowed(grey)


def narrowed(grey: Grey) -> Grey:
    """Averaged down along its longer side until that is `LONGEST` at most."""
    if max(grey.shape) <= LONGEST:
        return grey
    down, across = (-(-side // LONGEST) for side in grey.shape)
    return np.asarray(Image.fromarray(grey).reduce((across, down)))


def _sharpness(grey: Grey) -> tuple[float, float]:
    """Variance of the 4-neighbour Laplacian: (of the picture, of its sharpest tile)."""
    across = grey.shape[1]
    height, width = (side - 2 for side in grey.shape)
    if height < 1 or width < 1:
        return 0.0, 0.0
    # In one row, each pixel's neighbours are at fixed distances; what wraps around is cut off.
    levels = grey.ravel().astype(np.int16)
    edges = levels[across:-across] * np.int16(4)
    edges -= levels[: -2 * across]
    edges -= levels[2 * across :]
    edges -= levels[across - 1 : -across - 1]
    edges -= levels[across + 1 : levels.size - across + 1]
    squares = edges.reshape(height, across)[:, 1:-1].astype(np.float32)
    flat = squares.ravel()
    # The Laplacian's mean is next to nothing: its square is the variance.
    whole = float(flat @ flat) / flat.size
    tall, wide = height // _TILES, width // _TILES
    if not tall or not wide:
        return whole, whole
    squares *= squares
    tiles = _tiles(height) @ squares @ _tiles(width).T
    return whole, float(tiles.max()) / (tall * wide)


@lru_cache(maxsize=512)
def _tiles(length: int) -> Floats:
    """(8, length): adds up `length` pixels in eight tiles of equal size; a rest is left out."""
    each = length // _TILES
    sums = np.zeros((_TILES, length), dtype=np.float32)
    for tile in range(_TILES):
        sums[tile, tile * each : (tile + 1) * each] = 1
    return sums


# --- the hash ----------------------------------------------------------------------------------

_CELLS = 32


@lru_cache(maxsize=512)
def _basis(length: int) -> Floats:
    """(9, length): averages `length` pixels into 32 cells and takes their 9 lowest cosines."""
    edges = np.linspace(0, length, _CELLS + 1)
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(length)[None, :]
    overlap = np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
    cells = overlap / overlap.sum(axis=1, keepdims=True)
    steps = np.arange(_CELLS) + 0.5
    cosines = np.cos(np.pi / _CELLS * np.arange(9)[:, None] * steps[None, :])
    basis: Floats = (cosines @ cells).astype(np.float32)
    return basis


def hash_of(grey: Grey) -> int:
    """64 bits: the signs of the frequencies (u, v), u and v below 8, with (8, 8) in place of the
    mean at (0, 0). Bit 63 is (0, 0), bit 0 is (7, 7)."""
    height, width = grey.shape
    waves = _basis(height) @ grey.astype(np.float32) @ _basis(width).T
    low = waves[:8, :8] > 0
    low[0, 0] = waves[8, 8] > 0
    return int.from_bytes(np.packbits(low).tobytes(), "big")


def _odd(axis: int) -> np.uint64:
    """Bits of the frequencies that are odd along an axis (0 down, 1 across)."""
    grid = np.indices((8, 8))[axis] % 2 == 1
    return np.uint64(int.from_bytes(np.packbits(grid).tobytes(), "big"))


_ACROSS, _DOWN = _odd(1), _odd(0)


def _swapped(hashes: Hashes, shift: int, mask: int) -> Hashes:
    """Exchange the masked bits with those `shift` below them."""
    by, where = np.uint64(shift), np.uint64(mask)
    moved = (hashes ^ (hashes >> by)) & where
    result: Hashes = hashes ^ moved ^ (moved << by)
    return result


def _transposed(hashes: Hashes) -> Hashes:
    """The 8x8 bits, rows for columns (Warren, Hacker's Delight, 7-3)."""
    hashes = _swapped(hashes, 7, 0x00AA00AA00AA00AA)
    hashes = _swapped(hashes, 14, 0x0000CCCC0000CCCC)
    return _swapped(hashes, 28, 0x00000000F0F0F0F0)


# The eight ways to lay a picture down, numbered as EXIF numbers orientations: what has to be done
# to the stored pixels to see it upright.
TURNS = {
    1: "as it is",
    2: "mirrored",
    3: "turned by 180 degrees",
    4: "upside down, mirrored",
    5: "turned and mirrored",
    6: "turned by 90 degrees",
    7: "turned and mirrored",
    8: "turned by 270 degrees",
}


def turned(hashes: Hashes, turn: int) -> Hashes:
    """Hashes of the same pictures after the turn that EXIF orientation `turn` asks for."""
    if turn >= 5:
        hashes = _transposed(hashes)
    if turn in (2, 3, 6, 7):
        hashes = hashes ^ _ACROSS
    if turn in (3, 4, 7, 8):
        hashes = hashes ^ _DOWN
    return hashes


def turned_pixels(pixels: npt.NDArray[Any], turn: int) -> npt.NDArray[Any]:
    """The same turn done to pixels, `(height, width, ...)`."""
    if turn >= 5:
        pixels = pixels.swapaxes(0, 1)
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
