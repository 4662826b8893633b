"""What a plan says of published bases on cards of 8, 16, 24 and 80 GB: the tables of
docs/families.md. Nothing is downloaded: a base's shape is a page of configuration. The numbers are
those that `hubtools train --dry-run` tells, from the same function.

    python benchmarks/family_plans.py [NAME ...]
    python benchmarks/family_plans.py --fitting    writes what `hubtools doctor` knows of them
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from hubtools.dataset.examples import Example
from hubtools.files import human_bytes
from hubtools.models.families.protocol import family_of
from hubtools.quiet import hush
from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings
from hubtools.training.choices import completed
from hubtools.training.memory import held
from hubtools.training.optimizer_kinds import bytes_remembered
from hubtools.training.outline import outline_of
from hubtools.training.plan import TrainPlan
from hubtools.training.prepare import with_controls
from hubtools.training.recipe import make_recipe

PICTURES, STEPS = 20, 2000

_VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
_CLIP = {"vocab_size": 49408, "max_position_embeddings": 77}
_CLIP_L = _CLIP | {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "projection_dim": 768,
}  # fmt: skip
_CLIP_G = _CLIP | {
    "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
    "num_attention_heads": 20, "projection_dim": 1280,
}  # fmt: skip
_DDPM = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_FIRST = {
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
}
BASES: dict[str, dict[str, dict[str, Any]]] = {
    "Stable Diffusion 1.5": {
        "model_index.json": {"_class_name": "StableDiffusionPipeline", **_FIRST},
        "unet/config.json": {"in_channels": 4, "sample_size": 64, "cross_attention_dim": 768},
        "vae/config.json": _VAE,
        "text_encoder/config.json": _CLIP_L,
        "scheduler/scheduler_config.json": _DDPM,
    },
    "SDXL": {
        "model_index.json": {
            "_class_name": "StableDiffusionXLPipeline",
            **_FIRST,
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
        },
        "unet/config.json": {
            "in_channels": 4,
            "sample_size": 128,
            "block_out_channels": [320, 640, 1280],
            "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
            "up_block_types": [*["CrossAttnUpBlock2D"] * 2, "UpBlock2D"],
            "transformer_layers_per_block": [1, 2, 10],
            "attention_head_dim": [5, 10, 20],
            "cross_attention_dim": 2048,
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
        },
        "vae/config.json": _VAE | {"scaling_factor": 0.13025},
        "text_encoder/config.json": _CLIP_L,
        "text_encoder_2/config.json": _CLIP_G,
        "scheduler/scheduler_config.json": _DDPM,
    },
}
_SHIFTED = {
    "_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True,
    "base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096,
}  # fmt: skip
_QWEN3 = {
    "vocab_size": 151936, "num_hidden_layers": 36, "num_attention_heads": 32,
    "num_key_value_heads": 8, "head_dim": 128, "dtype": "bfloat16",
}  # fmt: skip
_QWEN3_4B = _QWEN3 | {
    "hidden_size": 2560, "intermediate_size": 9728, "tie_word_embeddings": True,
}  # fmt: skip
_QWEN3_8B = _QWEN3 | {"hidden_size": 4096, "intermediate_size": 12288}
_MISTRAL = {
    "dtype": "bfloat16",
    "vision_config": {"model_type": "pixtral"},
    "text_config": {
        "model_type": "mistral", "vocab_size": 131072, "hidden_size": 5120,
        "intermediate_size": 32768, "num_hidden_layers": 40, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128,
    },
}  # fmt: skip
_QWEN_VL = {
    "dtype": "bfloat16",
    "vision_config": {"hidden_size": 1280, "out_hidden_size": 3584},
    "text_config": {
        "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
        "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
        "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24]},
    },
}  # fmt: skip
_QWEN3_VL = {
    "dtype": "bfloat16",
    "vision_config": {
        "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "out_hidden_size": 2560,
    },
    "text_config": _QWEN3_4B | {
        "rope_parameters": {"rope_type": "default", "mrope_section": [24, 20, 20]},
    },
}  # fmt: skip
_GEMMA = {
    "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "dtype": "bfloat16",
}  # fmt: skip
_T5_XXL = {
    "vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24,
    "num_heads": 64, "feed_forward_proj": "gated-gelu", "dtype": "bfloat16",
}  # fmt: skip
_VAE_16 = _VAE | {
    "latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159, "sample_size": 1024,
    "use_quant_conv": False, "use_post_quant_conv": False,
}  # fmt: skip


def _flow(
    pipeline: str,
    parts: dict[str, tuple[str, dict[str, Any]]],
    scheduler: dict[str, Any] = _SHIFTED,
) -> dict[str, dict[str, Any]]:
    """Configuration files of a base of flow matching: (class, configuration) by component."""
    libraries = {name: "transformers" if "text" in name else "diffusers" for name in parts}
    index = {name: [libraries[name], kind] for name, (kind, _) in parts.items()}
    return {
        "model_index.json": {"_class_name": pipeline, **index},
        "scheduler/scheduler_config.json": scheduler,
        **{f"{name}/config.json": config for name, (_, config) in parts.items()},
    }


def _flux2(pipeline: str, text: tuple[str, dict[str, Any]], **denoiser: Any) -> dict[str, Any]:
    return _flow(
        pipeline,
        {
            "transformer": ("Flux2Transformer2DModel", denoiser),
            "vae": ("AutoencoderKLFlux2", {"latent_channels": 32}),
            "text_encoder": text,
        },
    )


def _flux1(scheduler: dict[str, Any], **denoiser: Any) -> dict[str, Any]:
    return _flow(
        "FluxPipeline",
        {
            "transformer": ("FluxTransformer2DModel", denoiser),
            "vae": ("AutoencoderKL", _VAE_16),
            "text_encoder": ("CLIPTextModel", _CLIP_L),
            "text_encoder_2": ("T5EncoderModel", _T5_XXL),
        },
        scheduler,
    )


def _sd3(**denoiser: Any) -> dict[str, Any]:
    width = 64 * denoiser["num_attention_heads"]
    return _flow(
        "StableDiffusion3Pipeline",
        {
            "transformer": ("SD3Transformer2DModel", denoiser | {"caption_projection_dim": width}),
            "vae": ("AutoencoderKL", _VAE_16 | {"scaling_factor": 1.5305, "shift_factor": 0.0609}),
            "text_encoder": ("CLIPTextModelWithProjection", _CLIP_L),
            "text_encoder_2": ("CLIPTextModelWithProjection", _CLIP_G),
            "text_encoder_3": ("T5EncoderModel", _T5_XXL),
        },
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    )


def _sana(**denoiser: Any) -> dict[str, Any]:
    kinds = ["ResBlock"] * 3 + ["EfficientViTBlock"] * 3
    scales = [[], [], [], [5], [5], [5]]
    vae = {
        "encoder_block_types": kinds, "decoder_block_types": kinds,
        "encoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
        "decoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
        "encoder_layers_per_block": [2, 2, 2, 3, 3, 3], "decoder_layers_per_block": [3] * 6,
        "encoder_qkv_multiscales": scales, "decoder_qkv_multiscales": scales,
        "upsample_block_type": "interpolate", "downsample_block_type": "Conv",
        "latent_channels": 32, "scaling_factor": 0.41407,
    }  # fmt: skip
    return _flow(
        "SanaPipeline",
        {
            "transformer": ("SanaTransformer2DModel", denoiser),
            "vae": ("AutoencoderDC", vae),
            "text_encoder": ("Gemma2Model", _GEMMA),
        },
        {
            "_class_name": "DPMSolverMultistepScheduler", "prediction_type": "flow_prediction",
            "use_flow_sigmas": True, "flow_shift": 3.0,
        },
    )  # fmt: skip


_QWEN3_LM = "Qwen3ForCausalLM"
BASES |= {
    "FLUX.2 klein 4B": _flux2(
        "Flux2KleinPipeline", (_QWEN3_LM, _QWEN3_4B), num_layers=5, num_single_layers=20,
        num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False,
    ),
    "FLUX.2 klein 9B": _flux2(
        "Flux2KleinPipeline", (_QWEN3_LM, _QWEN3_8B), num_layers=8, num_single_layers=24,
        num_attention_heads=32, joint_attention_dim=12288, guidance_embeds=False,
    ),
    "FLUX.2 dev": _flux2("Flux2Pipeline", ("Mistral3ForConditionalGeneration", _MISTRAL)),
    "Z-Image": _flow(
        "ZImagePipeline",
        {
            "transformer": ("ZImageTransformer2DModel", {}),
            "vae": ("AutoencoderKL", _VAE_16),
            "text_encoder": ("Qwen3Model", _QWEN3_4B),
        },
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 6.0},
    ),
    "Qwen-Image": _flow(
        "QwenImagePipeline",
        {
            "transformer": ("QwenImageTransformer2DModel", {}),
            "vae": ("AutoencoderKLQwenImage", {}),
            "text_encoder": ("Qwen2_5_VLForConditionalGeneration", _QWEN_VL),
        },
    ),
    "FLUX.1": _flux1(_SHIFTED, guidance_embeds=True),
    "FLUX.1 schnell": _flux1(_SHIFTED | {"use_dynamic_shifting": False, "shift": 1.0}),
    "Stable Diffusion 3 medium": _sd3(
        num_layers=24, num_attention_heads=24, pos_embed_max_size=192,
    ),
    "Stable Diffusion 3.5 medium": _sd3(
        num_layers=24, num_attention_heads=24, pos_embed_max_size=384, qk_norm="rms_norm",
        dual_attention_layers=list(range(13)),
    ),
    "Stable Diffusion 3.5 large": _sd3(
        num_layers=38, num_attention_heads=38, pos_embed_max_size=192, qk_norm="rms_norm",
    ),
    "Krea 2": _flow(
        "Krea2Pipeline",
        {
            "transformer": ("Krea2Transformer2DModel", {}),
            "vae": ("AutoencoderKLQwenImage", {}),
            "text_encoder": ("Qwen3VLModel", _QWEN3_VL),
        },
    ),
    "Chroma": _flow(
        "ChromaPipeline",
        {
            "transformer": ("ChromaTransformer2DModel", {}),
            "vae": ("AutoencoderKL", _VAE_16),
            "text_encoder": ("T5EncoderModel", _T5_XXL),
        },
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 1.0},
    ),
    "Lumina-Image 2": _flow(
        "Lumina2Pipeline",
        {
            "transformer": ("Lumina2Transformer2DModel", {"cap_feat_dim": 2304}),
            "vae": ("AutoencoderKL", _VAE_16),
            "text_encoder": ("Gemma2Model", _GEMMA),
        },
        {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 6.0},
    ),
    "Sana 1.6B": _sana(),
    "Sana 0.6B": _sana(
        num_attention_heads=36, num_layers=28, num_cross_attention_heads=16,
        cross_attention_head_dim=72, cross_attention_dim=1152,
    ),
}  # fmt: skip
# What is tried on a card, best first; samples are left out if they alone do not fit.
SAVED = {"gradient_checkpointing": True}
TRIED: list[dict[str, Any]] = [
    {"train_batch_size": 8},
    {"train_batch_size": 4},
    {"train_batch_size": 2},
    {},
    SAVED | {"train_batch_size": 4},
    SAVED,
    SAVED | {"quantize": "fp8"},
    SAVED | {"quantize": "nf4"},
]
CARDS = (8, 16, 24, 80)


def plan_of(folder: Path, size: int, controls: int = 0, **settings: Any) -> TrainPlan:
    """The plan of a usual run in bf16 on a GPU, of pictures of `size` pixels, each made from so
    many `controls`."""
    given = tuple(Path(f"control{n}.png") for n in range(controls))
    examples = [
        Example(Path(f"{n}.png"), f"caption {n}", f"{n}.png", n, controls=given)
        for n in range(PICTURES)
    ]
    family = family_of(folder, folder.name)
    info = with_controls(family.info(folder, None), examples)
    train = completed(TrainSettings(max_train_steps=STEPS, **settings), info)
    recipe = make_recipe(
        train, resolution=size, images=PICTURES, world_size=1, precision="bf16",
        prediction_type=info.prediction_type,
    )  # fmt: skip
    outline = outline_of(family, folder, info, recipe, size, None, lambda told: None)
    return TrainPlan(
        recipe=recipe, base=info, base_name=folder.name, base_prediction_type=info.prediction_type,
        dataset=DatasetSettings(), samples=SampleSettings(), examples=examples,
        sizes=[(size, size)] * PICTURES, prompts=["a", "b"], device="cuda", run_dir=folder,
        lora_parameters=sum(map(prod, outline.shapes)), lora_tensors=len(outline.shapes),
        bytes_free=0, memory=outline.memory,
        optimizer_bytes=bytes_remembered(train, outline.shapes),
    )  # fmt: skip


def gb(count: float) -> str:
    """A number of bytes as the page tells it."""
    return f"{count / 1e9:.1f} GB"


def rows(folder: Path, size: int, tried: list[dict[str, Any]] = TRIED) -> list[str]:
    """A line of the table for each card."""
    plans = [(settings, plan_of(folder, size, **settings)) for settings in tried]
    lines = []
    for card in CARDS:
        best = next((pair for pair in plans if fits(pair[1], card)), None)
        if best is None:
            lines.append(f"| {card} GB | does not fit | | | |")
            continue
        settings, plan = best
        assert plan.memory is not None
        samples = held(plan.memory.samples)
        drawn = gb(samples) if samples <= card * 10**9 else f"no ({gb(samples)})"
        batch = settings.get("train_batch_size", 1)
        saved = ", `--gradient-checkpointing`" if settings.get("gradient_checkpointing") else ""
        saved += f", {settings['quantize']}" if "quantize" in settings else ""
        lines.append(
            f"| {card} GB | batch {batch}{saved} | {gb(held(plan.memory.steps))}"
            f" | {drawn} | {plan.memory.flops / 1e12 / batch:.1f} |"
        )
    return lines


def fits(plan: TrainPlan, card: int) -> bool:
    """True if all but samples fits into so many GB."""
    found = plan.memory
    assert found is not None
    return held(max(found.steps, found.captions, found.pictures)) <= card * 10**9


FITTING = Path(__file__).parents[1] / "hubtools" / "data" / "gpu_memory.json"
LADDER: dict[str, dict[str, Any]] = {
    "": {},
    "--gradient-checkpointing": SAVED,
    "--gradient-checkpointing --quantize fp8": SAVED | {"quantize": "fp8"},
    "--gradient-checkpointing --quantize nf4": SAVED | {"quantize": "nf4"},
}


def fewest_options(folder: Path, size: int) -> dict[int, str]:
    """By card, the fewest options with which a batch of one fits; cards that are too small are left
    out."""
    ladder = {said: plan_of(folder, size, **given) for said, given in LADDER.items()}
    told = {card: [said for said, plan in ladder.items() if fits(plan, card)] for card in CARDS}
    return {card: said[0] for card, said in told.items() if said}


def main() -> None:
    """Print the tables."""
    hush()
    named = sys.argv[1:]
    fitting: dict[int, dict[str, str]] | None = None
    if named == ["--fitting"]:
        fitting = {card: {} for card in CARDS}
    with tempfile.TemporaryDirectory() as work:
        for name in BASES if fitting is not None else named or BASES:
            files = BASES[name]
            folder = Path(work) / name
            for file, content in files.items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                (folder / file).write_text(json.dumps(content))
            native = family_of(folder, name).info(folder, None).native_size
            if fitting is not None:
                for card, said in fewest_options(folder, native).items():
                    fitting[card][name] = said
                print(name)
                continue
            plan = plan_of(folder, native)
            found = plan.memory
            assert found is not None
            print(f"\n## {name}, {native} px\n")
            print("| card | settings | steps | a sample | TFLOP a picture |\n|---|---|---|---|---|")
            print("\n".join(rows(folder, native)))
            print(
                f"\nCaptions {human_bytes(held(found.captions))}, pictures"
                f" {human_bytes(held(found.pictures))}, base {human_bytes(found.base)}, LoRA"
                f" {human_bytes(plan.lora_bytes)}, state {human_bytes(plan.state_bytes)}, disk"
                f" {human_bytes(plan.bytes_needed)}, cache {human_bytes(plan.cache_bytes)};"
                f" without samples on the way"
                f" {human_bytes(replace(plan, prompts=[]).bytes_needed)}."
            )
    if fitting is not None:
        FITTING.write_text(json.dumps(fitting, indent=1) + "\n")


if __name__ == "__main__":
    main()
