"""Texts in EBCDIC, the encoding of mainframes: in all of its code pages letters, digits and most
signs of a secret are the same bytes.
"""

from __future__ import annotations

from functools import lru_cache

# By byte: the one of ASCII, zero where there is none.
_ASCII = bytes(
    10 if one in "\n\x85" else ord(one) if " " <= one <= "~" or one == "\t" else 0
    for one in bytes(range(256)).decode("cp037")
)
_LETTERS = bytes(n for n, c in enumerate(_ASCII) if n > 0x80 and chr(c).isalnum())


@lru_cache(maxsize=8)
def is_ebcdic(head: bytes) -> bool:
    """Whether bytes look like text in EBCDIC and in no encoding that extends ASCII: nearly all are
    letters there, most with the high bit set."""
    letters = len(head) - len(head.translate(None, _LETTERS))
    if letters * 2 < len(head) or head.translate(_ASCII).count(0) * 50 > len(head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start < len(head) - 3  # else a letter that the end of the head has cut
    return False


def ways(data: bytes, text: bool) -> list[tuple[bytes, bool]]:
    """Bytes to be searched, and whether they are text: those that are given, and the same in ASCII
    (zeros where it has none) if they look like EBCDIC."""
    ascii = [(data.translate(_ASCII), True)] if is_ebcdic(data[:4096]) else []
    return [(data, text), *ascii]
