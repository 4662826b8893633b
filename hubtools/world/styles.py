"""Drawing styles: the look shapes are painted in, and what is done to the picture afterwards."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hubtools.world.canvas import PaintStyle
from hubtools.world.scene import Style

PAINT_STYLES: dict[Style, PaintStyle] = {
    "render": PaintStyle(soft=True),
    "flat illustration": PaintStyle(simple=True),
    "outlined cartoon": PaintStyle(hard=True, ink=5.0),
    "pixel art": PaintStyle(simple=True, hard=True),
    "pointillist painting": PaintStyle(soft=True),
}
_PIXELS = (
    128 / 4
)  # of pixel art, to a picture's width: 4 pixels each at 128, so that cells of 8 hold whole ones
_COLOURS = 28  # of pixel art
_DOTS = 32  # of pointillism, to a picture's width: dots of 4 pixels at 128


def block_of(size: int) -> int:
    """The side in pixels of a pixel of pixel art."""
    return max(1, round(size / _PIXELS))


def finish(image: Image.Image, style: Style, size: int, seed: int) -> Image.Image:
    """The picture of `size` x `size` pixels from its larger canvas."""
    if style == "pixel art":
        return _pixels(image, size)
    factor = image.width // size
    picture = image.reduce(factor) if factor > 1 else image
    return _dots(picture, seed) if style == "pointillist painting" else picture


def _pixels(image: Image.Image, size: int) -> Image.Image:
    """Few large pixels of few colours."""
    block = block_of(size)
    count = -(-size // block)
    few = image.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    # a pixel takes the colour most of it has; rare colours count more, or eyes would get lost
    side = image.width // count
    indices = np.asarray(few)
    rarity = 1 + 0.9 * np.exp(-40 * np.bincount(indices.ravel(), minlength=_COLOURS) / indices.size)
    cells = np.arange(image.width) // side
    votes = np.bincount(
        ((cells[:, None] * count + cells) * _COLOURS + indices).ravel(),
        minlength=count * count * _COLOURS,
    ).reshape(count, count, _COLOURS)
    small = Image.fromarray((votes * rarity).argmax(2).astype(np.uint8), "P")
    small.putpalette(few.getpalette() or [])
    large = small.convert("RGB").resize((count * block, count * block), Image.Resampling.NEAREST)
    return large.crop((0, 0, size, size))


@functools.lru_cache(16)
def _pattern(
    size: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.intp]]:
    """Dots scattered over a picture: for each pixel the dot it belongs to and how much it is
    covered by it (0 to 1), (size, size); and the pixel in the middle of each dot, flat."""
    rng = np.random.Generator(np.random.PCG64(3))
    cells = _DOTS + 2
    pitch = size / _DOTS
    grid = np.stack(np.meshgrid(np.arange(cells), np.arange(cells)), -1) - 0.5
    centres = (grid + rng.random((cells, cells, 2)) * 0.7 - 0.35) * pitch
    radii = pitch * (0.46 + 0.26 * rng.random((cells, cells)))
    rows, columns = np.mgrid[0:size, 0:size]
    cell_x, cell_y = (columns / pitch + 0.5).astype(int), (rows / pitch + 0.5).astype(int)
    best = np.full((size, size), np.inf)
    dots = np.zeros((size, size), np.int32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            y, x = np.clip(cell_y + dy, 0, cells - 1), np.clip(cell_x + dx, 0, cells - 1)
            near = (
                np.hypot(centres[y, x, 0] - columns - 0.5, centres[y, x, 1] - rows - 0.5)
                - radii[y, x]
            )
            closer = near < best
            best = np.where(closer, near, best)
            dots = np.where(closer, y * cells + x, dots).astype(np.int32)
    cover = np.clip(0.5 - best, 0, 1).astype(np.float32)
    middle = np.clip(np.floor(centres).astype(int), 0, size - 1)
    return dots, cover, (middle[..., 1] * size + middle[..., 0]).ravel()


def _dots(picture: Image.Image, seed: int) -> Image.Image:
    """Dots of pure colour on a darkened ground; each strays a little in hue and brightness."""
    size = picture.width
    dots, cover, middle = _pattern(size)
    pixels = np.asarray(picture, np.float32).reshape(-1, 3)
    rng = np.random.Generator(np.random.PCG64(seed))
    stray = rng.random((len(middle), 4), np.float32) - 0.5
    colours = pixels[middle] + stray[:, :3] * 16 + stray[:, 3:] * 18
    grey = colours.mean(1, keepdims=True)
    colours = grey + (colours - grey) * 1.25  # pure colours, as from the tube
    ground = pixels.reshape(size, size, 3) * 0.68 + np.array([40, 38, 56], np.float32)
    share = cover[..., None]
    mixed = colours[dots] * share + ground * (1 - share)
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))
