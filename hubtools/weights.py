"""What a weight file holds, by its header alone: nothing is loaded, no pickle is ever opened."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_MAX_HEADER = 100_000_000


class Holds(StrEnum):
    """What is in a .safetensors file."""

    LORA = "lora"
    FULL_WITH_LORA = "full-with-lora"  # a frozen model saved with its adapter inside
    OPTIMIZER = "optimizer"
    MODEL = "model"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Header:
    """A safetensors header: tensor name -> {dtype, shape, ...}, and the free metadata."""

    holds: Holds
    tensors: dict[str, dict[str, Any]]
    metadata: dict[str, str]

    @property
    def rank(self) -> int | None:
        """Rank of the first LoRA layer, which is the first extent of its down projection; None if
        there is no such layer."""
        for name, entry in self.tensors.items():
            if any(mark in name for mark in _DOWN):
                return next(iter(entry["shape"]), 0)
        return None


# Parts of tensor names that only LoRA files have: diffusers/peft, older diffusers, sd-scripts.
_DOWN, _UP = (".lora_A.", ".lora.down.", "lora_down"), (".lora_B.", ".lora.up.", "lora_up")
_LORA = _DOWN + _UP
_ADAM = ("exp_avg", "exp_avg_sq", "momentum_buffer")


def read_header(path: Path) -> Header:
    """Read and classify the header (8 bytes little-endian length, then JSON; docs of safetensors).
    A file that has none, or not exactly the bytes it speaks of, is `DAMAGED`: the library would
    not open it."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size - 8
            length = struct.unpack("<Q", file.read(8))[0]
            if length > min(_MAX_HEADER, size):
                raise ValueError("header longer than the file")
            content = json.loads(file.read(length))
        metadata = dict(content.pop("__metadata__", {}))
        tensors = {name: dict(entry) for name, entry in content.items()}
        if not all(_is_shape(entry.get("shape")) for entry in tensors.values()):
            raise ValueError("a tensor without a shape")
        if (
            max((entry["data_offsets"][1] for entry in tensors.values()), default=0) + length
            != size
        ):
            raise ValueError("cut off, or more than the header speaks of")
    except (
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        struct.error,
        RecursionError,
    ):
        return Header(Holds.DAMAGED, {}, {})
    return Header(_judge(tensors), tensors, {str(k): str(v) for k, v in metadata.items()})


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(extent, int) for extent in value)


def _judge(tensors: dict[str, dict[str, Any]]) -> Holds:
    lora = sum(any(mark in name for mark in _LORA) for name in tensors)
    if any(any(mark in name for mark in _ADAM) for name in tensors):
        return Holds.OPTIMIZER
    if not lora:
        return Holds.MODEL
    base = sum(".base_layer." in name for name in tensors)
    # alphas and DoRA magnitudes come with LoRA layers; whole layers do not
    others = sum(
        not any(mark in name for mark in (*_LORA, "alpha", "dora_scale", "magnitude"))
        for name in tensors
    )
    return Holds.FULL_WITH_LORA if base or others > lora else Holds.LORA
