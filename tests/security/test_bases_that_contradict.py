"""A base model whose configuration contradicts itself or its neighbours gets one sentence that
names the file, before a weight is opened where that can be told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubtools.errors import HubtoolsError
from hubtools.models.configs import check_configs
from tests.typed import typed

SCHEDULER = "scheduler/scheduler_config.json"
UNET, VAE = "unet/config.json", "vae/config.json"
TEXT, TOKENIZER = "text_encoder/config.json", "tokenizer/tokenizer_config.json"


@pytest.fixture
def base(tiny_base: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def change(base: Path, file: str, **values: Any) -> None:
    path = base / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


CONTRADICTIONS: list[tuple[str, dict[str, Any]]] = [
    (SCHEDULER, {"trained_betas": [0.1, 0.2, 0.3, 0.4, 0.5]}),
    (SCHEDULER, {"trained_betas": "many"}),
    (SCHEDULER, {"trained_betas": [float("nan")] * 1000}),
    (SCHEDULER, {"beta_schedule": "none of them"}),
    (SCHEDULER, {"beta_start": "x"}),
    (SCHEDULER, {"beta_end": 7}),
    (SCHEDULER, {"num_train_timesteps": 0}),
    (SCHEDULER, {"num_train_timesteps": -5}),
    (SCHEDULER, {"num_train_timesteps": 10**12}),
    (SCHEDULER, {"num_train_timesteps": 1e12}),
    (SCHEDULER, {"num_train_timesteps": "1000"}),
    (SCHEDULER, {"num_train_timesteps": True}),
    (SCHEDULER, {"steps_offset": 5000}),
    (SCHEDULER, {"timestep_spacing": "sideways"}),
    (UNET, {"sample_size": "64"}),
    (UNET, {"sample_size": 10**9}),
    (UNET, {"sample_size": [8, "x"]}),
    (UNET, {"block_out_channels": [32, 64, 64]}),
    (UNET, {"down_block_types": ["DownBlock2D"]}),
    (UNET, {"layers_per_block": 10**9}),
    (UNET, {"cross_attention_dim": 48}),
    (UNET, {"out_channels": 8}),
    (VAE, {"sample_size": "64"}),
    (VAE, {"block_out_channels": [8, 16]}),
    (VAE, {"up_block_types": ["UpDecoderBlock2D"] * 3}),
    (VAE, {"down_block_types": 4}),
    (VAE, {"scaling_factor": 0}),
    (VAE, {"scaling_factor": "x"}),
    (VAE, {"scaling_factor": 10**400}),
    (VAE, {"latent_channels": 8}),
    (TEXT, {"hidden_size": 48}),
    (TEXT, {"max_position_embeddings": 20}),
    (TEXT, {"num_hidden_layers": 10**9}),
    (TOKENIZER, {"model_max_length": 300}),
    (TOKENIZER, {"model_max_length": -5}),
]


@pytest.mark.parametrize(("file", "values"), CONTRADICTIONS)
def test_contradictions_are_named(base: Path, file: str, values: dict[str, Any]) -> None:
    change(base, file, **values)
    with pytest.raises(HubtoolsError) as caught:
        check_configs(base, "mine")
    assert file in caught.value.message
    assert next(iter(values)) in caught.value.message
    assert caught.value.code == "file-damaged"


def test_what_agrees_passes(base: Path) -> None:
    check_configs(base, "mine")
    change(base, SCHEDULER, trained_betas=[0.001] * 1000)
    change(base, UNET, sample_size=[8, 8])
    (base / TOKENIZER).unlink()
    check_configs(base, "mine")


def command(name: str, base: Path, pictures: Path) -> list[str | Path]:
    if name == "generate":
        return ["generate", "a hat", "--base-model", base, "--size", "64", "--steps", "2"]
    if name == "grid":
        return ["grid", "a hat", "--base-model", base, "--size", "64", "--x", "seed=1"]
    words: list[str | Path] = [name, "--base-model", base, "--train-data-dir", pictures]
    words += ["--output-dir", "run"]
    if name == "train":
        words += ["--max-train-steps", "1", "--resolution", "64", "--target-modules", "to_v"]
    return words


@pytest.mark.parametrize("name", ["train", "generate", "grid", "evaluate"])
def test_every_command_says_it(
    base: Path,
    pictures: Path,
    tmp_path: Path,
    name: str,
    make_lora_file: Callable[..., Path],
) -> None:
    change(base, SCHEDULER, trained_betas=[0.1, 0.2, 0.3, 0.4, 0.5])
    if name == "evaluate":
        (tmp_path / "run").mkdir()
        make_lora_file(tmp_path / "run" / "mine.safetensors")
    done = typed(*command(name, base, pictures), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "bug" not in done.stderr
    assert SCHEDULER in done.stderr


# What no table foresees: the component is named in which the libraries fail.
UNFORESEEN: list[tuple[str, dict[str, Any], str]] = [
    (SCHEDULER, {"prediction_type": "the future"}, "scheduler"),
    (UNET, {"in_channels": 9}, "unet"),
    (TEXT, {"vocab_size": 100}, "text_encoder"),
    (TEXT, {"num_attention_heads": 5}, "text_encoder"),
    (VAE, {"norm_num_groups": 7}, "vae"),
    (VAE, {"act_fn": "none of them"}, "vae"),
]


@pytest.mark.parametrize(("file", "values", "part"), UNFORESEEN)
def test_what_is_not_foreseen_names_its_part(
    base: Path, tmp_path: Path, file: str, values: dict[str, Any], part: str
) -> None:
    change(base, file, **values)
    done = typed(*command("generate", base, base), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "bug" not in done.stderr
    assert part in done.stderr.lower()


@pytest.mark.parametrize("name", ["train", "generate"])
def test_a_vocabulary_smaller_than_the_tokenizer(
    base: Path, pictures: Path, tmp_path: Path, name: str
) -> None:
    from transformers import CLIPTextModel

    encoder = CLIPTextModel.from_pretrained(str(base / "text_encoder"))
    encoder.resize_token_embeddings(50)
    encoder.save_pretrained(str(base / "text_encoder"))
    done = typed(*command(name, base, pictures), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "vocab_size" in done.stderr
