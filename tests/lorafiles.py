"""LoRA files as tools write them, good ones and bad ones, without torch."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy

Tensors = dict[str, numpy.ndarray]

# Of a Stable Diffusion 1: the captions of the second are 768 wide.
LAYERS = {
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q": 320,
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k": 768,
}
BASE = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_DTYPES = {"float32": "F32", "float16": "F16", "float64": "F64", "uint16": "BF16"}


def save(path: Path, tensors: Mapping[str, numpy.ndarray], **metadata: str) -> Path:
    """Write a .safetensors file; what is uint16 is called bfloat16."""
    header: dict[str, object] = {"__metadata__": metadata} if metadata else {}
    end, data = 0, []
    for name, tensor in sorted(tensors.items()):
        data.append(tensor.tobytes())
        begin, end = end, end + len(data[-1])
        kind = _DTYPES[str(tensor.dtype)]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))
    return path


def good(pattern: str = "unet.{}.lora_{}.weight", rank: int = 4, sd2: bool = False) -> Tensors:
    """A LoRA of two layers; `pattern` of the names with places for layer and half (A or B)."""
    rng = numpy.random.default_rng(0)
    made = {}
    for layer, width in LAYERS.items():
        width = 1024 if sd2 and width == 768 else width
        made[pattern.format(layer, "A")] = rng.normal(size=(rank, width)).astype("float32")
        made[pattern.format(layer, "B")] = rng.normal(size=(320, rank)).astype("float32")
    return made


def kohya(tensors: Tensors, alpha: float | None = None) -> Tensors:
    """The same with the names of sd-scripts."""
    made: Tensors = {}
    for name, tensor in tensors.items():
        layer = "lora_unet_" + name.partition(".lora_")[0].partition(".")[2].replace(".", "_")
        made[f"{layer}.lora_{'down' if 'lora_A' in name else 'up'}.weight"] = tensor
        if alpha is not None:
            made[f"{layer}.alpha"] = numpy.array(alpha, "float32")
    return made


def _first(half: str) -> str:
    return next(name for name in good() if f"lora_{half}" in name)


def _nan() -> Tensors:
    made = good()
    made[_first("A")][0, 0] = numpy.nan
    return made


def _zero() -> Tensors:
    return {name: one * ("lora_A" in name) for name, one in good().items()}


def _halves() -> Tensors:
    return {name: one for name, one in good().items() if name != _first("A")}


def loha() -> Tensors:
    """A LoHa of the same layers."""
    made: Tensors = {}
    for name, tensor in kohya(good()).items():
        layer = name.partition(".")[0]
        half = "b" if "lora_down" in name else "a"
        made |= {f"{layer}.hada_w{number}_{half}": tensor for number in (1, 2)}
    return made


def _mixed() -> Tensors:
    return {
        name.replace("lora_A", "lora.down").replace("lora_B", "lora.up")
        if "attn2" in name
        else name: tensor
        for name, tensor in good().items()
    }


# (rule of the push, fault, tensors): what looks like a LoRA and does not act as one.
BAD: dict[str, tuple[str, Tensors]] = {
    "peft-names": ("P140", good("base_model.model.{}.lora_{}.weight")),
    "lost-prefix": ("P141", good("{}.lora_{}.weight")),
    "adapter-keys": ("P142", good("unet.{}.lora_{}.default.weight")),
    "other-family": ("P143", good("transformer.{}.lora_{}.weight")),
    "not-finite": ("P144", _nan()),
    "zero": ("P145", _zero()),
    "halves": ("P146", _halves()),
    "part": ("P147", _mixed()),
}
