"""Progress bars of the Hub's client in a terminal."""

from __future__ import annotations

import pytest
from huggingface_hub.utils.tqdm import tqdm

from hubtools.hub.download import closed_bars


def test_bars_are_closed_before_anything_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    with closed_bars() as bar:
        bars = [bar(total=3), bar(total=4)]
        monkeypatch.setattr(tqdm, "close", lambda self: closed.append(id(self)))
    assert closed[:2] == [id(one) for one in reversed(bars)]
