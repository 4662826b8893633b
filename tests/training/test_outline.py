"""What a plan tells of bases that are known beforehand is what PyTorch reckons, without PyTorch."""

from __future__ import annotations

import importlib
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("diffusers")

from hubtools.commands.caches import cache_ls
from hubtools.dataset.examples import Example
from hubtools.models.families.protocol import family_of
from hubtools.project import Project
from hubtools.settings import DatasetSettings, TrainSettings
from hubtools.training import outline
from hubtools.training.choices import completed
from hubtools.training.outline import known, outline_of, rehearsed
from hubtools.training.prepare import with_controls
from hubtools.training.recipe import make_recipe
from hubtools.training.train import train as plan
from tests.drawing import write_pictures

FAMILIES = [
    "tiny_base", "tiny_sdxl", "tiny_sd3", "tiny_flux1", "tiny_flux2", "tiny_z_image",
    "tiny_qwen_image", "tiny_krea2", "tiny_chroma", "tiny_lumina2", "tiny_sana",
]  # fmt: skip
# Stable Diffusion 1.5, with what its files say besides.
PUBLISHED = {
    "": """{"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}""",
    "unet": """{"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0",
        "act_fn": "silu", "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280],
        "center_input_sample": false, "cross_attention_dim": 768, "down_block_types":
        ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4,
        "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-05,
        "norm_num_groups": 32, "out_channels": 4, "sample_size": 64, "up_block_types":
        ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]}""",
    "vae": """{"_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D",
        "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"], "in_channels": 3,
        "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3,
        "sample_size": 512, "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D",
        "UpDecoderBlock2D", "UpDecoderBlock2D"]}""",
    "text_encoder": """{"_name_or_path": "openai/clip-vit-large-patch14", "architectures":
        ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0,
        "eos_token_id": 2, "hidden_act": "quick_gelu", "hidden_size": 768, "initializer_factor":
        1.0, "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 12,
        "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768, "torch_dtype":
        "float32", "transformers_version": "4.22.0.dev0", "vocab_size": 49408}""",
    "scheduler": """{"_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_schedule":
        "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one":
        false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null, "clip_sample":
        false}""",
}
# A base of flow matching: a language model whose files say much besides.
FLOW = {
    "": """{"_class_name": "ZImagePipeline", "_diffusers_version": "0.36.0.dev0",
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3Model"],
        "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "ZImageTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"]}""",
    "transformer": """{"_class_name": "ZImageTransformer2DModel", "_diffusers_version":
        "0.36.0.dev0", "all_f_patch_size": [1], "all_patch_size": [2], "axes_dims": [32, 48, 48],
        "axes_lens": [1536, 512, 512], "cap_feat_dim": 2560, "dim": 3840, "in_channels": 16,
        "n_heads": 30, "n_kv_heads": 30, "n_layers": 30, "n_refiner_layers": 2, "norm_eps": 1e-05,
        "qk_norm": true, "rope_theta": 256.0, "t_scale": 1000.0}""",
    "vae": """{"_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels":
        [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D",
        "DownEncoderBlock2D", "DownEncoderBlock2D"], "force_upcast": true, "in_channels": 3,
        "latent_channels": 16, "latents_mean": null, "latents_std": null, "layers_per_block": 2,
        "mid_block_add_attention": true, "norm_num_groups": 32, "out_channels": 3, "sample_size":
        1024, "scaling_factor": 0.3611, "shift_factor": 0.1159, "up_block_types":
        ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
        "use_post_quant_conv": false, "use_quant_conv": false}""",
    "text_encoder": """{"architectures": ["Qwen3ForCausalLM"], "attention_bias": false,
        "attention_dropout": 0.0, "bos_token_id": 151643, "eos_token_id": 151645, "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 2560, "initializer_range": 0.02, "intermediate_size":
        9728, "max_position_embeddings": 40960, "max_window_layers": 36, "model_type": "qwen3",
        "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": null,
        "tie_word_embeddings": true, "torch_dtype": "bfloat16", "transformers_version": "4.51.0",
        "use_cache": true, "use_sliding_window": false, "vocab_size": 151936}""",
    "scheduler": """{"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000,
        "use_dynamic_shifting": false, "shift": 3.0}""",
}
# Bases whose blocks have layers large enough to be held in fewer bits.
FEWER_BITS = {
    "tiny_base": "int8", "tiny_sdxl": "fp8", "tiny_sd3": "nf4", "tiny_flux1": "fp8",
    "tiny_qwen_image": "nf4", "tiny_chroma": "fp8",
}  # fmt: skip
HEAVY = ("torch", "diffusers", "transformers", "accelerate", "peft", "pyarrow")


def copied(base: Path, to: Path) -> Path:
    """The base's configuration files alone."""
    for path in (*base.glob("*.json"), *base.glob("*/*.json")):
        copy = to / path.relative_to(base)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return to


def asked(
    folder: Path, precision: str, size: int, controls: int = 0, **settings: Any
) -> tuple[Any, ...]:
    family = family_of(folder, "tiny")
    row = Example(Path("a.png"), "a", "a.png", 1, controls=(Path("b.png"),) * controls)
    info = with_controls(family.info(folder, None), [row])
    recipe = make_recipe(
        completed(TrainSettings(**settings), info),
        resolution=size,
        images=3,
        world_size=1,
        precision=precision,
        prediction_type=info.prediction_type,
    )
    return family, folder, info, recipe, size


@pytest.mark.parametrize(
    ("name", "controls", "pipeline"),
    [
        *((name, 0, None) for name in FAMILIES),
        ("tiny_flux2", 3, None),
        ("tiny_kontext", 1, None),
        ("tiny_qwen_image", 1, "QwenImageEditPipeline"),
        ("tiny_qwen_image", 2, "QwenImageEditPlusPipeline"),
    ],
)
def test_the_table_tells_what_rehearsing_tells(
    name: str, controls: int, pipeline: str | None, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder, luck = request.getfixturevalue(name), random.Random(name)
    if pipeline is not None:  # in the shape of another
        folder = copied(folder, tmp_path)
        index = folder / "model_index.json"
        index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": pipeline}))
    said = asked(
        folder,
        luck.choice(["no", "bf16"]),
        luck.choice([64, 128, 256]),
        controls,
        rank=luck.choice([1, 3, 16, 32]),
        lora_alpha=luck.choice([None, 7.0]),
        train_batch_size=luck.choice([1, 2, 5]),
        gradient_accumulation_steps=luck.choice([1, 3]),
        gradient_checkpointing=name != "tiny_sdxl" and luck.random() < 0.5,
        with_prior_preservation=luck.random() < 0.3,
        quantize=FEWER_BITS.get(name),
    )
    found = known(*said[1:])
    assert found is not None, "python tools/make_outlines.py"
    exact = rehearsed(*said)
    assert sorted(found.shapes) == sorted(exact.shapes)
    assert found.shares == exact.shares
    assert found.memory == exact.memory, "python tools/make_outlines.py"


@pytest.mark.parametrize(
    "otherwise",
    [
        {"target_modules": ["to_v"]},
        {"quantize": "fp8", "use_dora": True},
        {"lora_dropout": 0.1},
        {"size": 72},
    ],
    ids=str,
)
def test_what_is_no_usual_lora_is_not_known(tiny_base: Path, otherwise: dict[str, Any]) -> None:
    settings = {"precision": "no", "size": 64} | otherwise
    assert known(*asked(tiny_base, **settings)[1:]) is None


def test_what_another_process_has_rehearsed_is_kept_in_the_cache(
    tiny_sdxl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(outline, "_rehearsed", {})
    family, *said = asked(tiny_sdxl, "no", 64, rank=5, target_modules=["to_v", "conv1"])
    first = outline_of(family, *said, None, print)
    (place,) = (tmp_path / "cache/outlines").iterdir()
    assert [one.kind for one in cache_ls()] == ["outlines"]

    def never(*args: Any) -> Any:
        raise AssertionError("it is known")

    monkeypatch.setattr(outline, "rehearsed", never)
    monkeypatch.setattr(outline, "_rehearsed", {})
    again = outline_of(family, *said, None, print)
    assert again == first
    whole = place.read_text()
    for damaged in ("", "{}", "[]", whole[:-9], whole.replace("flops", "flop"), "{" * 9999):
        place.write_text(damaged)
        monkeypatch.setattr(outline, "_rehearsed", {})
        with pytest.raises(AssertionError, match="it is known"):
            outline_of(family, *said, None, print)
    monkeypatch.setattr(outline, "library_versions", lambda settings: {"torch": "9"})
    place.write_text(whole)
    with pytest.raises(AssertionError, match="it is known"):
        outline_of(family, *said, None, print)


def test_what_was_rehearsed_in_this_process_is_not_again(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for trainings of which anything that the outline hangs on is another."""
    family, *said = asked(tiny_base, "no", 64, rank=5, target_modules=["to_v"], learning_rate=1.0)
    made = []

    def counted(folder: Path) -> Any:
        made.append(folder)
        return type(family).blank_denoiser(family, folder)

    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(family, "blank_denoiser", counted, raising=False)
    first = outline_of(family, *said, None, print)
    again = asked(tiny_base, "no", 64, rank=5, target_modules=["to_v"], max_train_steps=9)[1:]
    assert outline_of(family, *again, None, print) == first
    assert len(made) == 1
    for number, other in enumerate(
        [
            {"rank": 6},
            {"use_dora": True},
            {"train_batch_size": 2},
        ],
        start=2,
    ):
        others = asked(tiny_base, "no", 64, **{"rank": 5, "target_modules": ["to_v"]} | other)[1:]
        assert outline_of(family, *others, None, print) != first
        assert len(made) == number


@pytest.mark.parametrize(
    ("file", "key", "value", "same"),
    [
        ("unet", "_name_or_path", "somebody/else", True),
        ("unet", "dropout", 0.0, True),
        ("unet", "only_cross_attention", True, False),
        ("unet", "norm_num_groups", 16, False),
        ("vae", "layers_per_block", 3, False),
        ("text_encoder", "num_hidden_layers", 7, False),
        ("text_encoder", "transformers_version", "9", True),
    ],
)
def test_another_configuration_is_another_base(
    tiny_base: Path, tmp_path: Path, file: str, key: str, value: object, same: bool
) -> None:
    copied(tiny_base, tmp_path)
    config = tmp_path / file / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {key: value}))
    found = known(*asked(tmp_path, "no", 64)[1:])
    assert (found == known(*asked(tiny_base, "no", 64)[1:])) if same else found is None


def write_configs(folder: Path, files: dict[str, str]) -> None:
    for part, text in files.items():
        path = folder / part / ("config.json" if part else "model_index.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (folder / "scheduler/config.json").rename(folder / "scheduler/scheduler_config.json")


def test_a_published_base_of_flow_matching_is_what_rehearsing_tells(tmp_path: Path) -> None:
    """All 34 of its blocks, where the table was made from three and four of them."""
    write_configs(tmp_path, FLOW)
    usual = {"rank": 2, "train_batch_size": 2, "gradient_checkpointing": True}
    said = asked(tmp_path, "bf16", 128, quantize="nf4", **usual)
    found, exact = known(*said[1:]), rehearsed(*said)
    assert found is not None, "python tools/make_outlines.py Z-Image"
    assert (sorted(found.shapes), found.shares) == (sorted(exact.shapes), exact.shares)
    assert found.memory is not None
    assert exact.memory is not None
    assert found.memory == exact.memory
    assert found.memory.base == pytest.approx(6.155e9 * 4.5 / 8, rel=1e-2)
    whole = known(*asked(tmp_path, "bf16", 128, **usual)[1:])
    assert whole is not None
    assert whole.memory is not None
    assert whole.memory.base == pytest.approx(6.155e9 * 2, rel=1e-3)
    assert found.memory.captions == pytest.approx(4.022e9 * 2, rel=1e-3)


def test_a_published_base_is_known_as_it_was_published(tmp_path: Path) -> None:
    write_configs(tmp_path, PUBLISHED)
    found = known(*asked(tmp_path, "bf16", 512, rank=4)[1:])
    assert found is not None
    assert found.memory is not None
    # as counted of Stable Diffusion 1.5
    assert sum(one * other for one, other in found.shapes) == 797_184
    assert found.memory.base == pytest.approx(859_520_964 * 2, rel=1e-4)
    assert found.memory.captions == pytest.approx(123_060_480 * 4, rel=1e-4)
    assert found.memory.flops == pytest.approx(2 * 0.8e12, rel=0.05)


@pytest.mark.parametrize("kept", [False, True])
def test_a_dry_run_imports_nothing_heavy(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Of a base that the table knows, or whose plan was made before."""
    write_pictures(tmp_path / "pictures", 2)
    cache = tmp_path / "cache"
    if kept:
        monkeypatch.setenv("HUBTOOLS_CACHE", str(cache))
        monkeypatch.setattr(outline, "_rehearsed", {})
        train = {"pretrained_model_name_or_path": str(tiny_base), "resolution": 64, "rank": 5}
        plan(
            Project(
                dataset=DatasetSettings(path=str(tmp_path / "pictures")),
                train=TrainSettings(**train, target_modules=["to_v"]),
            ),
            dry_run=True,
        )
    code = (
        "import sys\nfrom hubtools.cli.main import run\ncode = run(sys.argv[1:])\n"
        f"print([n for n in {HEAVY} if n in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    words = ["--train_data_dir=pictures", f"--base-model={tiny_base}", "--resolution=64"]
    words += ["--rank=5", "--target-modules=to_v"] if kept else []
    home = {"HOME": str(tmp_path), "HUBTOOLS_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", code, "train", *words, "--dry-run"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"} | home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "memory:" in done.stderr + done.stdout
    assert done.stderr.strip().endswith("[]")


@pytest.mark.parametrize(
    ("size", "rank", "told"), [(512, 256, True), (448, 16, False), (512, 257, False)]
)
def test_what_is_known_of_large_pictures_alone_is_told_of_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, rank: int, told: bool
) -> None:
    """At small sizes or high ranks another part of SDXL takes most."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    for file, content in importlib.import_module("family_plans").BASES["SDXL"].items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(json.dumps(content))
    said = asked(tmp_path, "bf16", size, rank=rank, gradient_checkpointing=True)
    assert (known(*said[1:]) is not None) is told
