"""Where in many bytes something may stand by which a secret is known, many times faster than by
looking for each of these words: three letters of each, in one pass. What has none of them holds no
secret with a form or a name; what has one may."""

from __future__ import annotations

import sys
from functools import cache
from itertools import product
from typing import Any

from hubtools.leaks.commands import MARKS
from hubtools.leaks.named import NAMES
from hubtools.leaks.shapes import NEEDLES

_BITS = 21  # three letters of seven bits
# How common letters are in captions, the commonest first, and words of captions: of a telling word
# those three letters are taken that neither has.
_COMMON = " etaoinsrhldcumfpgwybv"
_CAPTION = (
    "a photo of a woman looking at viewer, standing, sitting, smiling, portrait, full body, upper"
    " body, long hair, brown hair, black jacket, red dress, glasses, street at night, background,"
    " soft light, close-up, cookies, monkey, keyboard, passing, author, passenger, sketch, skirt, images, file_name"
)


def words_in(data: bytes) -> Any:
    """A sorted numpy array of the places of such letters."""
    import numpy

    return numpy.flatnonzero(_table()[_threes(data)])


def words_of(text: str) -> frozenset[str] | None:
    """Which of the words may be in a text of ASCII; None: any may."""
    if "numpy" not in sys.modules or not text.isascii():
        return None  # to load it takes longer than to look for each word
    import numpy

    threes = _threes(text.encode("ascii"))
    found = numpy.unique(threes[_table()[threes]]).tolist()
    return frozenset(ALWAYS.union(*(_MEANT[three] for three in found)))


def _threes(data: bytes) -> Any:
    """A number for each three bytes that follow each other, by their lower seven bits."""
    import numpy

    letters = numpy.frombuffer(data, numpy.uint8)
    if len(letters) < 3:
        return numpy.zeros(0, numpy.uint32)
    low = letters & numpy.uint8(0x7F)
    three = low[:-2].astype(numpy.uint32) << 14
    three |= low[1:-1].astype(numpy.uint32) << 7
    three |= low[2:]
    return three


# Words of one letter, and those of which three letters in a row say nothing here.
ALWAYS = frozenset(
    word for word in (*NEEDLES, *NAMES, *MARKS) if len(word) < 2 or not word.isascii()
)
_MEANT: dict[int, set[str]] = {}


@cache
def _table() -> Any:
    """For each three letters, whether a word has them."""
    import numpy

    table = numpy.zeros(1 << _BITS, bool)
    for word in NEEDLES:
        _note(table, word, both=False)
    for word in (*NAMES, *MARKS):
        _note(table, word, both=True)
    return table


def _note(table: Any, word: str, *, both: bool) -> None:
    """`both`: in capitals as well. Words of one letter are told by their length (see `stream`), and
    those that are not ASCII by not being it."""
    if len(word) < 2 or not word.isascii():
        return
    data = word.encode()
    if len(data) == 2:
        first, second = ({c, *((c ^ 32,) if both and chr(c).isalpha() else ())} for c in data)
        chosen = list(product(first, second, range(128)))
    else:
        start = min(range(len(data) - 2), key=lambda n: _rarity(word[n : n + 3]))
        spelt = [
            {ord(c), ord(c.lower()), ord(c.upper())} if both else {ord(c)}
            for c in word[start : start + 3]
        ]
        chosen = list(product(*spelt))  # type: ignore[arg-type]
    for first, second, third in chosen:
        number = first << 14 | second << 7 | third
        table[number] = True
        _MEANT.setdefault(number, set()).add(word)


def _rarity(letters: str) -> int:
    """Smaller where the letters are rarer."""
    ranks = [_COMMON.find(letter.lower()) for letter in letters]
    rare = sum(len(_COMMON) - rank if rank >= 0 else 0 for rank in ranks)
    return rare + 1000 * _CAPTION.count(letters.lower())
