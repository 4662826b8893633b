"""Whether the weights of a model can be what its configuration asks for, judged by the length of
the files alone: a model that is far larger than them would fill the memory before any library finds
that out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError

_PER_BYTE = 2  # numbers: the smallest are of four bits
_FREE = 1 << 17  # numbers that are no matter


def check_size(folder: Path, config: dict[str, Any], shown: str, endings: tuple[str, ...]) -> None:
    """Raise `HubtoolsError` if the model in `folder` (`shown` to people) is configured to hold more
    numbers than its weight files, which have these `endings`, can."""
    held = _bytes_of(folder, endings)
    if not held:
        return  # the library says what is missing
    for name, value, count in _claims(config):
        if count > held * _PER_BYTE + _FREE:
            raise HubtoolsError(
                f"{shown}/config.json has {value:.3g} as {name}, and the weights beside it hold no"
                f" more than {held * _PER_BYTE:,} numbers.",
                hint="fetch the files again, or correct it",
                code="file-damaged",
            )


def _bytes_of(folder: Path, endings: tuple[str, ...]) -> int:
    count = 0
    for entry in os.scandir(folder):
        if entry.name.endswith(endings) and entry.is_file():
            count += entry.stat().st_size
    return count


def _claims(config: dict[str, Any], depth: int = 0) -> Iterator[tuple[str, int, int]]:
    """(name, value, numbers that a model with it has at least): a matrix of two such widths, so
    many layers of one."""
    width = _first(config, "hidden_size", "d_model")
    heads, each = _int(config.get("num_attention_heads")), _int(config.get("attention_head_dim"))
    channels = [c for c in _list(config.get("block_out_channels")) if _int(c)]
    if width is None and heads and each:
        width = heads * each
        yield "num_attention_heads", heads, width * width
    elif width is not None:
        yield "hidden_size", width, width * width
    if channels:
        width = min(channels)
        yield "block_out_channels", max(channels), max(channels) ** 2
    if width is None:
        width = 1
    for name in _WIDE:
        for value in _list(config.get(name)):
            if _int(value):
                yield name, value, value * width
    # a layer of a convolution has two kernels of 3 x 3, in each block
    layer = 18 * len(channels) * width * width if channels else width * width
    for name in _LAYERS:
        for value in _list(config.get(name)):
            if _int(value):
                yield name, value, value * (layer if name == "layers_per_block" else width * width)
    side = _int(config.get("pos_embed_max_size"))
    if side:
        yield "pos_embed_max_size", side, side * side * width
    reads = _int(config.get("max_position_embeddings"))
    if reads and str(config.get("model_type", "")).startswith("clip"):
        yield "max_position_embeddings", reads, reads * width
    elif reads:
        yield "max_position_embeddings", reads, reads // 64  # a table of angles, made of nothing
    if depth < 4:
        # the checkers of Stable Diffusion have a configuration of CLIP, and its vision model alone
        sees = "SafetyChecker" in str(config.get("architectures"))
        for key in ("vision_config",) if sees else ("text_config", "vision_config", "vision"):
            if isinstance(config.get(key), dict):
                yield from _claims(config[key], depth + 1)


# Extents of matrices, and numbers of layers that have one.
_WIDE = (
    "vocab_size", "intermediate_size", "d_ff", "projection_dim", "cross_attention_dim",
    "joint_attention_dim", "caption_projection_dim", "pooled_projection_dim", "in_channels",
    "out_channels", "latent_channels", "addition_time_embed_dim", "cap_feat_dim", "dim",
)  # fmt: skip
_LAYERS = (
    "num_hidden_layers", "num_layers", "num_single_layers", "num_decoder_layers",
    "layers_per_block", "transformer_layers_per_block", "n_layers", "num_double_layers",
)  # fmt: skip


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _first(config: dict[str, Any], *names: str) -> int | None:
    return next((found for name in names if (found := _int(config.get(name)))), None)


def _list(value: Any) -> list[Any]:
    """One value, or those of a list in which may be further ones."""
    if not isinstance(value, list):
        return [value]
    flat = [one for inner in value[:64] for one in (inner if isinstance(inner, list) else [inner])]
    return flat[:64]
