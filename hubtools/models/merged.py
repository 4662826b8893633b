"""What a merged base knows of the LoRAs that were added to its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubtools.files import StrPath, json_within

INDEX = "model_index.json"
# {SHA-256 of a LoRA's file: its weight}; of an index loaders pass by what begins with a dash below
MERGED_KEY = "_hubtools_merged"
_MOST = 1_000  # LoRAs


def merged_into(base: StrPath) -> dict[str, float]:
    """{SHA-256 of the file: weight} of the LoRAs that the weights of a pipeline folder hold; empty
    for another base, and where nothing tells."""
    index = Path(base) / INDEX
    try:
        return _said(json_within(index)) if index.is_file() else {}
    except ValueError:
        return {}  # what loads it says what is wrong


def _said(index: Any) -> dict[str, float]:
    said = index.get(MERGED_KEY) if isinstance(index, dict) else None
    if not isinstance(said, dict) or len(said) > _MOST:
        return {}
    return {
        name: float(weight)
        for name, weight in said.items()
        if isinstance(weight, int | float) and not isinstance(weight, bool) and abs(weight) < 1e6
    }


def with_merged(index: Mapping[str, Any], loras: Mapping[str, float]) -> dict[str, Any]:
    """The index of a merged base: that of its base, with the LoRAs beside those that were in it."""
    every = _said(dict(index))
    for sha256, weight in loras.items():
        every[sha256] = every.get(sha256, 0.0) + weight
    return {**index, MERGED_KEY: every}
