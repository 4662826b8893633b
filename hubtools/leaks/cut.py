"""Tokens that somebody has cut: over the lines of a terminal, in a list, in cells beside each other.

The first piece begins as tokens of a service do, and what is put together is as mixed as chance
makes it, so that words stay words.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hubtools.leaks.marks import by_mark, words_in
from hubtools.leaks.shapes import Secret, shaped
from hubtools.patterns import regex

_BEGINS = (
    *("hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "sk-", "npm_"),
    *("xoxb-", "xoxp-", "xoxa-", "xoxe.", "pypi-", "r8_", "AKIA", "ASIA", "AIza"),
    *("sk_live_", "rk_live_", "nvapi-", "gsk_", "dapi", "tgp_v1_", "SG."),
)
_BY_MARK = by_mark(_BEGINS, ("_", "-"))
_RUN = regex(r"[A-Za-z0-9_.-]{1,400}")
# A line's end, a comma, quotes: what stands between two pieces.
_BETWEEN = regex(
    r"(?:\\n)?[\"'`]?[ \t]{0,9}[,;]?[ \t]{0,9}(?:\\?\r?\n[ \t>#|]{0,40}(?:- )?)?[\"'`]?(?=[A-Za-z0-9_-])"
)
_MOST = 12  # pieces
_MIXED = 24  # letters of one that are looked at
_SURE, _SHORT = 16, 10  # letters after which a piece of a few may be of one kind


def cut(text: str) -> Iterator[Secret]:
    """Tokens whose pieces stand one behind the other in `text`. Linear in its length."""
    there = words_in(text, _BY_MARK)
    for begin in _BEGINS if there else ():
        place = text.find(begin) if begin in there else -1
        while place >= 0:
            if not (place and (text[place - 1].isalnum() or text[place - 1] in "_-")):
                yield from _from(text, place)
            place = text.find(begin, place + len(begin))


def _from(text: str, place: int) -> Iterator[Secret]:
    first = _RUN.match(text, place)
    if first is None:
        return
    joined, end = first[0].rstrip("."), first.end()
    for turn in range(_MOST):
        between = _BETWEEN.match(text, end)
        if between is None or not between[0].strip(" \t"):
            return
        piece = _RUN.match(text, between.end())
        if piece is None:
            return
        ends = len(piece[0]) <= _SHORT and len(joined) >= _SURE and _by_chance(joined[4:])
        if not ends and not _by_chance(piece[0][:_MIXED]):
            return
        if not turn and next(shaped(joined), None) is not None:
            return  # that is told already
        joined, end = joined + piece[0], piece.end()
        found = next((one for one in shaped(joined) if one.start == 0), None)
        if found is not None:
            yield Secret(f"{found.what}, cut in pieces", place, found.value)
            return


def _by_chance(piece: str) -> bool:
    kinds = [0 if c.isdigit() else 1 if c.isupper() else 2 for c in piece if c.isalnum()]
    turns = sum(a != b for a, b in pairwise(kinds))
    if 2 not in kinds:  # some have no small letters
        return len(set(kinds)) == 2
    return len(set(kinds)) >= 2 and turns * 5 >= 2 * len(kinds)
