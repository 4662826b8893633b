"""The numbers of a weight file, a few megabytes at a time: whether they are finite, or all zero.

Only bits are looked at, so that every format of numbers, bfloat16 too, needs numpy and no more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

_PIECE = 1 << 22  # bytes at once; a multiple of all sizes
# Format: (bytes, bits of the exponent, bits without the sign, how struct reads one number)
_FLOATS = {
    "F64": (8, 0x7FF0 << 48, (1 << 63) - 1, "<d"),
    "F32": (4, 0x7F80_0000, 0x7FFF_FFFF, "<f"),
    "F16": (2, 0x7C00, 0x7FFF, "<e"),
    "BF16": (2, 0x7F80, 0x7FFF, ""),
    "F8_E5M2": (1, 0x7C, 0x7F, ""),
    "F8_E4M3": (1, 0x7F, 0x7F, ""),
}


@dataclass(frozen=True)
class Values:
    """Names of tensors with a number that is none (NaN) or infinite, names of those that are all
    zero, and the single numbers (alphas) by name."""

    broken: tuple[str, ...]
    zero: frozenset[str]
    numbers: dict[str, float]


def read_values(file: BinaryIO, tensors: dict[str, dict[str, Any]], start: int) -> Values:
    """Read all tensors once, in the order in which they lie. `start`: where the first begins, in
    bytes; the header was found whole. Closes `file`."""
    broken: list[str] = []
    zero: set[str] = set()
    numbers: dict[str, float] = {}
    with file:
        for name, entry in sorted(tensors.items(), key=lambda one: one[1]["data_offsets"]):
            first, last = entry["data_offsets"]
            file.seek(start + first)
            finite, something, head = _scanned(file, last - first, entry["dtype"])
            if not finite:
                broken.append(name)
            if not something:
                zero.add(name)
            number = _number(head, entry["dtype"], last - first)
            if number is not None:
                numbers[name] = number
    return Values(tuple(broken), frozenset(zero), numbers)


def _pieces(file: BinaryIO, size: int) -> Iterable[bytes]:
    while size > 0:
        piece = file.read(min(size, _PIECE))
        if not piece:
            return  # it became shorter; the hash of the push tells
        size -= len(piece)
        yield piece


def _scanned(file: BinaryIO, size: int, dtype: str) -> tuple[bool, bool, bytes]:
    """(all finite, not all zero, its first bytes)."""
    import numpy

    finite, something, head = True, False, b""
    wide, exponent, unsigned, _ = _FLOATS.get(dtype, (1, 0, 0xFF, ""))
    for piece in _pieces(file, size):
        head = head or piece[:8]
        bits = numpy.frombuffer(piece[: len(piece) // wide * wide], f"<u{wide}")
        if exponent and bool(((bits & exponent) == exponent).any()):
            finite = False
        something = something or bool((bits & unsigned).any())
    return finite, something, head


def _number(head: bytes, dtype: str, size: int) -> float | None:
    wide, _, _, code = _FLOATS.get(dtype, (0, 0, 0, ""))
    if size != wide or len(head) < wide:
        return None
    if dtype == "BF16":
        return float(struct.unpack("<f", b"\0\0" + head[:2])[0])
    return float(struct.unpack(code, head[:wide])[0]) if code else None
