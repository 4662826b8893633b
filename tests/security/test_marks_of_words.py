"""Words that are looked for by what several of them have."""

from __future__ import annotations

from hubtools.leaks.marks import by_mark, words_in

WORDS = ("a_b", "a-b", "_-", "ab", "b", "ab")


def test_each_word_stands_under_its_first_mark() -> None:
    assert by_mark(WORDS, ("-", "_")) == {"-": ["a-b", "_-"], "_": ["a_b"], "": ["ab", "b"]}


def test_the_words_of_a_text_are_found_as_by_looking_for_each() -> None:
    found = by_mark(WORDS, "-_")
    for text in ("", "ab", "a_b", "x_-a-b", "a b"):
        assert set(words_in(text, found)) == {word for word in WORDS if word in text}
        assert words_in(text, found, {"b"}) == ["b"] * ("b" in text)
