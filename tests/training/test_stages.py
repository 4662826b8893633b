"""The parts of a base are opened one after the other, and known by their files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch")

from hubtools.models.base import as_folder, resolve_base  # noqa: E402
from hubtools.models.families.stable_diffusion import StableDiffusion  # noqa: E402
from hubtools.models.identity import identity_of_files  # noqa: E402
from hubtools.models.loading import load_pipeline  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.training import stages  # noqa: E402
from hubtools.training.train import train  # noqa: E402


def test_a_part_is_opened_without_the_others(tiny_base: Path) -> None:
    base = resolve_base(str(tiny_base))
    text = load_pipeline(base, device="cpu", parts=("text",))
    assert (text.unet, text.vae) == (None, None)
    assert text.text_encoder is not None
    picture = load_pipeline(base, device="cpu", parts=("picture",))
    assert (picture.unet, picture.text_encoder, picture.tokenizer) == (None, None, None)
    denoiser = load_pipeline(base, device="cpu", parts=("denoiser",), denoiser_dtype="bfloat16")
    assert (denoiser.vae, denoiser.text_encoder) == (None, None)
    assert denoiser.unet.dtype == torch.bfloat16
    both = load_pipeline(base, device="cpu", parts=("picture",), given={"unet": denoiser.unet})
    assert both.unet is denoiser.unet
    assert both.vae is not None


def test_nothing_is_given_back_of_a_part_that_nobody_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given_back: list[str] = []
    monkeypatch.setattr(stages, "let_go", given_back.append)
    every: Any = SimpleNamespace(encoders=list)
    device = torch.device("cpu")
    parts = stages.Stages(cast(Any, None), cast(Any, None), lambda **_: every, device)
    with parts.opened("text"):
        pass
    assert given_back == []
    with parts.opened("text") as opened:
        assert opened.model is every
    assert given_back == ["cpu"]


@pytest.mark.parametrize("samples", [0, 5])
def test_no_two_parts_are_in_memory_together(
    make_project: Callable[..., Project],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    samples: int,
) -> None:
    import gc

    import diffusers
    import transformers

    kinds = (
        diffusers.UNet2DConditionModel,
        diffusers.AutoencoderKL,
        transformers.CLIPTextModel,
    )
    seen: list[set[str]] = []
    right = StableDiffusion.load

    def load(self: Any, *args: Any, **options: Any) -> Any:
        model = right(self, *args, **options)
        gc.collect()
        alive = {
            type(o).__name__
            for o in gc.get_objects()
            if issubclass(type(o), kinds) and id(o) not in elsewhere
        }
        seen.append(alive)
        return model

    gc.collect()
    elsewhere = {id(o) for o in gc.get_objects() if issubclass(type(o), kinds)}  # of other tests
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(StableDiffusion, "load", load)
    train(make_project(validation_steps=samples))
    assert seen[0] == {"CLIPTextModel"}
    assert seen[1] == {"AutoencoderKL"}
    assert seen[2] == {"UNet2DConditionModel"}
    assert not any("CLIPTextModel" in alive for alive in seen[1:])


def test_what_is_encoded_opens_no_encoder_again(
    make_project: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(make_project(name="one"))
    opened: list[Any] = []
    right = StableDiffusion.load

    def load(self: Any, *args: Any, **options: Any) -> Any:
        opened.append(options.get("parts"))
        return right(self, *args, **options)

    monkeypatch.setattr(StableDiffusion, "load", load)
    train(make_project(name="two"))
    assert ("text",) not in opened
    assert ("picture",) not in opened


def test_weights_are_known_by_their_files(tiny_base: Path, tmp_path: Path) -> None:
    family = StableDiffusion()

    def identity(folder: Path, part: Any) -> str:
        return family.identity(resolve_base(str(folder)), folder, part)

    copy = tmp_path / "copy"
    shutil.copytree(tiny_base, copy)
    parts = ("text", "picture", "denoiser")
    first = [identity(tiny_base, part) for part in parts]
    assert len(set(first)) == 3
    assert [identity(copy, part) for part in parts] == first
    config = copy / "vae/config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps(content | {"_name_or_path": "elsewhere"}))
    assert [identity(copy, part) for part in parts] == first
    config.write_text(json.dumps(content | {"scaling_factor": 2.0}))
    assert identity(copy, "picture") != first[1]
    weights = next((copy / "text_encoder").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert identity(copy, "text") != first[0]
    words = copy / "tokenizer/tokenizer.json"
    before = identity(copy, "text")
    words.write_text(words.read_text() + " ")
    assert identity(copy, "text") != before


def test_what_the_hubs_cache_holds_is_known_by_the_names_of_its_blobs(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b/snapshots/abc"
    (snapshot / "vae").mkdir(parents=True)
    blobs = tmp_path / "models--a--b/blobs"
    blobs.mkdir()
    blob = blobs / ("1" * 64)
    blob.write_bytes(b"many gigabytes")
    (snapshot / "vae/model.safetensors").symlink_to(blob)
    base = as_folder_of(snapshot)
    first = identity_of_files(base, snapshot, ("vae",), "")
    blob.chmod(0)  # nobody reads it
    assert identity_of_files(base, snapshot, ("vae",), "") == first
    blob.chmod(0o600)
    other = blobs / ("2" * 64)
    blob.rename(other)
    (snapshot / "vae/model.safetensors").unlink()
    (snapshot / "vae/model.safetensors").symlink_to(other)
    assert identity_of_files(base, snapshot, ("vae",), "") != first
    assert identity_of_files(base, snapshot, ("vae",), "x") != first


def as_folder_of(folder: Path) -> Any:
    from hubtools.models.base import Base

    return Base(None, str(folder), None, True, False, "stable-diffusion", "epsilon")


def test_a_base_as_a_folder_is_fetched_once(tiny_base: Path) -> None:
    base = as_folder(resolve_base(str(tiny_base)))
    assert base.local
    assert as_folder(base) == base
