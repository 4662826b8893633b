"""Bases in one file."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubtools.commands.caches import cache_ls, cache_prune
from hubtools.errors import HubtoolsError
from hubtools.localhub.server import Hub
from hubtools.models import unpacking
from hubtools.models.base import configs_of, fetch_base, resolve_base
from hubtools.models.singles import single_file
from hubtools.models.targets import target_of
from tests.originals import weights_of, write_single, write_z_image
from tests.typed import typed

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(unpacking, "_IN_USE", {})
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def single(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion 1 in one file."""
    return write_single(tiny_base, tmp_path_factory.mktemp("single") / "mine.safetensors")


def check_same(one: Path, other: Path, *parts: str) -> None:
    for part in parts:
        before, after = (
            {name.removeprefix("text_model."): one for name, one in weights_of(folder).items()}
            for folder in (one / part, other / part)
        )
        assert before.keys() == after.keys(), part
        assert all(torch.equal(before[name], after[name]) for name in before), part


def test_a_file_becomes_the_pipeline_that_it_was_made_of(
    tiny_base: Path, single: Path, cache: Path
) -> None:
    said: list[str] = []
    base = resolve_base(str(single), config=str(tiny_base), notify=said.append)
    assert (base.name, base.family, base.id) == ("mine.safetensors", "stable-diffusion", None)
    start = "mine.safetensors is a model of Stable Diffusion 1; its configuration and tokenizers"
    assert said == [f"{start} are those of {tiny_base}."]
    assert not list(cache.glob("bases/*/unet/*.safetensors"))  # a plan opens nothing
    folder = fetch_base(base)
    check_same(tiny_base, folder, "unet", "vae", "text_encoder")
    times = {path: path.stat().st_mtime_ns for path in folder.glob("*/*.safetensors")}
    assert fetch_base(resolve_base(str(single), config=str(tiny_base))) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*.safetensors")} == times


def test_both_text_encoders_of_sdxl_are_taken(tiny_sdxl: Path, tmp_path: Path) -> None:
    file = write_single(tiny_sdxl, tmp_path / "xl.safetensors")
    folder = fetch_base(resolve_base(str(file), config=str(tiny_sdxl)))
    check_same(tiny_sdxl, folder, "unet", "vae", "text_encoder", "text_encoder_2")


def in_client_cache() -> list[Path]:
    """Weights that were downloaded."""
    from huggingface_hub import constants

    return list(Path(constants.HF_HUB_CACHE).glob("models--*/snapshots/*/*/*.safetensors"))


def test_what_the_file_lacks_is_fetched_and_no_more(
    tiny_z_image: Path, tmp_path: Path, local_hub: Hub
) -> None:
    local_hub.store.mount("model", "Tongyi-MAI/Z-Image", tiny_z_image)
    file = write_z_image(tiny_z_image, tmp_path / "mine.safetensors")
    said: list[str] = []
    base = resolve_base(str(file), notify=said.append)
    assert "its configuration, text_encoder, vae and tokenizers are those of Tongyi-MAI" in said[0]
    folder = fetch_base(base)
    check_same(tiny_z_image, folder, "transformer", "vae", "text_encoder")
    assert {path.parent.name for path in in_client_cache()} == {"vae", "text_encoder"}
    assert resolve_base(str(file)).path_or_id == str(folder)


def test_lost_parts_are_fetched_again(tiny_base: Path, tmp_path: Path) -> None:
    like = shutil.copytree(tiny_base, tmp_path / "like")
    file = write_single(tiny_base, tmp_path / "mine.safetensors", without=("vae",))
    base = resolve_base(str(file), config=str(like))
    next((fetch_base(base) / "vae").glob("*.safetensors")).unlink()
    fetch_base(base)
    check_same(tiny_base, Path(base.path_or_id), "vae", "unet")


def test_a_file_that_says_that_it_predicts_velocity(
    tiny_base: Path, single: Path, tmp_path: Path
) -> None:
    file = tmp_path / "v.safetensors"
    save_file(load_file(single) | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}, file)
    base = resolve_base(str(file), config=str(tiny_base))
    assert base.prediction_type == "v_prediction"
    config = json.loads((configs_of(base) / "scheduler/scheduler_config.json").read_text())
    assert config["rescale_betas_zero_snr"] is True


def test_training_is_that_of_the_folder(
    tiny_base: Path, single: Path, make_project: Callable[..., Any]
) -> None:
    from hubtools.training.train import train

    train(make_project(name="folder", max_train_steps=2), skip_validation=True)
    one = {"pretrained_model_name_or_path": str(single), "base_config": str(tiny_base)}
    train(make_project(name="file", max_train_steps=2, **one), skip_validation=True)
    runs = [make_project(name=name).run_dir for name in ("folder", "file")]
    first, second = (load_file(run / "pytorch_lora_weights.safetensors") for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_command_line_takes_it(tiny_base: Path, single: Path, pictures: Path) -> None:
    words = ["train", "--train-data-dir", pictures, "--base-model", single.name, "--resolution=64"]
    done = typed(*words, "--base-config", tiny_base, "--dry-run", cwd=single.parent)
    assert done.returncode == 0, done.stderr
    assert "mine.safetensors" in done.stdout + done.stderr


def test_the_cache_lists_and_empties_it(tiny_base: Path, single: Path, cache: Path) -> None:
    fetch_base(resolve_base(str(single), config=str(tiny_base)))
    (shelf,) = [one for one in cache_ls() if one.kind == "bases"]
    assert shelf.bytes > single.stat().st_size * 0.9
    own = cache / "bases" / "jane"
    own.mkdir()
    (own / "notes.txt").write_text("mine")
    if sys.platform == "linux":
        assert shelf.in_use
        assert cache_prune(older_than=0, kind=["bases"]).entries == 0
    for held in unpacking._IN_USE.values():
        if held is not None:
            os.close(held)
    cache_prune(older_than=0, kind=["bases"])
    assert [path.name for path in (cache / "bases").iterdir()] == ["jane"]
    assert (own / "notes.txt").exists()


UNET = "model.diffusion_model."
IN = f"{UNET}input_blocks.0.0.weight"
WORDS = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
FLUX = "double_blocks.0.img_attn.norm.key_norm.scale"
GUIDED = "guidance_in.in_layer.weight"


@pytest.mark.parametrize(
    ("name", "shapes", "target", "like"),
    [
        ("a", {IN: [320, 4, 3, 3], WORDS: [320, 768]}, "sd15", "stable-diffusion-v1-5"),
        ("a", {IN: [320, 4, 3, 3], WORDS: [320, 1024]}, "sd2", "stable-diffusion-2-1"),
        (
            "a",
            {IN: [320, 4, 3, 3], WORDS: [640, 2048], f"{UNET}label_emb.0.0.weight": [1280, 2816]},
            "sdxl",
            "stable-diffusion-xl-base-1.0",
        ),
        ("flux1-dev", {FLUX: [128], GUIDED: [3072, 256]}, "flux", "FLUX.1-dev"),
        ("flux1-kontext", {FLUX: [128], GUIDED: [3072, 256]}, "flux", "FLUX.1-Kontext-dev"),
        ("flux1", {f"{UNET}{FLUX}": [128], "vae.x": [1]}, "flux", "FLUX.1-schnell"),
        ("a", {"single_stream_modulation.lin.weight": [9216, 3072]}, "flux2", "klein-base-4B"),
        ("a", {"single_stream_modulation.lin.weight": [12288, 4096]}, "flux2", "klein-base-9B"),
        ("a", {"single_stream_modulation.lin.weight": [18432, 6144]}, "flux2", "FLUX.2-dev"),
        ("a", {"distilled_guidance_layer.in_proj.bias": [1], FLUX: [128]}, "chroma", "Chroma1"),
        ("a", {"layers.0.adaLN_modulation.0.weight": [1]}, "z-image", "Z-Image"),
        ("a_Turbo", {"layers.0.adaLN_modulation.0.weight": [1]}, "z-image", "Z-Image-Turbo"),
        ("a", {"cap_embedder.0.weight": [1]}, "lumina2", "Lumina"),
        ("a", {"joint_blocks.0.context_block.adaLN_modulation.1.bias": [1]}, "sd3", "3-medium"),
        ("a", {"joint_blocks.0.x_block.attn2.qkv.weight": [1]}, "sd3", "3.5-medium"),
        ("a", {"joint_blocks.37.x_block.mlp.fc1.weight": [1]}, "sd3", "3.5-large"),
        ("a", {"txtfusion.projector.weight": [1]}, "krea2", "Krea-2-Raw"),
        ("a", {"blocks.0.cross_attn.q_linear.weight": [1]}, "sana", "Sana"),
        ("a", {"transformer_blocks.0.img_mod.1.weight": [1]}, "qwen-image", "Qwen-Image"),
    ],
)
def test_the_kind_is_told_by_names_and_shapes(
    name: str, shapes: dict[str, list[int]], target: str, like: str,
    tmp_path: Path, make_weights: Make,
) -> None:  # fmt: skip
    file = make_weights(tmp_path / f"{name}.safetensors", shapes)
    found = single_file(file)
    assert found.target == target
    assert like in found.like
    assert (row := target_of(file)) is not None
    assert row.name == target


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ({IN: [320, 9, 3, 3], WORDS: [320, 768]}, "it is an inpainting model"),
        ({IN: [320, 8, 3, 3], WORDS: [320, 768]}, "it changes pictures"),
        ({IN: [320, 4, 3, 3], WORDS: [320, 1280]}, "it is a refiner"),
        ({FLUX: [128], "img_in.weight": [3072, 384]}, "it is an inpainting model"),
        ({FLUX: [128], "scaled_fp8": [2]}, "quantised"),
        ({"decoder.conv_in.weight": [512, 4, 3, 3]}, "may be a VAE"),
        ({"unet.a.lora_A.weight": [4, 320], "unet.a.lora_B.weight": [320, 4]}, "it is a LoRA"),
    ],
)
def test_other_files_are_refused_with_the_reason(
    shapes: dict[str, list[int]], why: str, tmp_path: Path, make_weights: Make
) -> None:
    file = make_weights(tmp_path / "mine.safetensors", shapes)
    with pytest.raises(HubtoolsError, match=why) as raised:
        resolve_base(str(file))
    assert raised.value.code == "wrong-kind"
    assert target_of(file) is None


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("mine.ckpt", b"\x80\x02", "unsafe-file"),
        ("mine.safetensors", b"x" * 100, "file-damaged"),
        ("mine.gguf", b"GGUF", "wrong-kind"),
    ],
)
def test_files_that_are_never_opened(name: str, content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HubtoolsError) as raised:
        resolve_base(str(tmp_path / name))
    assert raised.value.code == code


def test_a_configuration_of_another_family_is_refused(single: Path, tiny_z_image: Path) -> None:
    with pytest.raises(HubtoolsError, match="is one of Z-Image"):
        resolve_base(str(single), config=str(tiny_z_image))


def test_a_configuration_that_does_not_fit_is_a_sentence(
    single: Path, tiny_base: Path, tmp_path: Path
) -> None:
    like = shutil.copytree(tiny_base, tmp_path / "like")
    config = json.loads((like / "unet/config.json").read_text())
    (like / "unet/config.json").write_text(json.dumps(config | {"block_out_channels": [64, 96]}))
    with pytest.raises(HubtoolsError, match="could not be opened as") as raised:
        fetch_base(resolve_base(str(single), config=str(like)))
    assert "--base-config" in str(raised.value.hint)


def test_without_the_hub_it_says_what_it_wanted(
    single: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubtoolsError, match="takes its configuration from") as raised:
        resolve_base(str(single))
    assert "--base-config" in str(raised.value.hint)
