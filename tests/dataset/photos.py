"""Pictures with something to see in them, and colour profiles."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageDraw


def photo(seed: int, size: tuple[int, int] = (256, 192)) -> Image.Image:
    """A cloudy ground with hard-edged shapes; no two seeds look alike."""
    random = np.random.default_rng(seed)
    picture = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(7):
        x, y = random.integers(0, size[0]), random.integers(0, size[1])
        w, h = random.integers(size[0] // 10, size[0] // 3, 2)
        colour = tuple(int(c) for c in random.integers(0, 256, 3))
        draw.rectangle((x - w // 2, y - h // 2, x + w // 2, y + h // 2), fill=colour)
    return picture


def put_photo(root: Path, name: str, seed: int, size: tuple[int, int] = (256, 192)) -> Path:
    """Save one; the folder is made."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    photo(seed, size).save(root / name)
    return root / name


def profile(red: tuple[float, float, float] | None = None) -> bytes:
    """An sRGB profile, or one whose red primary is another."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if red is not None:
        (count,) = struct.unpack_from(">I", data, 128)
        for number in range(count):
            tag, offset, _ = struct.unpack_from(">4sII", data, 132 + 12 * number)
            if tag == b"rXYZ":
                struct.pack_into(">3i", data, offset + 8, *(round(v * 65536) for v in red))
    return bytes(data)


# Display P3's red under D50.
P3_RED = (0.5151, 0.2412, -0.0011)
