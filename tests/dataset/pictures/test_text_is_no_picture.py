"""What begins as text is told from pictures without asking the plug-ins of all formats."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image, UnidentifiedImageError

from hubtools.dataset.pictures.header import opened, starts_as_text

# Formats without a signature: Pillow reads the header of anything.
SILENT = {"IM", "IMT", "IPTC", "PCD", "SPIDER", "TGA"}
LINE = b'{"file_name": "a.png", "text": "a portrait"}\n'


def _by_signature(head: bytes) -> set[str]:
    Image.init()
    return {name for name, (_, accepts) in Image.OPEN.items() if accepts is None or accepts(head)}


def test_no_signature_begins_as_text_does() -> None:
    dice = random.Random(0)
    assert _by_signature(LINE[:16]) == SILENT
    for begin in (b"{", b"---"):
        for _ in range(300):
            head = begin + bytes(dice.choice(range(9, 256)) for _ in range(16))
            if starts_as_text(head):
                assert _by_signature(head[:16]) == SILENT, head


@pytest.mark.parametrize("data", [LINE, LINE * 100, b"---\nlicense: mit\n---\n", b"{", b"---"])
def test_text_is_no_picture_to_any_plug_in(data: bytes) -> None:
    assert starts_as_text(data)
    Image.init()
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(data), formats=[name for name in Image.ID if name != "EPS"])
    with pytest.raises(UnidentifiedImageError):
        opened(data)


@pytest.mark.parametrize(
    "data",
    [
        b"{" + b"\0" * 200,
        LINE[:4] + b"ftypavif",
        LINE.ljust(2048) + b"PCD_" + b" " * 3000,
        b"P3 1 1 255 1 2 3",
        b"",
    ],
)
def test_what_may_be_a_picture_is_left_to_pillow(data: bytes) -> None:
    assert not starts_as_text(data)
