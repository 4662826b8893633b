"""Small pipelines that read with Gemma, with random weights: all of their parts, none of their
knowledge."""

from __future__ import annotations

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
