"""Texts that may be printed, wherever they come from."""

from __future__ import annotations

from hubtools.leaks import hide, masked, without_password
from hubtools.patterns import regex

_CONTROLS = regex("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Text that UTF-8 can write: names of files that are not UTF-8 have lone surrogates, which are
    written `\\udcff`, as JSON does. Passwords in addresses and tokens are left out."""
    return masked(without_password(text)).encode("utf-8", "backslashreplace").decode("utf-8")


def visible(text: str) -> str:
    """Text on one line that does nothing to a terminal: control characters, and those that turn
    the direction of writing, are spelt out. Passwords in addresses are left out."""
    text = hide(without_password(text))
    if text.isprintable():
        return text
    return printable(_CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text))
