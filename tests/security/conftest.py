"""What the tests of `push` share: a small dataset; see `pushing`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.pushing import make_dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Three pictures with captions, a card and a note."""
    return make_dataset(tmp_path / "people")
