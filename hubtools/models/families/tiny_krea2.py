"""A small Krea 2 pipeline with random weights: all of its parts, none of its knowledge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hubtools.models.families.tiny import COMMON_WORDS, write_pipeline
from hubtools.models.families.tiny_flow import QWEN_WORDS, dynamic_scheduler, qwen_tokenizer

_WIDTH = 16
_LAYERS = 36


def build_tiny_krea2(folder: Path, *, seed: int = 0, turbo: bool = False) -> Path:
    """A `Krea2Pipeline`: as Raw is, or as `turbo`. Its language model has the real number of
    layers, of which the pipeline takes twelve. 16 latent channels."""

    def made(work: Path) -> Any:
        import torch
        from diffusers import AutoencoderKLQwenImage, Krea2Pipeline, Krea2Transformer2DModel
        from transformers import Qwen3VLConfig, Qwen3VLModel

        tokenizer = qwen_tokenizer(
            [*COMMON_WORDS, *QWEN_WORDS], bare=("system", "user", "assistant", "Describe")
        )
        text = {
            "vocab_size": len(tokenizer),
            "hidden_size": _WIDTH,
            "intermediate_size": 2 * _WIDTH,
            "num_hidden_layers": _LAYERS,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "max_position_embeddings": 2048,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
        }
        vision = {
            "depth": 1,
            "hidden_size": _WIDTH,
            "intermediate_size": _WIDTH,
            "num_heads": 2,
            "out_hidden_size": _WIDTH,
            "deepstack_visual_indexes": [0],
        }
        transformer = Krea2Transformer2DModel(
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=64,
            timestep_embed_dim=16,
            text_hidden_dim=_WIDTH,
            text_num_attention_heads=2,
            text_num_key_value_heads=2,
            text_intermediate_size=2 * _WIDTH,
            num_layerwise_text_blocks=1,
            num_refiner_text_blocks=1,
            axes_dims_rope=(4, 6, 6),
        )
        for name, one in transformer.named_parameters():
            if name.endswith("scale_shift_table"):  # learnt; zeros, which they begin as, close all
                torch.nn.init.normal_(one, std=0.5)
        return Krea2Pipeline(
            scheduler=dynamic_scheduler(max_image_seq_len=6400, shift=1.0),
            vae=AutoencoderKLQwenImage(base_dim=8, num_res_blocks=1),
            text_encoder=Qwen3VLModel(Qwen3VLConfig(text_config=text, vision_config=vision)),
            tokenizer=tokenizer,
            transformer=transformer,
            is_distilled=turbo,
        )

    return write_pipeline(folder, made, seed=seed, title="Krea 2", tag="krea2")
