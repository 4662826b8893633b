"""A base in one file that takes its configuration from a folder of somebody else's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubtools.errors import HubtoolsError
from hubtools.models import unpacking
from hubtools.models.base import fetch_base, resolve_base
from tests.originals import write_single


def _index(folder: Path, **parts: list[str]) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | parts))


def _config(folder: Path, **values: object) -> None:
    file = folder / "unet" / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "half": (lambda one: _index(one, unet=["diffusers"]), "asks for"),
    "kind": (lambda one: _index(one, unet=["diffusers", "DiffusionPipeline"]), "asks for"),
    "elsewhere": (
        lambda one: _index(one, **{"../unet": ["diffusers", "UNet2DConditionModel"]}),
        "calls a component",
    ),
    "vast": (lambda one: _config(one, block_out_channels=[10**7, 10**7]), "contradicts itself"),
    "pipe": (lambda one: os.mkfifo(one / "vae" / "more.json"), "no regular file"),
    "link": (lambda one: (one / "vae" / "more.json").symlink_to("/etc/passwd"), "link out of"),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused_before_anything_is_made(
    name: str, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(unpacking, "_IN_USE", {})
    change, said = CASES[name]
    like = tmp_path / "like"
    shutil.copytree(tiny_base, like)
    file = write_single(tiny_base, tmp_path / "one.safetensors")
    change(like)
    with pytest.raises((HubtoolsError, OSError), match=said):
        fetch_base(resolve_base(str(file), config=str(like)))
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_tensors_of_no_extent(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(unpacking, "_IN_USE", {})
    file = write_single(tiny_base, tmp_path / "one.safetensors")
    none = ("attn2.to_k.weight", "position_embedding.weight")
    tensors = {
        name: torch.tensor(1.0) if name.endswith(none) else one
        for name, one in load_file(file).items()
    }
    save_file(tensors, file)
    with pytest.raises(HubtoolsError, match="could not be opened"):
        fetch_base(resolve_base(str(file), config=str(tiny_base)))
