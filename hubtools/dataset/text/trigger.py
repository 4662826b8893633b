"""The trigger in a text: a word of its own, not letters within another word."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubtools.settings import DatasetSettings


@lru_cache(maxsize=64)
def word_pattern(word: str) -> re.Pattern[str]:
    """A pattern for `word` where it stands alone: `art` in `art, front view`, not in `party`."""
    before = r"(?<![\w-])" if word[:1].isalnum() else ""
    after = r"(?![\w-])" if word[-1:].isalnum() else ""
    return re.compile(before + re.escape(word) + after)


def has_word(text: str, word: str) -> bool:
    """True if `word` stands in `text` on its own."""
    return word_pattern(word).search(text) is not None


def other_case(text: str, word: str) -> str | None:
    """`word` as it stands in `text` on its own, in other capitals (`Bello` for `bello`)."""
    pattern = word_pattern(word)
    found = re.search(pattern.pattern, text, re.IGNORECASE)
    return found[0] if found and found[0] != word else None


def replace_word(text: str, word: str, other: str) -> str:
    """`text` with `other` wherever `word` stands on its own."""
    return word_pattern(word).sub(lambda found: other, text)


def one_for_all(settings: DatasetSettings) -> str:
    """A caption that is true of all pictures, as far as it is known what they show: to be corrected
    by hand."""
    if settings.trigger:
        return f"a photo of {settings.trigger}"
    if "class_noun" not in settings.model_fields_set:
        return "a photo"
    article = "an" if settings.class_noun[:1].lower() in tuple("aeiou") else "a"
    return f"a photo of {article} {settings.class_noun}"
