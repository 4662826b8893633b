"""Packed bytes in other files: which places are pixels."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubtools.publish.contents.streams import _Ranges

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12)


@given(ranges, st.integers(-2, 64))
def test_a_place_is_in_a_range_or_in_none(found: list[tuple[int, int]], place: int) -> None:
    found = [(start, end) for start, end in found if start < end]
    inside = any(start <= place < end for start, end in found)
    end = _Ranges(found).end_of(place)
    assert bool(end) is inside
    if inside:
        # to go on at the end is to go on behind every range that reaches there
        assert all(not start <= at < stop for start, stop in found for at in (end,))
