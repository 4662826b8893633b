"""What a weight file holds, by its header alone: nothing is loaded, no pickle is ever opened."""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

from hubtools.files import human_bytes, open_regular
from hubtools.tensornames import is_embedding, part_of

# The library's own limit, in bytes; where letters take more memory than bytes, a smaller one.
MAX_HEADER = 100_000_000
MAX_UNICODE_HEADER = 20_000_000
# Brackets and commas, about nine a tensor: more would fill the memory with empty lists.
MAX_MARKS = 1_500_000
_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip


class Holds(StrEnum):
    """What is in a .safetensors file."""

    LORA = "lora"
    LYCORIS = "lycoris"  # LoHa, LoKr, OFT: an adapter of another kind
    EMBEDDING = "embedding"  # new tokens: of pivotal tuning, or textual inversion
    FULL_WITH_LORA = "full-with-lora"  # a frozen model saved with its adapter inside
    OPTIMIZER = "optimizer"
    MODEL = "model"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Header:
    """A safetensors header: tensor name -> {dtype, shape, ...}, and the free metadata. `start`:
    where the first tensor begins, in bytes. `problem` says what is wrong with a damaged one."""

    holds: Holds
    tensors: dict[str, dict[str, Any]]
    metadata: dict[str, str]
    problem: str | None = None
    start: int = 0

    @property
    def rank(self) -> int | None:
        """Rank of the first LoRA layer, which is the first extent of its down projection; None if
        there is no such layer."""
        for name, entry in self.tensors.items():
            part = part_of(name)
            if part is not None and part.role == "down":
                return next(iter(entry["shape"]), 0)
        return None


_ADAM = ("exp_avg", "exp_avg_sq", "momentum_buffer")


def read_header(source: Path | BinaryIO) -> Header:
    """Read and classify the header (8 bytes little-endian length, then JSON; docs of safetensors).

    What the library would not open is `DAMAGED`, and `problem` says why: a header that is longer
    than the file, tensors whose bytes are not exactly those that dtype and shape take, gaps,
    overlaps, bytes behind the last one, keys that are there twice. Time and memory are bounded
    by the length of the header. An open file is read from where it
    stands, and closed. Raises `OSError` for a file that cannot be read at all.
    """
    try:
        metadata, tensors, start = _parsed(
            open_regular(source) if isinstance(source, Path) else source
        )
    except _Damaged as error:
        return Header(Holds.DAMAGED, {}, {}, str(error))
    return Header(_judge(tensors), tensors, metadata, start=start)


class _Damaged(Exception):
    """What is wrong with a header, in words."""


def _parsed(opened: BinaryIO) -> tuple[dict[str, str], dict[str, dict[str, Any]], int]:
    with opened as file:
        size = os.fstat(file.fileno()).st_size - 8
        start = file.read(8)
        if len(start) < 8:
            raise _Damaged("it has fewer than 8 bytes")
        length = struct.unpack("<Q", start)[0]
        if length > size:
            raise _Damaged("its header is longer than the file")
        if length > MAX_HEADER:
            raise _Damaged(f"its header has more than {human_bytes(MAX_HEADER)}")
        text = file.read(length)
    if not text.isascii() and length > MAX_UNICODE_HEADER:
        raise _Damaged(f"its header has more than {human_bytes(MAX_UNICODE_HEADER)} of Unicode")
    if sum(map(text.count, (b"{", b"[", b","))) > MAX_MARKS:
        raise _Damaged("its header has more parts than hubtools reads")
    if not text.startswith(b"{"):
        raise _Damaged("its header is no JSON object")
    try:
        content = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise _Damaged("its header is not JSON") from None
    metadata = content.pop("__metadata__", None)
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _Damaged("its metadata are not texts")
    _check_tensors(content, size - length)
    return metadata, content, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Damaged("a name is there twice")
    return found


def _check_tensors(tensors: dict[str, Any], size: int) -> None:
    """Raise `_Damaged` unless the tensors fill `size` bytes, one behind the other."""
    spans = []
    for name, entry in tensors.items():
        if not isinstance(entry, dict):
            raise _Damaged(f"{_short(name)} is no tensor")
        shape, offsets, bits = entry.get("shape"), entry.get("data_offsets"), _bits(entry)
        if bits is None:
            raise _Damaged(f"{_short(name)} is of an unknown type")
        if not _is_extents(shape) or not _is_extents(offsets) or len(offsets) != 2:
            raise _Damaged(f"{_short(name)} has no shape or no place")
        if offsets[1] < offsets[0] or _product(shape) * bits != (offsets[1] - offsets[0]) * 8:
            raise _Damaged(f"{_short(name)} has not the bytes that its shape takes")
        spans.append((offsets[0], offsets[1]))
    end = 0
    for first, last in sorted(spans):
        if first != end:
            raise _Damaged("its tensors overlap, or leave gaps")
        end = last
    if end > size:
        raise _Damaged("it was cut off")
    if end < size:
        raise _Damaged("it has more bytes than its header speaks of")


def _short(name: str) -> str:
    return repr(name if len(name) <= 80 else name[:77] + "...")


def _bits(entry: dict[str, Any]) -> int | None:
    dtype = entry.get("dtype")
    return _BITS.get(dtype) if isinstance(dtype, str) else None


def _is_extents(value: Any) -> TypeGuard[list[int]]:
    # True and False are numbers to Python, not to JSON
    return isinstance(value, list) and all(type(one) is int and 0 <= one < 1 << 64 for one in value)


def _product(shape: list[int]) -> int:
    """The number of elements. Raises `_Damaged` where 64 bits do not hold it."""
    count = 1
    for extent in shape:
        count *= extent
        if count >= 1 << 64:
            raise _Damaged("a tensor is larger than any file")
    return count


def _judge(tensors: dict[str, dict[str, Any]]) -> Holds:
    if any(any(mark in name for mark in _ADAM) for name in tensors):
        return Holds.OPTIMIZER
    parts = [part for part in map(part_of, tensors) if part is not None]
    layers = sum(part.role in ("down", "up", "mid") for part in parts)
    others = sum(part.role == "other" for part in parts)
    if not layers and not others:
        tokens = [is_embedding(name, entry["shape"]) for name, entry in tensors.items()]
        return Holds.EMBEDDING if tokens and all(tokens) else Holds.MODEL
    base = sum(".base_layer." in name for name in tensors)
    # alphas and DoRA magnitudes come with LoRA layers; whole layers do not
    if base or len(tensors) - len(parts) > layers + others:
        return Holds.FULL_WITH_LORA
    return Holds.LORA if layers else Holds.LYCORIS
