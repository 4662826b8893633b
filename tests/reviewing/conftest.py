"""A small dataset to review."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drawing import write_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures with captions that have the trigger `tok`."""
    return write_pictures(tmp_path / "people", 4)
