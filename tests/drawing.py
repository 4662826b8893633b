"""Pictures for tests. A module of its own: whoever imports a conftest makes it run twice."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw


def write_pictures(folder: Path, count: int, size: tuple[int, int] = (80, 96)) -> Path:
    """`count` different pictures with captions in the column `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        picture = Image.new("RGB", size, (37 * number % 256, 200 - 20 * number, 90))
        pen = ImageDraw.Draw(picture)
        pen.ellipse((5 + 4 * number, 12, 50, 70), fill=(250, 25 * number, 30))
        pen.rectangle((50, 60, 78, 90), fill=(20, 60, 25 * number))
        name = f"picture{number}.png"
        picture.save(folder / name)
        rows.append(json.dumps({"file_name": name, "text": f"photo of a tok, number {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def apart(one: Path, other: Path) -> tuple[int, int]:
    """The largest difference of two pictures, of 255, and how many of their values differ. Drawn
    with the LoRA beside the base's weights or added into them, or several at once, a few may differ
    by 1, by rounding."""
    with Image.open(one) as first, Image.open(other) as second:
        bands = ImageChops.difference(first.convert("RGB"), second.convert("RGB"))
    values = bands.tobytes()
    return max(values), len(values) - values.count(0)
