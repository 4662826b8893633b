"""Regular expressions that wait until they are used."""

from __future__ import annotations

import copy
import importlib
import pkgutil
import re

import pytest

import hubtools
from hubtools.patterns import Late, regex


def test_it_is_used_as_a_pattern_is() -> None:
    word = regex(r"(\w)(\d+)", re.ASCII)
    assert word.fullmatch("a12")
    assert not word.search("é")
    assert word.sub(r"\2", "a1 b2") == "1 2"
    assert [found.start() for found in word.finditer("a1 b2")] == [0, 3]
    assert (word.groups, word.pattern) == (2, r"(\w)(\d+)")
    assert regex(b"a+").findall(b"aa b a") == [b"aa", b"a"]


def test_a_copy_of_it_works_too() -> None:
    word = regex("a+")
    assert copy.deepcopy(word).match("aaa")[0] == "aaa"
    assert word.match("b") is None
    assert copy.deepcopy(word).match("aaa")[0] == "aaa"


def test_one_that_is_none_is_told() -> None:
    with pytest.raises(re.error):
        regex("(").search("")


def test_all_of_hubtools_are_regular_expressions() -> None:
    names = [
        module.name
        for room in ("leaks", "dataset", "cards", "publish")
        for module in pkgutil.walk_packages(
            [str(path) + f"/{room}" for path in hubtools.__path__], f"hubtools.{room}."
        )
    ]
    found = 0
    for name in (*names, "hubtools.addresses", "hubtools.printable", "hubtools.findings"):
        for value in vars(importlib.import_module(name)).values():
            if isinstance(value, Late):
                assert value.groups >= 0  # it is compiled by that
                found += 1
    assert found > 100
