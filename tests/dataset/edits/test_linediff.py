"""Diffs that a person reads."""

from __future__ import annotations

import pytest

from hubtools.dataset.edits.linediff import unified


@pytest.mark.parametrize("around", [0, 1_100])
def test_a_line_stands_below_the_one_that_it_replaces(around: int) -> None:
    rest = [f"same {n}" for n in range(around)]
    old, new = ["a dog", "a cat"], ["tok a dog", "tok a cat"]
    found = list(unified([*old, *rest], [*new, *rest], "a", "b"))
    assert found[:2] == ["--- a", "+++ b"]
    assert found[3:7] == ["-a dog", "+tok a dog", "-a cat", "+tok a cat"]
    # of other numbers nobody says which is which
    found = list(unified([*old, *rest], ["one", *rest], "a", "b"))
    assert found[3:6] == ["-a dog", "-a cat", "+one"]
