"""The book that the rule modules write into, and what they share."""

from __future__ import annotations

from collections.abc import Iterable

from hubtools.dataset.view import Dataset
from hubtools.findings import RuleBook, plural

__all__ = ["DATASET_RULES", "plural", "some"]

DATASET_RULES: RuleBook[Dataset] = RuleBook()


def some(names: Iterable[str], limit: int = 3) -> str:
    """`a.png, b.png, c.png and 4 more`."""
    listed = sorted(names)
    rest = len(listed) - limit
    return ", ".join(listed[:limit]) + (f" and {rest} more" if rest > 0 else "")
