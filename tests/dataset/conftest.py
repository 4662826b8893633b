"""A small dataset without a fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from hubtools.project import DatasetSettings

TRIGGER = "(tok)"


def picture(path: Path, number: int, size: tuple[int, int] = (64, 64), mode: str = "RGB") -> Path:
    """A picture that no other number gives."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (40 * number % 256, 90, 200))
    ImageDraw.Draw(image).ellipse((8, 8, 20 + number, 40), fill=(250, 9 * number % 256, 30))
    image.convert(mode).save(path)
    return path


@pytest.fixture
def settings() -> DatasetSettings:
    return DatasetSettings(trigger=TRIGGER, license="cc0-1.0", rights="own")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Three pictures, `metadata.jsonl`, nothing to find."""
    root = tmp_path / "good"
    rows = []
    for number in range(3):
        picture(root / f"{number}.png", number)
        rows.append({"file_name": f"{number}.png", "text": f"{TRIGGER}, view {number}"})
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root
