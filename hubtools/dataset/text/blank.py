"""Captions that say nothing."""

from __future__ import annotations

# Words that a spreadsheet writes for nothing.
_NOTHING = frozenset({"", "na", "n/a", "nan", "none", "null", "#n/a", "<na>"})
_LONGEST = max(map(len, _NOTHING))


def is_blank(caption: str) -> bool:
    """True for white space and for what programs write in place of nothing."""
    # nearly all need no second look, and there may be a million
    if len(caption) > _LONGEST and "!" <= caption[0] <= "~":
        return False
    return caption.strip().lower() in _NOTHING
