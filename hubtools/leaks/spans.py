"""Places in bytes, and what stands around them: put together where they touch."""

from __future__ import annotations

from collections.abc import Iterator


def around(data: bytes, words: tuple[bytes, ...]) -> Iterator[tuple[int, int]]:
    """(start, end) of what stands around each of the words, in small letters as they are."""
    for word in words:
        end = 0
        for place in _every(data, word):
            if place >= end:
                end = place + 120
                yield around_place(data, place)


def around_place(data: bytes, place: int) -> tuple[int, int]:
    """(start, end) of what stands around a word."""
    return max(0, place - 60), min(len(data), place + 240)


def _every(data: bytes, needle: bytes) -> Iterator[int]:
    place = data.find(needle)
    while place >= 0:
        yield place
        place = data.find(needle, place + 1)


def blocks_around(places: object, before: int, after: int, size: int) -> Iterator[tuple[int, int]]:
    """Blocks of eight bytes with what stands around them, put together where they touch."""
    import numpy

    if not isinstance(places, numpy.ndarray) or not len(places):
        return
    # blocks whose surroundings touch belong together
    apart = numpy.flatnonzero(numpy.diff(places) * 8 > before + after + 8)
    firsts = numpy.concatenate(([0], apart + 1))
    lasts = numpy.concatenate((apart, [len(places) - 1]))
    for first, last in zip(places[firsts].tolist(), places[lasts].tolist(), strict=True):
        yield max(0, first * 8 - before), min(size, last * 8 + 16 + after)


def merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Sorted spans, those that touch put together."""
    start, end = spans[0]
    for first, last in spans[1:]:
        if first > end:
            yield start, end
            start, end = first, last
        end = max(end, last)
    yield start, end
