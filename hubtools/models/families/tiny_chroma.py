"""A small Chroma pipeline with random weights: all of its parts, none of its knowledge."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from hubtools.models.families.tiny import COMMON_WORDS, write_pipeline
from hubtools.models.families.tiny_flow import flux1_vae, t5_encoder, t5_tokenizer

_WIDTH = 16


def build_tiny_chroma(folder: Path, *, seed: int = 0) -> Path:
    """A `ChromaPipeline`. 16 latent channels, 64 pixels."""

    def made(work: Path) -> Any:
        from diffusers import (
            ChromaPipeline,
            ChromaTransformer2DModel,
            FlowMatchEulerDiscreteScheduler,
        )

        # diffusers on itself
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        tokenizer = t5_tokenizer(COMMON_WORDS)
        return ChromaPipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(),
            vae=flux1_vae(),
            text_encoder=t5_encoder(len(tokenizer), _WIDTH),
            tokenizer=tokenizer,
            transformer=ChromaTransformer2DModel(
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=_WIDTH,
                axes_dims_rope=(4, 6, 6),
                approximator_hidden_dim=32,
                approximator_layers=1,
            ),
        )

    return write_pipeline(folder, made, seed=seed, title="Chroma", tag="chroma")
