"""Letters beyond ASCII are drawn as letters."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from hubtools.inference.sheet import contact_sheet
from hubtools.lettering import font_for, shortened_to, told_apart

BOX = "\U0010fffe"  # what no font has


@pytest.mark.parametrize("text", ["Größe", "naïve café", "Ελλάδα", "Привет", "“quoted” — …", "→ ✓"])
def test_no_letter_is_a_box(text: str) -> None:
    font = font_for([text], 15)
    box = bytes(font.getmask(BOX))
    assert all(bytes(font.getmask(letter)) != box for letter in text if not letter.isspace())


def test_what_no_font_has_is_drawn_all_the_same() -> None:
    assert font_for(["a" + BOX], 15).getlength("a") > 0
    assert font_for([], 15) is font_for(["plain words, 0.5"], 15)


def test_labels_below_pictures_differ_by_their_letters(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    sheets = []
    for label in ("größe", "grüße"):
        contact_sheet([(tmp_path / "a.png", [label])], tmp_path / "sheet.png")
        with Image.open(tmp_path / "sheet.png") as sheet:
            sheets.append(sheet.convert("RGB").tobytes())
    assert sheets[0] != sheets[1]


@pytest.mark.parametrize(
    ("texts", "apart"),
    [
        (["a tok, in the rain", "a tok, in a car"], ["... the rain", "... a car"]),
        (["a tok", "a tok in the rain"], ["... tok", "... tok in the rain"]),
        (["a tok", "a tok"], ["a tok", "a tok"]),
        (["a tok", "the tok"], ["a tok", "the tok"]),
        (["", "a tok"], ["", "a tok"]),
        ([], []),
    ],
)
def test_what_all_begin_with_is_left_out(texts: list[str], apart: list[str]) -> None:
    assert told_apart(texts) == apart


def test_labels_that_begin_alike_show_what_differs(tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    begins = "a photo of (tok), full body, standing, smiling, "
    sheets = []
    for other in ("in the rain", "in a car"):
        labels = [(tmp_path / "a.png", [begins + end]) for end in ("at night", other)]
        contact_sheet(labels, tmp_path / "sheet.png")
        sheets.append(Image.open(tmp_path / "sheet.png").convert("RGB").tobytes())
        (tmp_path / "sheet.png").unlink()
    assert sheets[0] != sheets[1]


def test_what_is_too_long_loses_what_tells_least() -> None:
    font = font_for([], 12)
    name = "a very long name of a picture, right.png"
    assert shortened_to(name, font, 400) == shortened_to(name, font, 400, end=True) == name
    for end in (False, True):
        short = shortened_to(name, font, 100, end=end)
        assert font.getlength(short) <= 100
        assert short.startswith("...") is end
        assert short.endswith("right.png" if end else "...")
