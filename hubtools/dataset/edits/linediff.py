"""Unified diffs of texts of any size: `difflib` compares all with all where every other line of a
long file changes, which takes hours."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

_FEW = 1_000  # lines of a text that difflib compares as a whole
_SMALL = 200  # lines that difflib may compare with each other
_AROUND = 3  # unchanged lines shown beside a change

Code = tuple[str, int, int, int, int]


def unified(old: Sequence[str], new: Sequence[str], name: str, other: str) -> Iterator[str]:
    """Lines as `difflib.unified_diff` gives them, without line ends; but where as many lines come
    in the place of others, each stands below the one that it replaces."""
    matcher: difflib.SequenceMatcher[str]
    if max(len(old), len(new)) <= _FEW:
        matcher = difflib.SequenceMatcher(None, old, new)
    else:
        matcher = made = _Matcher(None, [], [])
        made.codes = list(_joined(_codes(old, new)))
    started = False
    for group in matcher.get_grouped_opcodes(_AROUND):
        if not started:
            yield f"--- {name}"
            yield f"+++ {other}"
            started = True
        _, first, _, begin, _ = group[0]
        _, _, last, _, end = group[-1]
        yield f"@@ -{_range(first, last)} +{_range(begin, end)} @@"
        for tag, a, b, c, d in group:
            if tag == "equal":
                yield from (f" {line}" for line in old[a:b])
                continue
            if b - a == d - c:
                for one, two in zip(old[a:b], new[c:d], strict=True):
                    yield from (f"-{one}", f"+{two}")
                continue
            if tag in ("replace", "delete"):
                yield from (f"-{line}" for line in old[a:b])
            if tag in ("replace", "insert"):
                yield from (f"+{line}" for line in new[c:d])


class _Matcher(difflib.SequenceMatcher[str]):
    """Only for how it puts changes into groups."""

    codes: list[Code]

    def get_opcodes(self) -> list[Code]:  # type: ignore[override]
        return self.codes


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _codes(old: Sequence[str], new: Sequence[str]) -> Iterator[Code]:
    """What became of what, from one line that both have once to the next."""
    a = c = 0
    for place, other in [*_anchors(old, new), (len(old), len(new))]:
        yield from _between(old, new, a, place, c, other)
        if place < len(old):
            yield "equal", place, place + 1, other, other + 1
        a, c = place + 1, other + 1


def _between(
    old: Sequence[str], new: Sequence[str], a: int, b: int, c: int, d: int
) -> Iterator[Code]:
    start = a
    while a < b and c < d and old[a] == new[c]:
        a, c = a + 1, c + 1
    if a > start:
        yield "equal", start, a, c - (a - start), c
    same = 0
    while same < min(b - a, d - c) and old[b - 1 - same] == new[d - 1 - same]:
        same += 1
    b, d = b - same, d - same
    if b - a <= _SMALL and d - c <= _SMALL:
        matcher = difflib.SequenceMatcher(None, old[a:b], new[c:d])
        for tag, i, j, k, m in matcher.get_opcodes():
            yield tag, a + i, a + j, c + k, c + m
    else:
        yield "replace" if a < b and c < d else "delete" if a < b else "insert", a, b, c, d
    if same:
        yield "equal", b, b + same, d, d + same


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Places of lines that both texts have once, as many as are in the same order."""
    ours, theirs = Counter(old), Counter(new)
    place_of = {line: place for place, line in enumerate(new) if theirs[line] == 1}
    pairs = [
        (place, place_of[line])
        for place, line in enumerate(old)
        if ours[line] == 1 and line in place_of
    ]
    ends: list[int] = []  # place in `new` with which a run of so many pairs ends at the earliest
    last: list[int] = []  # its number in `pairs`
    before: list[int] = []
    for number, (_, other) in enumerate(pairs):
        length = bisect_left(ends, other)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [other]
        last[length : length + 1] = [number]
    found = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _joined(codes: Iterator[Code]) -> Iterator[Code]:
    """Neighbours of one kind as one."""
    held: Code | None = None
    for code in codes:
        if held is not None and held[0] == code[0]:
            held = (held[0], held[1], code[2], held[3], code[4])
            continue
        if held is not None:
            yield held
        held = code
    if held is not None:
        yield held
