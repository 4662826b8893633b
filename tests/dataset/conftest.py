"""A small dataset without a fault."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from simple import TRIGGER, picture

from hubtools.settings import DatasetSettings

# tables and helpers that tests of other rooms use too
sys.path += [str(Path(__file__).parent / room) for room in ("rules", "fix")]


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
