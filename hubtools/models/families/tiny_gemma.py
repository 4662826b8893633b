"""Small pipelines that read with Gemma, with random weights: all of their parts, none of their
knowledge."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hubtools.models.families.tiny import COMMON_WORDS, write_pipeline
from hubtools.models.families.tiny_flow import flux1_vae

_WIDTH = 16


def build_tiny_lumina2(folder: Path, *, seed: int = 0) -> Path:
    """A `Lumina2Pipeline`. 16 latent channels, 64 pixels."""

    def made(work: Path) -> Any:
        from diffusers import (
            FlowMatchEulerDiscreteScheduler,
            Lumina2Pipeline,
            Lumina2Transformer2DModel,
        )

        said = (
            "You are an assistant designed to generate superior images with degree image-text"
            " alignment based textual prompts or user prompts. <Prompt Start>"
        )
        tokenizer = gemma_tokenizer([*COMMON_WORDS, *said.split()])
        return Lumina2Pipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
            vae=flux1_vae(),
            text_encoder=_gemma(len(tokenizer)),
            tokenizer=tokenizer,
            transformer=Lumina2Transformer2DModel(
                sample_size=8,
                hidden_size=24,
                num_layers=1,
                num_refiner_layers=1,
                num_attention_heads=2,
                num_kv_heads=1,
                multiple_of=16,
                axes_dim_rope=(4, 4, 4),
                axes_lens=(300, 64, 64),
                cap_feat_dim=_WIDTH,
            ),
        )

    return write_pipeline(folder, made, seed=seed, title="Lumina-Image 2", tag="lumina2")


def build_tiny_sana(folder: Path, *, seed: int = 0) -> Path:
    """A `SanaPipeline`, its words those of the instruction that it puts before a prompt. 32 latent
    channels of cells of 32 pixels, 64 pixels."""

    def made(work: Path) -> Any:
        from diffusers import (
            AutoencoderDC,
            DPMSolverMultistepScheduler,
            SanaPipeline,
            SanaTransformer2DModel,
        )

        call = inspect.signature(SanaPipeline.__call__).parameters
        said = " ".join(call["complex_human_instruction"].default).split()
        tokenizer = gemma_tokenizer([*COMMON_WORDS, *said])
        blocks = ("ResBlock",) * 5 + ("EfficientViTBlock",)
        scales: tuple[tuple[int, ...], ...] = ((), (), (), (), (), (5,))
        return SanaPipeline(
            scheduler=DPMSolverMultistepScheduler(
                prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
            ),
            vae=AutoencoderDC(
                attention_head_dim=8,
                encoder_block_types=blocks,
                decoder_block_types=blocks,
                encoder_block_out_channels=(8, 8, 8, 8, 8, 32),
                decoder_block_out_channels=(8, 8, 8, 8, 8, 32),
                encoder_layers_per_block=(1,) * 6,
                decoder_layers_per_block=(1,) * 6,
                encoder_qkv_multiscales=scales,
                decoder_qkv_multiscales=scales,
                upsample_block_type="interpolate",
                downsample_block_type="Conv",
                scaling_factor=0.41407,
            ),
            text_encoder=_gemma(len(tokenizer)),
            tokenizer=tokenizer,
            transformer=SanaTransformer2DModel(
                sample_size=2,
                num_attention_heads=2,
                attention_head_dim=16,
                num_layers=2,
                num_cross_attention_heads=2,
                cross_attention_head_dim=16,
                cross_attention_dim=32,
                caption_channels=_WIDTH,
            ),
        )

    return write_pipeline(folder, made, seed=seed, title="Sana", tag="sana")


def _gemma(vocabulary: int) -> Any:
    from transformers import Gemma2Config, Gemma2Model

    return Gemma2Model(
        Gemma2Config(
            vocab_size=vocabulary,
            hidden_size=_WIDTH,
            intermediate_size=2 * _WIDTH,
            num_hidden_layers=3,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=8,
            query_pre_attn_scalar=8,
            max_position_embeddings=8192,
        )
    )


def gemma_tokenizer(words: Iterable[str]) -> Any:
    """A Gemma tokenizer with a token for each of `words` behind a space, that spells everything
    else."""
    from transformers import GemmaTokenizer

    space = "\u2581"
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", space]
    tokens += [f"<0x{number:02X}>" for number in range(256)]
    tokens += [chr(number) for number in range(33, 127)]
    merges: dict[tuple[str, str], None] = {}
    for word in sorted(set(words)):
        built = space
        for letter in word:
            merges[built, letter] = None
            built += letter
            tokens.append(built)
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    return GemmaTokenizer(
        vocab=vocabulary, merges=list(merges), add_bos_token=True, model_max_length=8192
    )
