"""Prompts of pictures that others have drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hubtools.cards.foreign_pictures import drawn_in
from hubtools.localhub.pages.parameters import drawn_with
from hubtools.rooted import Root

SAID = "zwx händ, <lora:a:1>\nNegative prompt: bad\nSteps: 20, Sampler: Euler"
PROMPT = "zwx händ"


@pytest.mark.parametrize(
    ("name", "code", "words", "prompt"),
    [
        ("a.png", None, SAID, PROMPT),
        ("a.jpg", "utf-16-be", SAID, PROMPT),
        ("a.jpeg", "utf-16-le", SAID, PROMPT),
        ("a.webp", "utf-16-be", SAID, PROMPT),
        ("a.jpg", "utf-16-be", "Anna at the lake", None),  # somebody's own words
        ("a.jpg", None, SAID, None),
    ],
)
def test_the_prompt_that_a_picture_holds(
    tmp_path: Path, name: str, code: str | None, words: str, prompt: str | None
) -> None:
    (tmp_path / "samples").mkdir()
    told, info = Image.Exif(), PngInfo()
    info.add_itxt("parameters", words)
    if code is not None:
        told.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + words.encode(code)
    more = {"pnginfo": info} if name.endswith("png") else {"exif": told}
    Image.new("RGB", (8, 8)).save(tmp_path / "samples" / name, **more)
    with Root(tmp_path) as root:
        (found,) = drawn_in(root, "zwx")
    assert found.prompt == prompt
    with (tmp_path / "samples" / name).open("rb") as file:  # the pages of the embedded Hub show it
        shown = dict(drawn_with(file))
    assert shown.get("Steps") == (None if prompt is None else "20")
