"""Names that every system can have."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubtools.dataset.folder.names import fold, named_as, portable, trouble_of


@pytest.mark.parametrize("name", ["a.png", "CONTEXT.png", "com10.png", "x y", ".hidden", "é😀.jpg"])
def test_plain_names_stay(name: str) -> None:
    assert trouble_of(name) is None
    assert portable(name) == name


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("CON.png", "CON_.png"),
        ("aux", "aux_"),
        ("nul .png", "nul_.png"),
        ("lpt1.tar.gz", "lpt1_.tar.gz"),
        ("a/COM1.png/b?.png ", "a/COM1_.png/b_.png"),
        ("a.png...", "a.png"),
        ("...", "_"),
    ],
)
def test_others_get_one(name: str, made: str) -> None:
    assert any(trouble_of(part) for part in name.split("/"))
    assert portable(name) == made


@given(st.text(st.characters(exclude_characters="/"), min_size=1))
def test_what_is_made_is_portable(name: str) -> None:
    assert trouble_of(portable(name)) is None
    assert portable(portable(name)) == portable(name)


def test_equal_names() -> None:
    nfd = unicodedata.normalize("NFD", "Été.PNG")
    assert fold(nfd) == fold("été.png")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a.jpeg", "a.png"),
        ("no_ending", "no_ending.png"),
        ("v1.2 final", "v1.2 final.png"),
        ("sub.d/image.jpg?w=300&h=2", "sub.d/image.png"),
        ("a.jpg.webp", "a.jpg.png"),
        ("a.png. ", "a.png"),
        (".png", ".png.png"),
        ("a.heic~", "a.png"),
    ],
)
def test_an_ending_is_replaced_or_added(name: str, made: str) -> None:
    assert named_as(name, ".png") == made
