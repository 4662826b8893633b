"""A small SDXL pipeline with random weights: all of its parts, none of its knowledge."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Literal

from hubtools.models.families.tiny import BETAS, tiny_vae, write_pipeline
from hubtools.models.families.tiny_clip import clip_pair

# Widths of the text encoders, and of what the second one sums up.
_FIRST, _SECOND, _POOLED = 32, 48, 40


def build_tiny_sdxl(
    folder: Path,
    *,
    seed: int = 0,
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon",
    size: int = 64,
) -> Path:
    """Write a `StableDiffusionXLPipeline` folder and return it. The same seed gives the same bytes.

    `size`: native side in pixels, a multiple of 16. VAE factor 8, 4 latent channels, two CLIP text
    encoders of 77 positions, the second of which pads with another token. See
    `tiny.write_pipeline`."""

    def made(work: Path) -> Any:
        from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
        from diffusers import UNet2DConditionModel as UNet
        from transformers import CLIPTextModel, CLIPTextModelWithProjection

        tokenizer, second, clip_config = clip_pair(work)
        clip_config = partial(clip_config, summed=_POOLED, heads=4)
        text_encoder = CLIPTextModel(clip_config(_FIRST, "quick_gelu"))
        text_encoder_2 = CLIPTextModelWithProjection(clip_config(_SECOND, "gelu"))
        vae = tiny_vae(size)
        vae.register_to_config(scaling_factor=0.13025)
        unet = UNet(
            sample_size=size // 8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(32, 64),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            layers_per_block=1,
            transformer_layers_per_block=(1, 2),
            cross_attention_dim=_FIRST + _SECOND,
            attention_head_dim=(4, 8),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=_POOLED + 6 * 8,
            norm_num_groups=8,
        )
        return StableDiffusionXLPipeline(
            vae=vae,
            text_encoder=text_encoder,
            text_encoder_2=text_encoder_2,
            tokenizer=tokenizer,
            tokenizer_2=second,
            unet=unet,
            scheduler=EulerDiscreteScheduler(
                **BETAS, prediction_type=prediction_type, steps_offset=1, timestep_spacing="leading"
            ),
            add_watermarker=False,
        )

    tag = "stable-diffusion-xl"
    return write_pipeline(folder, made, seed=seed, title="SDXL", tag=tag)
