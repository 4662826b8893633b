"""How long a search by a regular expression can take, by its form.

Python's engine tries the ways in which a pattern can be laid over a name one after another. With
two places that can be of any length there are as many as the name has pairs of letters; with one
such place inside of another there is no end. Here the ways are counted from above, without a name.
"""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found] # where re keeps its own parser
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Sequence
from functools import cache
from typing import Any

_LETTERS = 100  # of a name of a layer
_MOST = 10**9  # what is more than that is not told apart
_DEEPEST = 20  # groups in groups
_ALL = frozenset(map(chr, range(128)))
_Node = tuple[Any, Any]


def steps(pattern: str) -> int | None:
    """About how many ways there are to lay the pattern over a name of 100 letters, at most, each
    counted as often as there are choices in the pattern; None for one that is no pattern, or holds
    what is not judged here (references to groups, flags, other letters than those of ASCII)."""
    if not pattern.isascii():
        return None
    try:
        parsed = parser.parse(pattern)
        if parsed.state.flags & ~re.UNICODE:
            return None
        choices = _choices(list(parsed), 0)
        return min(_MOST, _ways(list(parsed), _ALL, 0) * (1 + choices))
    except (re.error, RecursionError, OverflowError, NotImplementedError):
        return None


def _choices(nodes: Sequence[_Node], depth: int) -> int:
    """How many choices there are between sequences, in all."""
    found = 0
    for held in (_inside(node, depth) for node in nodes):
        found += len(held) if len(held) > 1 else 0
        found += sum(_choices(list(one), depth + 1) for one in held)
    return found


def _inside(node: _Node, depth: int) -> list[Any]:
    """The sequences that a node holds. Raises `NotImplementedError` for an unknown kind of node."""
    code, value = node
    if depth > _DEEPEST:
        raise NotImplementedError
    if code is codes.SUBPATTERN:
        _, flags, unset, inner = value
        if flags or unset:
            raise NotImplementedError
        return [inner]
    if code is codes.BRANCH:
        return list(value[1])
    if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return [value[2]]
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return [value[1]]
    if code is codes.AT or _is_letter(node):
        return []
    raise NotImplementedError


def _ways(nodes: Sequence[_Node], after: frozenset[str], depth: int) -> int:
    """In how many ways the sequence can be laid from a place on; `after`: with which letters that
    which follows can begin."""
    found = 1
    follows = after
    for node in reversed(nodes):
        found = min(_MOST, found * _ways_of(node, follows, depth))
        follows = _first([node], follows, depth)
    return found


def _ways_of(node: _Node, after: frozenset[str], depth: int) -> int:
    code, value = node
    held = _inside(node, depth)
    if code is codes.BRANCH:
        texts = ["".join(chr(at) for _, at in one) for one in held if _is_text(one)]
        others = sum(_ways(list(one), after, depth + 1) for one in held if not _is_text(one))
        return min(_MOST, _alike(sorted(texts)) + others)
    if code in (codes.ASSERT, codes.ASSERT_NOT):
        return _ways(list(held[0]), _ALL, depth + 1)
    if code is codes.SUBPATTERN:
        return _ways(list(held[0]), after, depth + 1)
    if code not in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        return 1
    least, most = int(value[0]), min(int(value[1]), _LETTERS)
    once = list(held[0])
    begins = _first(once, frozenset(), depth + 1)
    # what is laid once more begins as the first one does, or what follows comes
    ways = _ways(once, begins | after, depth + 1)
    if ways > 1 or _is_empty(once, depth + 1):
        several: int = sum(ways**n for n in range(min(least, most), most + 1))
        return min(_MOST, several)
    if begins.isdisjoint(after):  # only one number of times is followed by what follows
        return 1
    return max(1, most - least + 1)


def _alike(texts: Sequence[str]) -> int:
    """How many of the sorted texts can begin at one place at most."""
    open_: list[str] = []
    most = min(1, len(texts))
    for text in texts:
        while open_ and not text.startswith(open_[-1]):
            open_.pop()
        open_.append(text)
        most = max(most, len(open_))
    return most


def _is_text(nodes: Any) -> bool:
    return all(code is codes.LITERAL for code, _ in nodes)


def _first(nodes: Sequence[_Node], after: frozenset[str], depth: int) -> frozenset[str]:
    """The letters that the sequence can begin with, those of `after` too where it can be empty."""
    found: frozenset[str] = frozenset()
    for node in nodes:
        code, value = node
        if _is_letter(node):
            return found | _letters(code, value if code is not codes.IN else tuple(value))
        if code not in (codes.AT, codes.ASSERT, codes.ASSERT_NOT):
            for one in _inside(node, depth):
                found |= _first(list(one), frozenset(), depth + 1)
        if not _is_empty([node], depth):
            return found
    return found | after


def _is_empty(nodes: Sequence[_Node], depth: int) -> bool:
    """Whether the sequence can be laid over nothing."""
    for node in nodes:
        code, value = node
        if _is_letter(node):
            return False
        if code in (codes.AT, codes.ASSERT, codes.ASSERT_NOT):
            continue
        repeated = code in (codes.MAX_REPEAT, codes.MIN_REPEAT)
        if repeated and int(value[0]) == 0:
            continue
        if not any(_is_empty(list(one), depth + 1) for one in _inside(node, depth)):
            return False
    return True


def _is_letter(node: _Node) -> bool:
    return node[0] in (codes.LITERAL, codes.NOT_LITERAL, codes.ANY, codes.IN)


@cache
def _category(code: Any) -> frozenset[str]:
    kinds = {
        codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_NOT_DIGIT: r"\D",
        codes.CATEGORY_WORD: r"\w", codes.CATEGORY_NOT_WORD: r"\W",
        codes.CATEGORY_SPACE: r"\s", codes.CATEGORY_NOT_SPACE: r"\S",
    }  # fmt: skip
    return frozenset(re.findall(kinds[code], "".join(sorted(_ALL))))


def _letters(code: Any, value: Any) -> frozenset[str]:
    if code is codes.LITERAL:
        return frozenset(chr(value))
    if code is codes.NOT_LITERAL:
        return _ALL - {chr(value)}
    if code is codes.ANY:
        return _ALL
    if code is codes.RANGE:
        return frozenset(map(chr, range(value[0], value[1] + 1)))
    if code is codes.CATEGORY:
        return _category(value)
    if code is not codes.IN:
        raise NotImplementedError
    negated = value[0][0] is codes.NEGATE
    found: frozenset[str] = frozenset().union(*(_letters(*one) for one in value[negated:]))
    return _ALL - found if negated else found
