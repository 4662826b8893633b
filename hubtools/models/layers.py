"""For which kinds of models the layers of an adapter file can be, by their names and widths, and
what diffusers' loader of each reads.

The layers are those of diffusers' models and of the original ones; the widths those of the
published weights (their configurations). A model that nobody published, such as a tiny one for
tests, is told by its names only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hubtools.models.registry import TARGETS, TargetName
from hubtools.tensornames import Part

Names = frozenset[TargetName]


def _of(*names: TargetName) -> Names:
    return frozenset(names)


_UNETS = _of("sd15", "sd2", "sdxl", "kolors")
_HINTS: tuple[tuple[re.Pattern[str], Names], ...] = tuple(
    (re.compile(pattern), names)
    for pattern, names in (
        (r"(down_blocks|up_blocks|mid_block)[._]", _UNETS),
        (r"(input_blocks|output_blocks|middle_block)[._]", _UNETS),
        # the others have no attention at full size, and one block a place
        (r"down_blocks[._]0[._]attentions[._]", _of("sd15", "sd2")),
        (r"\w+_blocks?[._](\d+[._])?attentions[._]\d+[._]transformer_blocks[._][1-9]",
         _of("sdxl", "kolors")),
        (r"(input|output|middle)_blocks?_(\d+_)?\d+_transformer_blocks_[1-9]",
         _of("sdxl", "kolors")),
        (r"joint_blocks[._]", _of("sd3")),
        (r"(double_blocks|single_blocks)[._]", _of("flux", "flux2", "chroma")),
        (r"single_transformer_blocks[._]\d+[._]attn[._]to_qkv_mlp_proj", _of("flux2")),
        (r"single_transformer_blocks[._]\d+[._](proj_|attn[._]to_[qkv]$)", _of("flux", "chroma")),
        (r"single_transformer_blocks[._]", _of("flux", "flux2", "chroma")),
        (r"transformer_blocks[._]\d+[._]attn[._]",
         _of("sd3", "flux", "flux2", "qwen-image", "krea2", "chroma")),
        (r"transformer_blocks[._]\d+[._](attn[._]to_gate|ff[._](gate|up|down)$)", _of("krea2")),
        (r"text_fusion[._]|txtfusion[._]|blocks[._]\d+[._]attn[._]w[qkvo]$", _of("krea2")),
        (r"transformer_blocks[._]\d+[._](img|txt)_(mlp|mod)", _of("qwen-image")),
        (r"transformer_blocks[._]\d+[._]ff(_context)?[._]linear_", _of("flux2")),
        (r"transformer_blocks[._]\d+[._]attn1[._]", _of("sana", "pixart")),
        (r"transformer_blocks[._]\d+[._]attn2[._]", _of("sana", "pixart", "sd3")),
        (r"(double|single)_stream_blocks[._]", _of("hidream")),
        (r"(layers|noise_refiner|context_refiner)[._]\d+[._]attention[._]to_", _of("z-image")),
        (r"(layers|noise_refiner|context_refiner)[._]\d+[._]attn[._]", _of("lumina2")),
        (r"(layers|noise_refiner|context_refiner)[._]\d+[._]", _of("z-image", "lumina2")),
    )
)  # fmt: skip

# What goes into a layer: captions into the cross-attention of a UNet, else the width of a block.
_CAPTIONS = re.compile(r"attn2[._]to_[kv]$")
_CAPTION_WIDTHS: Mapping[int, Names] = {
    768: _of("sd15"), 1024: _of("sd2"), 2048: _of("sdxl", "kolors"),
}  # fmt: skip
_BLOCK = re.compile(r"(transformer_blocks|layers)[._]\d+[._](attn|attention|attn1)[._]to_[qkv]$")
_BLOCK_WIDTHS: Mapping[int, Names] = {
    1152: _of("pixart"), 1536: _of("sd3"), 2240: _of("sana"), 2304: _of("lumina2"),
    2432: _of("sd3"), 3072: _of("flux", "flux2", "chroma", "qwen-image"), 3840: _of("z-image"),
    4096: _of("flux2"), 6144: _of("flux2", "krea2"),
}  # fmt: skip
_BY_PREFIX: Mapping[str, Names] = {
    "unet.": _UNETS,
    "transformer.": frozenset(r.name for r in TARGETS.values() if r.denoiser == "transformer"),
    "text_encoder_2.": _of("sdxl", "sd3", "flux"),
    "lora_te_": _of("sd15", "sd2"),
    "lora_te2_": _of("sdxl", "sd3"),
}


@dataclass(frozen=True)
class Loader:
    """diffusers' loader of a family. `encoders`: text encoders it reads LoRAs of. `kohya` and
    `native`: it converts the names of sd-scripts, and those that begin with `diffusion_model.`.
    `strict`: it refuses a file in which one name has no "lora" in it."""

    denoiser: str
    encoders: tuple[str, ...] = ()
    kohya: bool = False
    native: bool = False
    wrapped: tuple[str, ...] = ()  # layers whose `base_model.model.` it takes off
    own_layers: tuple[str, ...] = ()  # of kohya's files only these
    strict: bool = True


_ONE, _TWO = ("text_encoder.",), ("text_encoder.", "text_encoder_2.")
_BFL = ("double_blocks", "single_blocks")
_KREA = ("blocks", "txtfusion", "txtmlp", "tmlp", "tproj", "first", "last")
_FLUX = Loader("transformer.", _ONE, kohya=True, wrapped=_BFL, own_layers=_BFL, strict=False)
LOADERS: dict[TargetName, Loader] = {
    "sd15": Loader("unet.", _ONE, kohya=True),
    "sd2": Loader("unet.", _ONE, kohya=True),
    "sdxl": Loader("unet.", _TWO, kohya=True),
    "kolors": Loader("unet.", _TWO, kohya=True),
    "sd3": Loader("transformer.", _TWO),
    "flux": _FLUX,
    "chroma": _FLUX,
    "flux2": Loader("transformer.", kohya=True, native=True, wrapped=("",), own_layers=_BFL),
    "z-image": Loader("transformer.", kohya=True, native=True),
    "qwen-image": Loader("transformer.", kohya=True, native=True),
    "krea2": Loader("transformer.", native=True, wrapped=_KREA),
    "lumina2": Loader("transformer.", native=True),
    "hidream": Loader("transformer.", native=True),
    "sana": Loader("transformer."),
    "pixart": Loader("transformer."),
}

_LONGEST = 300  # letters of a layer's path; a longer one is no model's


def families_of(parts: Iterable[Part], shapes: Mapping[str, list[int]]) -> Names:
    """The rows of the registry that the layers fit; empty if nothing tells, or all at once do.

    `shapes` by name of the tensor."""
    prefixes: set[Names] = set()
    layers: set[Names] = set()
    for part in parts:
        if part.prefix in _BY_PREFIX:
            prefixes.add(_BY_PREFIX[part.prefix])
        if part.of_text or len(part.layer) > _LONGEST:
            continue
        layers |= {names for pattern, names in _HINTS if pattern.match(part.layer)}
        layers |= _by_width(part, shapes.get(part.name, []))
    # a prefix is easily exchanged; the layers are what was trained
    return _all_of(prefixes | layers) or _all_of(layers)


def _all_of(said: set[Names]) -> Names:
    return frozenset.intersection(*said) if said else frozenset()


def _by_width(part: Part, shape: list[int]) -> set[Names]:
    if part.role != "down" or len(shape) < 2:
        return set()
    if _BLOCK.match(part.layer):
        known = _BLOCK_WIDTHS
    elif _CAPTIONS.search(part.layer) and not part.layer.startswith("transformer_blocks"):
        known = _CAPTION_WIDTHS
    else:
        return set()
    return {known[shape[1]]} if shape[1] in known else set()
