"""Changes of many captions: what becomes of one."""

from __future__ import annotations

from typing import Any

import pytest

from hubtools.errors import UsageError
from hubtools.reviewing.wording import edit_of, over


def _after(caption: str, **asked: Any) -> str:
    return edit_of(asked, "tok")(caption)


@pytest.mark.parametrize(
    ("caption", "asked", "after"),
    [
        ("a man, a man", {"do": "replace", "text": "man", "new": "person"}, "a person, a person"),
        ("a man of Manila", {"do": "replace", "text": "man", "new": "cat", "word": True},
         "a cat of Manila"),
        ("a woman", {"do": "replace", "text": "man", "new": "cat", "word": True}, "a woman"),
        ("view 12", {"do": "replace", "text": r"view (\d+)", "new": r"\1", "regex": True}, "12"),
        ("a.b", {"do": "replace", "text": ".", "new": "-"}, "a-b"),
        ("red, dark red", {"do": "rename", "text": "red", "new": "blue"}, "blue, dark red"),
        ("red, x, red", {"do": "rename", "text": "red", "new": "blue"}, "blue, x"),
        ("red, blue, x", {"do": "rename", "text": "red", "new": "blue"}, "blue, x"),
        ("a  red hat", {"do": "rename", "text": "red", "new": "blue"}, "a  red hat"),
        ("a, b", {"do": "add", "text": "c"}, "a, b, c"),
        ("a, b,", {"do": "add", "text": "c"}, "a, b, c"),
        ("a,  b", {"do": "add", "text": "a"}, "a,  b"),
        ("", {"do": "add", "text": "c"}, "c"),
        ("a hat", {"do": "trigger"}, "tok, a hat"),
        (" ", {"do": "trigger"}, " "),  # as `fix` and `caption --trigger-insert` leave it
        ("a, b", {"do": "add", "text": "c", "where": "start"}, "c, a, b"),
        ("photo of tok, a, b", {"do": "add", "text": "c", "where": "trigger"},
         "photo of tok, c, a, b"),
        ("a, b", {"do": "add", "text": "c", "where": "trigger"}, "c, a, b"),
        ("a, b, a", {"do": "remove", "text": "a"}, "b"),
        ("a red hat, b", {"do": "remove", "text": "red"}, "a hat, b"),
        ("a hatter", {"do": "remove", "text": "hat"}, "a hatter"),
        ("red", {"do": "remove", "text": "red"}, ""),
        ("a, b, c", {"do": "move", "text": "c", "to": 1}, "c, a, b"),
        ("a, b, c", {"do": "move", "text": "a", "to": -1}, "b, c, a"),
        ("a, b, c", {"do": "move", "text": "a", "to": 99}, "b, c, a"),
        ("a, b, c", {"do": "move", "text": "x", "to": 1}, "a, b, c"),
        ("b, A, c", {"do": "sort"}, "A, b, c"),
        ("a, b, a", {"do": "unique"}, "a, b"),
        ("a man", {"do": "trigger"}, "tok, a man"),
        ("tok, a man", {"do": "trigger"}, "tok, a man"),
        (" a \n b ", {"do": "tidy"}, "a b"),
        ("a", {"do": "set", "text": "b"}, "b"),
    ],
)  # fmt: skip
def test_one(caption: str, asked: dict[str, Any], after: str) -> None:
    assert _after(caption, **asked) == after


@pytest.mark.parametrize(
    "asked",
    [{"do": "replace", "text": ""}, {"do": "add", "text": " "}, {"do": "rename", "text": "a"},
     {"do": "else"}, {"do": "replace", "text": "(", "regex": True}],
)  # fmt: skip
def test_what_cannot_be_is_a_sentence(asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        edit_of(asked, "tok")


def test_without_a_trigger_and_several_captions() -> None:
    with pytest.raises(UsageError, match="no trigger"):
        edit_of({"do": "trigger"}, None)
    add = edit_of({"do": "add", "text": "c"}, None)
    assert over(["a", "b"], add) == ["a, c", "b, c"]
    assert over(None, add) == "c"
