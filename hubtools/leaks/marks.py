"""Many words, looked for by what several of them have: most texts are words, and have little of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping


def by_mark(words: Iterable[str], marks: Iterable[str]) -> dict[str, list[str]]:
    """The words by the first of the marks that each has; those without one by "", last."""
    found: dict[str, list[str]] = {mark: [] for mark in (*marks, "")}
    for word in dict.fromkeys(words):
        found[next(mark for mark in found if mark in word)].append(word)
    return found


def words_in(
    text: str, sorted_words: Mapping[str, Iterable[str]], among: Collection[str] | None = None
) -> list[str]:
    """Those of the words, sorted by `by_mark`, that are in the text and `among` these (None: any).
    Linear in the text."""
    return [
        word
        for mark, words in sorted_words.items()
        if mark in text
        for word in words
        if (among is None or word in among) and word in text
    ]
