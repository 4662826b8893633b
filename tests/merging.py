"""What a LoRA adds to each layer's weight, from the tensors of a file alone: by a product, and the
scale that the file or what lies beside it says. Nothing of hubtools is asked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

Changes = dict[str, torch.Tensor]


def of_diffusers(file: Path) -> Changes:
    """By names such as `transformer.blocks.0.to_q`; scales are those of the header that diffusers
    reads."""
    with safe_open(str(file), "pt") as opened:
        said = json.loads(opened.metadata()["lora_adapter_metadata"])
    found: Changes = {}
    for name, down, up in _pairs(load_file(file)):
        part, _, inner = name.partition(".")
        config = {key.partition(".")[2]: one for key, one in said.items() if key.startswith(part)}
        found[name] = (up @ down) * _scale(config, inner, len(down))
    return found


def of_peft(folder: Path, part: str) -> Changes:
    """The same from a folder of peft for the denoiser, whose name in the pipeline is `part`, and
    from those in it for text encoders."""
    found: Changes = {}
    for place in (folder, *sorted(one for one in folder.iterdir() if one.is_dir())):
        config = json.loads((place / "adapter_config.json").read_text(encoding="utf-8"))
        prefix = part if place == folder else place.name
        for name, down, up in _pairs(load_file(place / "adapter_model.safetensors")):
            inner = name.removeprefix("base_model.model.")
            found[f"{prefix}.{inner}"] = (up @ down) * _scale(config, inner, len(down))
    return found


def of_kohya(file: Path, names: Changes) -> Changes:
    """The same from a file of sd-scripts; `names` are those that layers may have."""
    tensors = load_file(file)
    starts = {"unet": "lora_unet", "text_encoder": "lora_te"}
    found: Changes = {}
    for name in names:
        part, _, inner = name.partition(".")
        flat = f"{starts[part]}_{inner.replace('.', '_')}"
        down, up = tensors[f"{flat}.lora_down.weight"], tensors[f"{flat}.lora_up.weight"]
        found[name] = (up @ down) * (float(tensors[f"{flat}.alpha"]) / len(down))
    assert len(tensors) == 3 * len(names)
    return found


def check_alike(one: Changes, other: Changes, near: float = 1e-8) -> None:
    """Within float32's rounding and `near`, with or without `text_model` in the names of a CLIP."""
    one, other = (
        {name.replace("text_model.", ""): tensor for name, tensor in each.items()}
        for each in (one, other)
    )
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert float(tensor.abs().max()) > 0, name
        assert torch.allclose(tensor, other[name], rtol=1e-5, atol=near), name


# peft's ends of names, those of older diffusers, and those of its text encoders
_HALVES = {".lora_A.weight": ".lora_B.weight", ".lora.down.weight": ".lora.up.weight",
           ".lora_linear_layer.down.weight": ".lora_linear_layer.up.weight"}  # fmt: skip


def _pairs(tensors: Changes) -> list[tuple[str, torch.Tensor, torch.Tensor]]:
    found = [
        (name.removesuffix(end), tensor, tensors[name.removesuffix(end) + other])
        for name, tensor in tensors.items()
        for end, other in _HALVES.items()
        if name.endswith(end)
    ]
    assert len(tensors) == 2 * len(found)
    return found


def _scale(config: dict[str, Any], name: str, rank: int) -> float:
    """Of peft's settings: patterns are ends of names."""
    alphas = config.get("alpha_pattern") or {}
    own = [one for key, one in alphas.items() if re.fullmatch(rf"(.*\.)?({key})", name)]
    return float(own[0] if own else config["lora_alpha"]) / rank
