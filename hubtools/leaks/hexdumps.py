"""Bytes that a text shows as xxd, hexdump, od and debuggers print them: an offset, the bytes as
numbers, and often their letters behind them."""

from __future__ import annotations

from collections.abc import Iterator

from hubtools.patterns import regex

_MOST = 1 << 20  # bytes of one dump that are looked at
_ROW = regex(r"(?m)^[ \t>]{0,8}(?:0x)?([0-9a-fA-F]{4,16})[:|]?[ \t]{1,4}(?=[^\s])([^\n]{2,400})$")
_GROUP = regex(r"[ \t|-]{0,4}([0-9a-fA-F]{2,8})(?=[ \t\r|-]|\Z)")
_CELL = regex(r" {0,3}(\\[0abfnrtv]|[0-7]{3}|[!-~]| )(?= |\r|\Z)")
_ESCAPES = {"\\0": 0, "\\n": 10, "\\r": 13, "\\t": 9}


def dumped(text: str) -> Iterator[tuple[int, bytes]]:
    """(place, bytes) of every dump of two lines or more. Linear in the text."""
    rows: list[tuple[int, str, str, int]] = []
    for match in _ROW.finditer(text):
        if rows and match.start() > rows[-1][3] + 2:
            yield from _bytes_of(rows)
            rows = []
        if len(rows) < _MOST // 16:
            rows.append((match.start(), match[1], match[2], match.end()))
    yield from _bytes_of(rows)


def _bytes_of(rows: list[tuple[int, str, str, int]]) -> Iterator[tuple[int, bytes]]:
    if len(rows) < 2:
        return
    for base in (16, 8):
        try:
            starts = [int(offset, base) for _, offset, _, _ in rows[:-1]]
            width = int(rows[1][1], base) - starts[0]
        except ValueError:
            continue
        if not 4 <= width <= 64:
            continue
        for order in (1, -1):
            data = b"".join(_row(body, width, order) for _, _, body, _ in rows)
            if len(data) >= 20:
                yield rows[0][0], data
        letters = b"".join(_letters(body, width) for _, _, body, _ in rows)
        if len(letters) >= 20:
            yield rows[0][0], letters


def _row(body: str, width: int, order: int) -> bytes:
    """At most `width` bytes; `order` -1 where a number's last byte comes first."""
    found, place = bytearray(), 0
    while len(found) < width and (group := _GROUP.match(body, place)) is not None:
        digits, place = group[1], group.end()
        if len(digits) == 3:
            if not digits[0] < "4" or not digits.isdigit() or "8" in digits or "9" in digits:
                break
            found.append(int(digits, 8))
        elif len(digits) % 2:
            break
        else:
            found += bytes.fromhex(digits)[::order]
    return bytes(found[:width])


def _letters(body: str, width: int) -> bytes:
    """`od -c`: four columns for each."""
    found, place = bytearray(), 0
    while len(found) < width and (cell := _CELL.match(body, place)) is not None:
        what, place = cell[1], cell.end()
        if len(what) == 3:
            found.append(int(what, 8) & 0xFF)
        else:
            found.append(
                _ESCAPES.get(what, 32) if what[0] == "\\" and len(what) == 2 else ord(what)
            )
    return bytes(found)
