"""Pipelines as one file, in the names of the code that they were published with: written by hand
from that code, as CivitAI and ComfyUI pass models on."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
_UNET = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_OPEN_CLIP = (
    ("encoder.layers.", "transformer.resblocks."), ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
    ("self_attn.", "attn."), ("embeddings.token_embedding.weight", "token_embedding.weight"),
    ("embeddings.position_embedding.weight", "positional_embedding"),
    ("final_layer_norm", "ln_final"),
)  # fmt: skip


def weights_of(folder: Path) -> Tensors:
    """All tensors of a component."""
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def write_single(pipeline: Path, file: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Stable Diffusion 1 or XL as one file."""
    xl = (pipeline / "text_encoder_2").is_dir()
    first = "conditioner.embedders.0.transformer." if xl else "cond_stage_model.transformer."
    parts: dict[str, tuple[str, Callable[[Tensors], Tensors]]] = {
        "unet": ("model.diffusion_model.", _unet),
        "vae": ("first_stage_model.", _vae),
        "text_encoder": (first, _clip),
    }
    if xl:
        parts["text_encoder_2"] = ("conditioner.embedders.1.model.", _open_clip)
    found: Tensors = {}
    for part, (prefix, convert) in parts.items():
        if part not in without:
            tensors = convert(weights_of(pipeline / part))
            found |= {prefix + name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(found, file)
    return file


def write_z_image(pipeline: Path, file: Path) -> Path:
    """The denoiser of Z-Image as one file."""
    tensors = weights_of(pipeline / "transformer")
    found: Tensors = {}
    for name, tensor in tensors.items():
        if re.search(r"attention\.to_[qkv]\.weight$", name):
            stem = name.rpartition("to_")[0]
            joined = [tensors[f"{stem}to_{one}.weight"] for one in "qkv"]
            found[f"{stem}qkv.weight"] = torch.cat(joined)
            continue
        for old, new in (
            ("all_final_layer.2-1.", "final_layer."), ("all_x_embedder.2-1.", "x_embedder."),
            ("attention.to_out.0.", "attention.out."), ("attention.norm_", "attention."),
        ):  # fmt: skip
            name = name.replace(old, new)
        name = re.sub(r"attention\.([qk])\.weight", r"attention.\1_norm.weight", name)
        found[name] = tensor.contiguous()
    save_file(found, file)
    return file


def _clip(tensors: Tensors) -> Tensors:
    return {f"text_model.{name.removeprefix('text_model.')}": one for name, one in tensors.items()}


def _open_clip(tensors: Tensors) -> Tensors:
    found: Tensors = {}
    for name, tensor in tensors.items():
        if name == "text_projection.weight":
            found["text_projection"] = tensor.T
            continue
        name = name.removeprefix("text_model.")
        if match := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(\w+)", name):
            number, _, kind = match.groups()
            stem = name[: match.start(2)]
            whole = [
                one
                for letter in "qkv"
                for key, one in tensors.items()
                if key.endswith(f"{stem}{letter}_proj.{kind}")
            ]
            found[f"transformer.resblocks.{number}.attn.in_proj_{kind}"] = torch.cat(whole)
            continue
        for old, new in _OPEN_CLIP:
            name = name.replace(old, new)
        found[name] = tensor
    return found


def _unet(tensors: Tensors) -> Tensors:
    layers = 1 + max(int(m[1]) for name in tensors if (m := _DOWN_LAYER.match(name)))
    attended = {m[1] for name in tensors if (m := re.match(r"up_blocks\.(\d+)\.attent", name))}
    found: Tensors = {}
    for name, tensor in tensors.items():
        stem, _, kind = name.rpartition(".")
        if stem in _UNET:
            found[f"{_UNET[stem]}.{kind}"] = tensor
            continue
        place, _, rest = _placed(name, layers, attended)
        if place is None:
            raise AssertionError(name)
        head = rest.split(".")[0]
        rest = rest.replace(head, _RESNET.get(head, head), 1)
        found[f"{place}.{rest}"] = tensor
    return found


_DOWN_LAYER = re.compile(r"down_blocks\.\d+\.resnets\.(\d+)\.")
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|\w+samplers)\.(\d+)\.")


def _placed(name: str, layers: int, attended: set[str]) -> tuple[str | None, str, str]:
    if match := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.", name):
        number = 1 if match[1] == "attentions" else int(match[2]) * 2
        return f"middle_block.{number}", "", name[match.end() :]
    match = _BLOCK.match(name)
    if match is None:
        return None, "", name
    side, block, kind, layer = match[1], int(match[2]), match[3], int(match[4])
    rest = name[match.end() :]
    if side == "down":
        number = 1 + block * (layers + 1) + (layers if kind == "downsamplers" else layer)
        if kind == "downsamplers":
            return f"input_blocks.{number}.0", "", rest.replace("conv", "op")
        return f"input_blocks.{number}.{int(kind == 'attentions')}", "", rest
    number = block * (layers + 1) + (layers if kind == "upsamplers" else layer)
    if kind == "upsamplers":
        return f"output_blocks.{number}.{2 if str(block) in attended else 1}", "", rest
    return f"output_blocks.{number}.{int(kind == 'attentions')}", "", rest


def _vae(tensors: Tensors) -> Tensors:
    blocks = 1 + max(
        int(m[1]) for n in tensors if (m := re.match(r"encoder\.down_blocks\.(\d+)", n))
    )
    found: Tensors = {}
    for name, tensor in tensors.items():
        new = re.sub(r"up_blocks\.(\d+)", lambda m: f"up.{blocks - 1 - int(m[1])}", name)
        new = re.sub(r"down_blocks\.(\d+)", r"down.\1", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        new = re.sub(r"resnets\.(\d+)", r"block.\1", new)
        new = re.sub(r"(down|up)samplers\.0", r"\1sample", new)
        for old, ours in (
            ("mid_block.attentions.0", "mid.attn_1"), ("group_norm", "norm"), ("to_q", "q"),
            ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out"), ("conv_norm_out", "norm_out"),
            ("conv_shortcut", "nin_shortcut"),
        ):  # fmt: skip
            new = new.replace(old, ours)
        if ".attn_1." in new and new.endswith("weight") and tensor.ndim == 2:
            tensor = tensor[:, :, None, None]
        found[new] = tensor
    return found
