"""TOML texts that anybody may have written."""

from __future__ import annotations

import tomllib
from typing import Any

from hubtools.files import check_value
from hubtools.patterns import regex

_PARTS = 100  # of a name; the parser takes time by the square of them
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_LONG_NAME = regex(rf"(?:\.[ \t]*{_PART}[ \t]*){{{_PARTS},}}")
_BITS = 1000  # of a whole number; no other number is as large


class OddToml(ValueError):
    """A text that is not read; `line` where, from 1, if it is known."""

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why)
        self.line = line


def toml_value(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises `OddToml` for names of very many parts, for lists and
    tables too deep in each other and for numbers that no computer reckons with, and
    `tomllib.TOMLDecodeError` for what is no TOML; both are `ValueError`."""
    if long := _LONG_NAME.search(text):
        line = text.count("\n", 0, long.start()) + 1
        raise OddToml(f"a name has more than {_PARTS} parts", line)
    try:
        found = tomllib.loads(text)
        check_value(found)
        _check_numbers(found)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise OddToml("it has lists or tables too deep in each other") from None
    except ValueError as error:
        said = str(error)
        raise OddToml("it has a number of too many digits" if "digits" in said else said) from None
    return found


def _check_numbers(found: dict[str, Any]) -> None:
    waiting: list[Any] = [found]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, int) and item.bit_length() > _BITS:
            raise OddToml("it has a number of too many digits")
