"""Pictures for the benchmarks, drawn from a seed: as rich in detail as photographs, so that their
JPEG files are as large and as slow to decode."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def squared(file: Path, size: int, resample: Image.Resampling) -> np.ndarray:
    """(size, size, 3) float32 from -1 to 1: the middle of a picture, scaled to fill a square."""
    with Image.open(file) as opened:
        picture = opened.convert("RGB")
    scale = size / min(picture.size)
    width, height = (max(size, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), resample)
    left, top = (width - size) // 2, (height - size) // 2
    picture = picture.crop((left, top, left + size, top + size))
    return np.asarray(picture, np.float32) / 127.5 - 1


def scene(seed: int, width: int, height: int, scale: int = 1) -> Image.Image:
    """Shaded shapes before a textured ground, in RGB; no two seeds look alike. With a `scale` the
    shapes are that much smaller, and as many more."""
    random = np.random.default_rng(seed)
    long = max(width, height)
    ground = np.zeros((height, width, 3), np.float32)
    tint = random.uniform(0.4, 1.0, 3)
    for octave, strength in ((3, 70), (7, 40), (20, 22), (60, 13), (180, 9), (500, 6)):
        cells = random.normal(size=(max(2, octave * height // long), max(2, octave), 3))
        cells = cells.mean(axis=2, keepdims=True) * 1.5 * tint + cells * 0.35
        for channel in range(3):
            layer = Image.fromarray(cells[..., channel].astype(np.float32))
            layer = layer.resize((width, height), Image.Resampling.BICUBIC)
            ground[..., channel] += strength * np.asarray(layer)
    ground += random.uniform(90, 150, 3)
    picture = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    for _ in range(int(random.integers(4, 9)) * scale * scale):
        _shape(picture, random, max(width, height) / scale)
    values = np.asarray(picture, np.float32)
    values = values + random.normal(scale=2.0, size=values.shape)  # a sensor's noise
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def _shape(picture: Image.Image, random: np.random.Generator, side: float) -> None:
    """A polygon with a soft inner shade and a hard edge."""
    width, height = picture.size
    x, y = random.uniform(0, width), random.uniform(0, height)
    size = random.uniform(0.08, 0.3) * side
    corners = int(random.integers(3, 9))
    start = random.uniform(0, math.tau)
    points = [
        (
            x + size * random.uniform(0.6, 1) * math.cos(start + math.tau * n / corners),
            y + size * random.uniform(0.6, 1) * math.sin(start + math.tau * n / corners),
        )
        for n in range(corners)
    ]
    box = (int(x - size), int(y - size), int(x + size), int(y + size))
    mask = Image.new("L", (box[2] - box[0], box[3] - box[1]))
    ImageDraw.Draw(mask).polygon([(x - box[0], y - box[1]) for x, y in points], fill=255)
    colour = tuple(int(c) for c in random.integers(40, 256, 3))
    shade = mask.filter(ImageFilter.BoxBlur(size / 6)).point(lambda v: 120 + v * 135 // 255)
    paint = Image.composite(Image.new("RGB", mask.size, colour), Image.new("RGB", mask.size), shade)
    picture.paste(paint, box[:2], mask)


def write_set(
    folder: Path, count: int, size: tuple[int, int], ending: str, *, seeds: int = 200
) -> None:
    """`count` different pictures of `size` as JPEG (quality 90) or PNG, with metadata.

    Drawing is slow: `seeds` scenes are drawn, larger than the pictures, and pictures cut out of
    them at places that are far apart.
    """
    import json

    folder.mkdir(parents=True, exist_ok=True)
    width, height = size
    each = -(-count // seeds)
    wide = max(2, math.isqrt(each - 1) + 1)  # cells of a scene, each way
    step = (width // 2, height // 2)  # neighbours share half of what they show
    rows = []
    number = -1
    for number, (seed, cell) in enumerate(
        (seed, cell) for seed in range(-(-count // each)) for cell in range(each)
    ):
        if number == count:
            break
        if not cell:
            size = (width + step[0] * (wide - 1), height + step[1] * (wide - 1))
            whole = scene(seed, *size, scale=max(1, (wide + 1) // 2))
        left, top = (cell % wide) * step[0], (cell // wide) * step[1]
        picture = whole.crop((left, top, left + width, top + height))
        name = f"{number:06d}{ending}"
        picture.save(folder / name, **({"quality": 90} if ending == ".jpg" else {}))
        rows.append(json.dumps({"file_name": name, "text": f"picture {number} of a set"}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
