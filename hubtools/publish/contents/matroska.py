"""Tags of Matroska and WebM films (RFC 9559, 5.1.8), as texts: `NAME: value`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

EBML = b"\x1a\x45\xdf\xa3"
_NAME, _TEXT = b"\x45\xa3", b"\x44\x87"
# What may stand between a name and its text: language, whether it is the default one.
_BETWEEN = (b"\x44\x7a", b"\x44\x7b", b"\x44\x84", b"\x44\xb4")
_WINDOW, _OVERLAP = 1 << 22, 1 << 17
_LONGEST_NAME, _LONGEST, _MOST = 200, 1 << 16, 10_000


def tags(file: IO[bytes]) -> Iterator[str]:
    """Each tag, wherever in the file it stands."""
    file.seek(0)
    rest, count, known = b"", 0, set[str]()
    while data := file.read(_WINDOW):
        data = rest + data
        place = data.find(_NAME)
        while place >= 0 and count < _MOST:
            tag = _tag(data, place + 2)
            if tag is not None and tag not in known:
                known.add(tag)
                count += 1
                yield tag
            place = data.find(_NAME, place + 2)
        rest = data[-_OVERLAP:]


def _tag(data: bytes, place: int) -> str | None:
    name, place = _value(data, place, _LONGEST_NAME)
    while name and data[place : place + 2] in _BETWEEN:
        between, place = _value(data, place + 2, _LONGEST_NAME)
        if between is None:
            return None
    if not name or not name.isascii() or data[place : place + 2] != _TEXT:
        return None
    text, _ = _value(data, place + 2, _LONGEST)
    return f"{name.decode('ascii')}: {text.decode('utf-8', 'replace')}" if text else None


def _value(data: bytes, place: int, most: int) -> tuple[bytes | None, int]:
    """(the element's content, where it ends): its size is a number of one to eight bytes."""
    first = data[place] if place < len(data) else 0
    width = 9 - first.bit_length()
    if not first or place + width > len(data):
        return None, place
    size = int.from_bytes(data[place : place + width], "big") & ((1 << 7 * width) - 1)
    start = place + width
    if size > most or start + size > len(data):
        return None, place
    return data[start : start + size], start + size
