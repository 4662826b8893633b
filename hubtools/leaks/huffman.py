"""The codes that nearly all JPEG files hold, a third of them letters in a row (ITU-T T.81, K.3.3).

They say nothing, and looking at them as text takes longer than all else of a small picture.
"""

from __future__ import annotations

JPEG = b"\xff\xd8\xff"


def _rows(first: bytes, begins: str) -> bytes:
    """The codes before the rows, and the rows, each from a code to the one that ends in `a`."""
    starts = bytes.fromhex(begins)
    return first + b"".join(bytes(range(start, (start | 15) - 4)) for start in starts)


# Codes of coefficients, of brightness (table K.5) and of colour (table K.6).
_CODES = (
    _rows(
        bytes.fromhex(
            "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a"
        ),
        "16 25 34 43 53 63 73 83 92 a2 b2 c2 d2 e1 f1",
    ),
    _rows(
        bytes.fromhex(
            "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f1"
        ),
        "17 26 35 43 53 63 73 82 92 a2 b2 c2 d2 e2 f2",
    ),
)


BLOCKS = 12  # of eight letters in a row, at most, in both of them


def without_codes(data: bytes, classes: bytes) -> bytes:
    """`classes`, of which each tells of a byte of `data`, with zeros where a JPEG has these codes."""
    for codes in _CODES:
        place = data.find(codes)
        if place >= 0:
            end = place + len(codes)
            classes = classes[:place] + bytes(len(codes)) + classes[end:]
    return classes
