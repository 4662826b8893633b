"""A small Stable Diffusion 3 pipeline with random weights: all of its parts, none of its
knowledge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubtools.models.families.tiny import COMMON_WORDS, write_pipeline
from hubtools.models.families.tiny_clip import clip_pair
from hubtools.models.families.tiny_flow import flux1_vae, t5_encoder, t5_tokenizer

# Widths of the CLIPs, which are also their sums', and of T5.
_FIRST, _SECOND, _THIRD = 16, 24, 48


def build_tiny_sd3(folder: Path, *, seed: int = 0, t5: bool = True) -> Path:
    """A `StableDiffusion3Pipeline`, as 3.5 medium is: queries normed, a block of two attentions.
    `t5`: with the third text encoder. 16 latent channels, 64 pixels."""

    def made(work: Path) -> Any:
        from diffusers import (
            FlowMatchEulerDiscreteScheduler,
            SD3Transformer2DModel,
            StableDiffusion3Pipeline,
        )
        from transformers import CLIPTextModelWithProjection

        tokenizer, second, clip_config = clip_pair(work)

        def clip(width: int, act: str) -> Any:
            return CLIPTextModelWithProjection(clip_config(width, act, summed=width, heads=2))

        vae = flux1_vae()
        vae.register_to_config(scaling_factor=1.5305, shift_factor=0.0609)
        third = t5_tokenizer(COMMON_WORDS) if t5 else None
        return StableDiffusion3Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=vae,
            text_encoder=clip(_FIRST, "quick_gelu"),
            tokenizer=tokenizer,
            text_encoder_2=clip(_SECOND, "gelu"),
            tokenizer_2=second,
            text_encoder_3=t5_encoder(len(third), _THIRD) if third is not None else None,
            tokenizer_3=third,
            transformer=SD3Transformer2DModel(
                sample_size=8,
                num_layers=2,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=_THIRD,
                caption_projection_dim=32,
                pooled_projection_dim=_FIRST + _SECOND,
                pos_embed_max_size=32,
                dual_attention_layers=(0,),
                qk_norm="rms_norm",
            ),
        )

    return write_pipeline(folder, made, seed=seed, title="Stable Diffusion 3", tag="sd3")
