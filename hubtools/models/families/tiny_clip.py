"""The two CLIPs of small pipelines with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubtools.models.families.tiny import clip_tokenizer


def clip_pair(folder: Path) -> tuple[Any, Any, Callable[..., Any]]:
    """Two tokenizers, the second of which pads with another token, as SDXL and SD3 have them, and
    `clip_config(width, act, summed=..., heads=...)`: the configuration of a text encoder of that
    width, with the width of what it sums up, and its activation."""
    (folder / "second").mkdir()
    tokenizer, ids = clip_tokenizer(folder)
    second, _ = clip_tokenizer(folder / "second", pad_token="!")

    def clip_config(width: int, act: str, *, summed: int, heads: int) -> Any:
        from transformers import CLIPTextConfig

        return CLIPTextConfig(
            hidden_size=width,
            intermediate_size=2 * width,
            projection_dim=summed,
            num_hidden_layers=3,
            num_attention_heads=heads,
            hidden_act=act,
            **ids,
        )

    return tokenizer, second, clip_config
