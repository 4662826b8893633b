"""Simple pictures for small sets."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

TRIGGER = "(tok)"


def picture(path: Path, number: int, size: tuple[int, int] = (64, 64), mode: str = "RGB") -> Path:
    """A picture that no other number gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (40 * number % 256, 90, 200))
    ImageDraw.Draw(image).ellipse((8, 8, 20 + number, 40), fill=(250, 9 * number % 256, 30))
    image.convert(mode).save(path)
    return path
