"""What the programs people use call the tensors of a LoRA, and what they read in its header.

kohya: the names of sd-scripts (`networks/lora.py`), with alphas as tensors, and the header of its
trainers; SDXL's UNet by the names of its own code, as sd-scripts reads them. peft: a folder as
`save_pretrained` of peft writes it. modelspec: https://github.com/Stability-AI/ModelSpec.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from hubtools.conversion.adapter import MAGNITUDE, Adapter, Layer
from hubtools.errors import HubtoolsError
from hubtools.lorafile.look import METADATA_KEY
from hubtools.lorafile.provenance import header_facts, hub_id, kept_of

if TYPE_CHECKING:
    from torch import Tensor

Format = Literal["diffusers", "kohya", "comfyui", "peft"]
FORMATS: tuple[Format, ...] = ("diffusers", "kohya", "comfyui", "peft")

# As sd-scripts and ModelSpec call them.
_ARCHITECTURES = {
    "sd15": ("stable-diffusion-v1", "sd_v1"),
    "sd2": ("stable-diffusion-v2", "sd_v2"),
    "sdxl": ("stable-diffusion-xl-v1-base", "sdxl_base_v1-0"),
}
_TEXTS = {
    1: {"text_encoder.": "lora_te_"},
    2: {"text_encoder.": "lora_te1_", "text_encoder_2.": "lora_te2_"},
}
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(attentions|resnets)\.(\d+)\.(.+)")
_SAMPLER = re.compile(r"(down|up)_blocks\.(\d+)\.(?:down|up)samplers\.0\.conv")
_MIDDLE = re.compile(r"mid_block\.(attentions|resnets)\.(\d+)\.(.+)")
_RESNETS = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
_AROUND = "text_model."
_LAYERS_A_BLOCK = 2  # of SDXL
_SCALE = ".dora_scale"  # a DoRA's magnitudes, as LyCORIS and ComfyUI call them


def tensors_for(adapter: Adapter, to: Format) -> tuple[dict[str, Tensor], dict[str, str]]:
    """(tensors, header) of a LoRA, whose scales are in its weights, for one file in the format
    `to`; `peft` is asked for by `peft_parts`. Raises `HubtoolsError` where that program reads no
    LoRA of this family under names that hubtools knows."""
    own = _own_header(adapter)
    if to == "diffusers" or (to == "comfyui" and adapter.target.denoiser != "unet"):
        _check_read(adapter, to)
        named = {f"{name}.lora_A.weight": layer.down for name, layer in adapter.layers.items()}
        named |= {f"{name}.lora_B.weight": layer.up for name, layer in adapter.layers.items()}
        for name, layer in adapter.layers.items():
            if layer.magnitude is not None:
                own_name = _SCALE if to == "comfyui" else MAGNITUDE
                named[f"{name}{own_name}"] = _magnitude(layer, peft=to != "comfyui")
        return named, own | {METADATA_KEY: json.dumps(_configs(adapter), sort_keys=True)}
    return _kohya(adapter), own | _kohya_header(adapter)


def _magnitude(layer: Layer, *, peft: bool) -> Tensor:
    """The magnitudes of a DoRA in the shape that peft gives them, or LyCORIS and ComfyUI."""
    assert layer.magnitude is not None
    more = [1] * (layer.up.dim() - 2)
    if peft:
        return layer.magnitude.reshape(1, -1, *more) if more else layer.magnitude
    return layer.magnitude.reshape(-1, 1, *more)


def _own_header(adapter: Adapter) -> dict[str, str]:
    """What is kept of the file's own header: nothing that tells of a machine."""
    return (
        {"modelspec.sai_model_spec": "1.0.0"}
        | kept_of(adapter.metadata, adapter.base)
        | {
            key: value
            for key, value in adapter.metadata.items()
            if key in ("hubtools_step", "modelspec.title", "modelspec.trigger_phrase")
            or key.startswith("modelspec.license")
        }
    )


def _check_read(adapter: Adapter, to: Format) -> None:
    row = adapter.target
    if to == "comfyui" and not row.layers.loader.comfyui:
        raise HubtoolsError(
            f"ComfyUI reads a LoRA of {row.title} by names that hubtools does not write.",
            hint="--as diffusers",
            code="not-supported",
        )


def _configs(adapter: Adapter) -> dict[str, Any]:
    """The header entry that diffusers reads: peft's settings of each part."""
    found = {}
    for prefix, layers in parts_of(adapter).items():
        for key, value in peft_config(layers).items():
            found[f"{prefix}.{key}"] = value
    return found


def parts_of(adapter: Adapter) -> dict[str, dict[str, Layer]]:
    """The layers of each part of the pipeline, by their names within it."""
    found: dict[str, dict[str, Layer]] = {}
    for name, layer in adapter.layers.items():
        part, _, inner = name.partition(".")
        found.setdefault(part, {})[inner] = layer
    return found


def peft_config(layers: Mapping[str, Layer]) -> dict[str, Any]:
    """Settings of peft for layers whose scale is 1: as many ranks as most have, and the others by
    name. Those of a CLIP without the `text_model` that not every version of transformers has around
    them: peft looks how names end."""
    ranks = {name.removeprefix(_AROUND): layer.rank for name, layer in layers.items()}
    usual = Counter(ranks.values()).most_common(1)[0][0]
    others = {name: rank for name, rank in sorted(ranks.items()) if rank != usual}
    config: dict[str, Any] = {
        "r": usual,
        "lora_alpha": usual,
        "lora_dropout": 0.0,
        "target_modules": sorted(ranks),
        "bias": "none",
        "peft_type": "LORA",
    }
    if any(layer.magnitude is not None for layer in layers.values()):
        config["use_dora"] = True
    return config | ({"rank_pattern": others, "alpha_pattern": others} if others else {})


def peft_parts(adapter: Adapter) -> dict[str, tuple[dict[str, Tensor], dict[str, Any]]]:
    """(tensors, adapter_config.json) of each part of the pipeline, the denoiser first."""
    found = {}
    parts = sorted(parts_of(adapter).items(), key=lambda one: one[0] != _den(adapter))
    for part, named in parts:
        layers = _as_modules(adapter, part, named)
        tensors = {}
        for name, layer in layers.items():
            tensors[f"base_model.model.{name}.lora_A.weight"] = layer.down
            tensors[f"base_model.model.{name}.lora_B.weight"] = layer.up
            if layer.magnitude is not None:
                tensors[f"base_model.model.{name}{MAGNITUDE}"] = _magnitude(layer, peft=True)
        found[part] = tensors, peft_config(layers) | _named(adapter)
    return found


def _named(adapter: Adapter) -> dict[str, str]:
    base = hub_id(adapter.base or header_facts(adapter.metadata).base_model)  # as peft looks for it
    return {"base_model_name_or_path": base} if base else {}


def _as_modules(adapter: Adapter, part: str, layers: dict[str, Layer]) -> dict[str, Layer]:
    """Layers as the module has them that peft puts them into: from 5.6 on transformers has no
    `text_model` around a CLIP, unless it projects what it sums up."""
    projects = part != "text_encoder" or adapter.target.name == "sd3"
    if projects or tuple(map(int, version("transformers").split(".")[:2])) < (5, 6):
        return layers
    return {name.removeprefix(_AROUND): layer for name, layer in layers.items()}


def _den(adapter: Adapter) -> str:
    return adapter.target.denoiser


def _kohya(adapter: Adapter) -> dict[str, Tensor]:
    import torch

    row = adapter.target
    if row.denoiser != "unet" or row.name not in _ARCHITECTURES:
        raise HubtoolsError(
            f"hubtools does not write the names that sd-scripts gives LoRAs of {row.title}.",
            hint="--as comfyui" if row.layers.loader.comfyui else "--as diffusers",
            code="not-supported",
        )
    encoders = sum(part.startswith("text_encoder") for part in row.components)
    starts = {"unet.": "lora_unet_"} | _TEXTS[encoders]
    found = {}
    for name, layer in adapter.layers.items():
        start = next(one for one in starts if name.startswith(one))
        inner = name.removeprefix(start)
        if row.name == "sdxl" and start == "unet.":
            inner = _own_name(inner)
        flat = f"{starts[start]}{inner.replace('.', '_')}"
        found[f"{flat}.lora_down.weight"] = layer.down
        found[f"{flat}.lora_up.weight"] = layer.up
        if layer.magnitude is not None:
            found[f"{flat}{_SCALE}"] = _magnitude(layer, peft=False)
        found[f"{flat}.alpha"] = torch.tensor(float(layer.rank), dtype=layer.down.dtype)
    return found


def _own_name(name: str) -> str:
    """A layer of SDXL's UNet as its own code calls it."""
    if match := _MIDDLE.fullmatch(name):
        kind, number, rest = match[1], int(match[2]), match[3]
        place = 1 if kind == "attentions" else 2 * number
        return f"middle_block.{place}.{_RESNETS.get(rest, rest)}"
    if match := _SAMPLER.fullmatch(name):
        block, more = int(match[2]), _LAYERS_A_BLOCK + 1
        if match[1] == "down":
            return f"input_blocks.{block * more + more}.0.op"
        # behind the attention, which SDXL has in the blocks that enlarge
        return f"output_blocks.{block * more + _LAYERS_A_BLOCK}.2.conv"
    if match := _BLOCK.fullmatch(name):
        side, block, kind = match[1], int(match[2]), match[3]
        number = block * (_LAYERS_A_BLOCK + 1) + int(match[4]) + (side == "down")
        rest = _RESNETS.get(match[5], match[5])
        where = "input_blocks" if side == "down" else "output_blocks"
        return f"{where}.{number}.{int(kind == 'attentions')}.{rest}"
    return name


def _kohya_header(adapter: Adapter) -> dict[str, str]:
    architecture, version = _ARCHITECTURES[adapter.target.name]
    ranks = Counter(layer.rank for layer in adapter.layers.values())
    rank = ranks.most_common(1)[0][0]
    return {
        "modelspec.architecture": f"{architecture}/lora",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models"
        if adapter.target.name == "sdxl"
        else "https://github.com/CompVis/stable-diffusion",
        "modelspec.resolution": f"{adapter.target.size}x{adapter.target.size}",
        "ss_base_model_version": version,
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(rank),
        "ss_network_alpha": str(float(rank)),
    }
