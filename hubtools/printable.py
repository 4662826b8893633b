"""Texts that may be printed, wherever they come from."""

from __future__ import annotations

import json
from re import Pattern
from typing import Any

from hubtools.leaks import hide, masked, without_password
from hubtools.patterns import regex

_CONTROLS = regex("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_OF_JSON = regex("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # json escapes the others
_BUT_TABS = regex("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Text that UTF-8 can write: names of files that are not UTF-8 have lone surrogates, which are
    written `\\udcff`, as JSON does. Passwords in addresses and tokens are left out."""
    return masked(without_password(text)).encode("utf-8", "backslashreplace").decode("utf-8")


def visible(text: str, *, tabs: bool = False) -> str:
    """Text on one line that does nothing to a terminal: control characters (but tabs, if they may
    stay), and those that turn the direction of writing, are spelt out. Secrets and passwords in
    addresses are left out."""
    text = hide(without_password(text))
    if text.isprintable():
        return text
    return printable(_spelt_out(text, _BUT_TABS if tabs else _CONTROLS))


def as_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON of letters that people read; what could speak to a terminal is an escape."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=str)
    return _OF_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _spelt_out(text: str, marks: Pattern[str]) -> str:
    return marks.sub(lambda found: ascii(found[0])[1:-1], text)


def number(value: float) -> str:
    """`2,000`, `0.5`: what is not whole has one digit behind the point, or one that is not 0."""
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 0.1 else f"{value:.1g}"
