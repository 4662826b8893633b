"""Which published bases a GPU has room for: data/gpu_memory.json, reckoned from their
configurations by `benchmarks/family_plans.py --fitting`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path


@cache
def fitting() -> Mapping[int, Mapping[str, str]]:
    """By GB of a GPU: bases that can be trained there at their own size, with a batch of one in
    bf16 and without samples on the way, and the fewest options that this takes."""
    file = Path(__file__).parents[1] / "data" / "gpu_memory.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    return {int(card): told for card, told in sorted(content.items(), key=lambda one: int(one[0]))}
