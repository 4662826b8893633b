"""Tests of what only a CUDA GPU shows. Without one they are skipped: `pytest -m gpu` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    try:
        import torch

        there = torch.cuda.is_available()
    except ImportError:
        there = False
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.gpu)
            if not there:
                item.add_marker(pytest.mark.skip(reason="there is no CUDA GPU"))
