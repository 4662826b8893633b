"""Fonts for words that are drawn into pictures: labels of grids, sheets and charts.

Pillow's own font has no letters beyond ASCII and a few more. DejaVu Sans, which lies in data/fonts
(Latin, Greek, Cyrillic and signs), comes next, then a font of the machine for other scripts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_BUNDLED = Path(__file__).parent / "data" / "fonts" / "DejaVuSans.ttf"
# Names of files that Linux, macOS and Windows keep where Pillow looks for fonts.
_OTHERS = (
    "NotoSansCJK-Regular.ttc", "NotoSans-Regular.ttf", "DroidSansFallbackFull.ttf",
    "wqy-microhei.ttc", "PingFang.ttc", "Hiragino Sans GB.ttc", "Arial Unicode.ttf",
    "msyh.ttc", "meiryo.ttc", "malgun.ttf", "segoeui.ttf",
)  # fmt: skip
_NO_LETTER = "\U0010fffe"  # no font draws it but as the box for what it lacks


def font_for(texts: Iterable[str], size: float) -> Font:
    """A font of `size` pixels that has every letter of `texts`; if there is none on this machine,
    the one that lacks the fewest."""
    letters = "".join(sorted({letter for text in texts for letter in text if not letter.isspace()}))
    return _sized(_name_for(letters), size)


@lru_cache(maxsize=64)
def _name_for(letters: str) -> str:
    fewest, chosen = len(letters) + 1, ""
    for name in ("", str(_BUNDLED), *_OTHERS):
        try:
            lacks = sum(not _has(name, letter) for letter in letters)
        except OSError:
            continue  # this machine has no such font
        if lacks < fewest:
            fewest, chosen = lacks, name
        if not lacks:
            break
    return chosen


@lru_cache(maxsize=64)
def _sized(name: str, size: float) -> Font:
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _has(name: str, letter: str) -> bool:
    return _drawn(name, letter) != _drawn(name, _NO_LETTER)


def _drawn(name: str, letter: str) -> tuple[object, bytes]:
    mask = _sized(name, 16).getmask(letter)
    return mask.size, bytes(mask)


def shortened_to(text: str, font: Font, width: float, *, end: bool = False) -> str:
    """`text` on one line of at most `width` pixels, `...` in place of what is too much: of its
    end, or of its beginning where the `end` tells more, as in the name of a file."""
    text = " ".join(text.split())
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[1:] if end else text[:-1]
    return f"...{text.lstrip()}" if end else f"{text.rstrip(' ,')}..."


def told_apart(texts: Sequence[str]) -> list[str]:
    """The texts without the words that all of them begin with, `...` in place of these. A last word
    stays of each; where all are the same, nothing tells them apart and they stay whole."""
    words = [text.split() for text in texts]
    if len(set(map(tuple, words))) < 2:
        return list(texts)
    least = min(map(len, words))
    common = 0
    while common < least - 1 and len({line[common] for line in words}) == 1:
        common += 1
    return [f"... {' '.join(line[common:])}" for line in words] if common else list(texts)
