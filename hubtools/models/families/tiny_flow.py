"""Small pipelines of the flow-matching families with random weights: real numbers of VAE blocks,
latent channels and encoder layers, everything else as narrow as it can be."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hubtools.files import write_text
from hubtools.models.families.tiny import COMMON_WORDS, write_pipeline, write_tokenizer

_BLOCKS = 4
_WIDTH = 16

# What Qwen's chat format says: a turn of the user, and the beginning of an answer.
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
# As Mistral's: what is said comes in parts.
_MISTRAL_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{{ part.text }}{% endfor %}<|im_end|>{% endfor %}"
)
# Those of Qwen-Image's own chat, each a token there.
QWEN_WORDS = (
    "the", "image", "by", "detailing", "color", "shape", "size", "texture", "quantity", "text",
    "spatial", "relationships", "of", "objects", "and", "background",
)  # fmt: skip
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")


def build_tiny_flux2_klein(folder: Path, *, seed: int = 0, distilled: bool = False) -> Path:
    """A `Flux2KleinPipeline`; `distilled`: as klein is, else as klein-base. 32 latent channels."""

    def made(work: Path) -> Any:
        from diffusers import Flux2KleinPipeline
        from transformers import Qwen3ForCausalLM

        tokenizer = qwen_tokenizer(COMMON_WORDS)
        text_encoder = Qwen3ForCausalLM(_qwen3(len(tokenizer), layers=27))
        return Flux2KleinPipeline(
            scheduler=dynamic_scheduler(),
            vae=_flux2_vae(),
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            transformer=_flux2_transformer(guidance_embeds=False),
            is_distilled=distilled,
        )

    return write_pipeline(folder, made, seed=seed, title="FLUX.2 klein", tag="flux2")


def build_tiny_flux2_dev(folder: Path, *, seed: int = 0) -> Path:
    """A `Flux2Pipeline`, which is told its guidance, with a processor's name for its tokenizer."""

    def made(work: Path) -> Any:
        from diffusers import Flux2Pipeline
        from transformers import Mistral3Config, Mistral3ForConditionalGeneration

        tokenizer = qwen_tokenizer(COMMON_WORDS, chat=_MISTRAL_CHAT)
        text = {
            "model_type": "mistral",
            "vocab_size": len(tokenizer),
            "hidden_size": _WIDTH,
            "intermediate_size": 2 * _WIDTH,
            "num_hidden_layers": 30,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "max_position_embeddings": 2048,
        }
        vision = {
            "model_type": "pixtral",
            "hidden_size": _WIDTH,
            "intermediate_size": _WIDTH,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
        }
        return Flux2Pipeline(
            scheduler=dynamic_scheduler(),
            vae=_flux2_vae(),
            text_encoder=Mistral3ForConditionalGeneration(
                Mistral3Config(text_config=text, vision_config=vision)
            ),
            tokenizer=tokenizer,
            transformer=_flux2_transformer(guidance_embeds=True),
        )

    write_pipeline(folder, made, seed=seed, title="FLUX.2 dev", tag="flux2")
    index = folder / "model_index.json"
    told = json.loads(index.read_text("utf-8"))
    told["tokenizer"] = ["transformers", "PixtralProcessor"]
    write_text(index, json.dumps(told, indent=2) + "\n")
    return folder


def _flux2_vae() -> Any:
    import torch
    from diffusers import AutoencoderKLFlux2

    vae = AutoencoderKLFlux2(latent_channels=32, sample_size=64, **_vae())
    # as trained: latents are far from mean 0 and deviation 1 without them
    vae.bn.running_mean.copy_(torch.randn(128) * 0.2)
    vae.bn.running_var.copy_(torch.rand(128) + 0.5)
    return vae


def _flux2_transformer(*, guidance_embeds: bool) -> Any:
    from diffusers import Flux2Transformer2DModel

    return Flux2Transformer2DModel(
        in_channels=128,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * _WIDTH,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=guidance_embeds,
    )


def build_tiny_z_image(folder: Path, *, seed: int = 0, shift: float = 6.0) -> Path:
    """A `ZImagePipeline`; `shift` of its scheduler: 6 as the base has, 3 as Turbo. 16 latent
    channels."""

    def made(work: Path) -> Any:
        import torch
        from diffusers import (
            FlowMatchEulerDiscreteScheduler,
            ZImagePipeline,
            ZImageTransformer2DModel,
        )
        from transformers import Qwen3Model

        tokenizer = qwen_tokenizer(COMMON_WORDS)
        transformer = ZImageTransformer2DModel(
            dim=32,
            n_layers=2,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=_WIDTH,
            axes_dims=[4, 6, 6],
            axes_lens=[1024, 64, 64],
        )
        for name in ("x_pad_token", "cap_pad_token"):  # learnt; made without a beginning
            torch.nn.init.normal_(getattr(transformer, name), std=0.02)
        return ZImagePipeline(
            scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
            vae=flux1_vae(),
            text_encoder=Qwen3Model(_qwen3(len(tokenizer), layers=3)),
            tokenizer=tokenizer,
            transformer=transformer,
        )

    return write_pipeline(folder, made, seed=seed, title="Z-Image", tag="z-image")


def build_tiny_qwen_image(folder: Path, *, seed: int = 0) -> Path:
    """A `QwenImagePipeline`, its chat as long as the pipeline counts on (34 tokens). 16 latent
    channels."""

    def made(work: Path) -> Any:
        from diffusers import QwenImagePipeline

        return QwenImagePipeline(**qwen_image_parts(QWEN_WORDS))

    return write_pipeline(folder, made, seed=seed, title="Qwen-Image", tag="qwen-image")


def qwen_image_parts(words: Iterable[str]) -> dict[str, Any]:
    """The components of a Qwen-Image pipeline; `words` of its chat are a token each."""
    from diffusers import AutoencoderKLQwenImage, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    special = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
    tokenizer = qwen_tokenizer(
        [*COMMON_WORDS, *words], special=special, bare=("system", "user", "Describe")
    )
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": _WIDTH,
        "intermediate_size": 2 * _WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 1, 1]},
    }
    vision = {
        "depth": 1,
        "hidden_size": _WIDTH,
        "intermediate_size": _WIDTH,
        "num_heads": 2,
        "out_hidden_size": _WIDTH,
        "fullatt_block_indexes": [0],
    }
    names = ("vision_start", "vision_end", "image", "video")
    ids = {
        f"{name}_token_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in zip(names, special, strict=True)
    }
    return {
        "scheduler": dynamic_scheduler(
            max_shift=0.9, max_image_seq_len=8192, shift=1.0, shift_terminal=0.02
        ),
        "vae": AutoencoderKLQwenImage(base_dim=8, num_res_blocks=1),
        "text_encoder": Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
        ),
        "tokenizer": tokenizer,
        "transformer": QwenImageTransformer2DModel(
            num_layers=2,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=_WIDTH,
            axes_dims_rope=(4, 6, 6),
        ),
    }


def build_tiny_flux1(
    folder: Path, *, seed: int = 0, schnell: bool = False, kontext: bool = False
) -> Path:
    """A `FluxPipeline`: as dev is, which is told its guidance, or as `schnell`; a
    `FluxKontextPipeline` if `kontext`. 16 latent channels."""

    def made(work: Path) -> Any:
        from diffusers import (
            FlowMatchEulerDiscreteScheduler,
            FluxKontextPipeline,
            FluxPipeline,
            FluxTransformer2DModel,
        )
        from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

        size = write_tokenizer(work, COMMON_WORDS)
        first = CLIPTokenizer(
            str(work / "vocab.json"), str(work / "merges.txt"), model_max_length=77
        )
        clip = CLIPTextConfig(
            vocab_size=size,
            hidden_size=_WIDTH,
            intermediate_size=2 * _WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
        second = t5_tokenizer(COMMON_WORDS)
        return (FluxKontextPipeline if kontext else FluxPipeline)(
            scheduler=FlowMatchEulerDiscreteScheduler() if schnell else dynamic_scheduler(),
            vae=flux1_vae(),
            text_encoder=CLIPTextModel(clip),
            tokenizer=first,
            text_encoder_2=t5_encoder(len(second), _WIDTH),
            tokenizer_2=second,
            transformer=FluxTransformer2DModel(
                num_layers=1,
                num_single_layers=1,
                attention_head_dim=16,
                num_attention_heads=2,
                joint_attention_dim=_WIDTH,
                pooled_projection_dim=_WIDTH,
                guidance_embeds=not schnell,
                axes_dims_rope=(4, 6, 6),
            ),
        )

    return write_pipeline(folder, made, seed=seed, title="FLUX.1", tag="flux")


_FLUX1_VAE: dict[str, Any] = {
    "latent_channels": 16,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "sample_size": 64,
}


def flux1_vae() -> Any:
    """The VAE of FLUX.1, of 16 latent channels and for pictures of 64 pixels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(**_FLUX1_VAE, **_vae())


def _vae() -> dict[str, Any]:
    return {
        "block_out_channels": (8,) * _BLOCKS,
        "down_block_types": ("DownEncoderBlock2D",) * _BLOCKS,
        "up_block_types": ("UpDecoderBlock2D",) * _BLOCKS,
        "layers_per_block": 1,
        "norm_num_groups": 4,
    }


def dynamic_scheduler(**changes: Any) -> Any:
    """As FLUX has it: the shift hangs on the size of the picture."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    usual: dict[str, Any] = {"shift": 3.0, "use_dynamic_shifting": True, "max_shift": 1.15}
    return FlowMatchEulerDiscreteScheduler(**{**usual, **changes})


def _qwen3(vocabulary: int, layers: int) -> Any:
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=2048,
    )


def t5_encoder(vocabulary: int, width: int) -> Any:
    """A T5 of two layers, its states as wide as told."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=8,
            d_ff=2 * width,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def t5_tokenizer(words: Iterable[str]) -> Any:
    """A T5 tokenizer with a token for each of `words` and each letter."""
    from transformers import T5Tokenizer

    letters = [chr(number) for number in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("\u2581", -4.0)]
    pieces += [(letter, -8.0) for letter in letters]
    pieces += [(f"\u2581{word}", -2.0) for word in sorted(set(words)) if len(word) > 1]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)


def qwen_tokenizer(
    words: Iterable[str],
    chat: str = _CHAT,
    special: Iterable[str] = (),
    bare: Iterable[str] = (),
) -> Any:
    """A Qwen tokenizer with a token for each of `words`, behind a space, that spells everything
    else byte by byte; `special` tokens beside those of its chat format, `bare` words that stand
    behind none."""
    from transformers import Qwen2Tokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    tokens = list(bytes_to_unicode().values())
    merges: dict[tuple[str, str], None] = {}
    for word in sorted(set(words)):
        # all merges begin with the space before a word, so that none comes between another's
        built = "Ġ"
        for letter in word:
            merges[built, letter] = None
            built += letter
            tokens.append(built)
    for word in bare:
        for end in range(2, len(word) + 1):
            merges[word[: end - 1], word[end - 1]] = None
            tokens.append(word[:end])
    names = [*_SPECIAL, *special]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*tokens, *names]))}
    return Qwen2Tokenizer(
        vocab=vocabulary,
        merges=list(merges),
        additional_special_tokens=names[1:],
        chat_template=chat,
        model_max_length=131072,
    )
