"""Sizes of the pictures of a dataset: counted, and as a report tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hubtools.dataset.pictures.facts import upright

if TYPE_CHECKING:
    from hubtools.dataset.view import Dataset


def sizes_of(looked: Dataset) -> Counter[tuple[int, int]]:
    """How many pictures have which (width, height), upright."""
    table = looked.learnt
    columns = (table.column(name).tolist() for name in ("width", "height", "orientation"))
    found = Counter(zip(*columns, strict=True))
    sizes: Counter[tuple[int, int]] = Counter()
    for (width, height, orientation), count in found.items():
        if width and height:
            sizes[upright(width, height, orientation)] += count
    return sizes


def sizes_in(facts: Mapping[str, Any]) -> str:
    """The sizes of the pictures of a report, `64x64 to 800x600` by area; empty if none is known."""
    if "smallest" not in facts:
        return ""
    small, large = facts["smallest"], facts["largest"]
    return str(small) if small == large else f"{small} to {large}"
