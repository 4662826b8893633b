"""SDXL trained for real: resumed bit for bit, written, and read by stock diffusers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import read_samples  # noqa: E402
from hubtools.models.families.stable_diffusion_xl import StableDiffusionXLModel  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed, encodes_nothing  # noqa: E402

MakeProject = Callable[..., Project]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, draw_pictures: Callable[..., Path]) -> Path:
    """Five pictures, two of them twice as wide as high."""
    folder = draw_pictures(tmp_path_factory.mktemp("shapes") / "data", 5)
    for number in range(2):
        path = folder / f"picture{number}.png"
        Image.open(path).resize((160, 80)).save(path)
    return folder


@pytest.fixture
def make_sdxl(make_project: MakeProject, tiny_sdxl: Path, shapes: Path) -> MakeProject:
    """A project of five steps, two in an epoch: all pictures of a shape, in two forward passes."""

    def make(**settings: Any) -> Project:
        usual: dict[str, Any] = {
            "pretrained_model_name_or_path": str(tiny_sdxl),
            "data": shapes,
            "aspect_ratio_buckets": True,
            "train_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "random_flip": True,
            "caption_dropout": 0.3,
            "target_modules": [],
        }
        return make_project(**(usual | settings))

    return make


def bytes_of(project: Project) -> bytes:
    return (project.run_dir / LORA_WEIGHTS).read_bytes()


def test_it_is_trained_resumed_written_and_read(make_sdxl: MakeProject, tiny_sdxl: Path) -> None:
    whole = make_sdxl(name="whole", validation_steps=5)
    manifest = train(whole, skip_validation=True)
    assert manifest.base_model.family == "stable-diffusion-xl"
    assert manifest.lora is not None
    # a family's own layers, where none are named
    assert manifest.lora.target_modules == ["to_k", "to_out.0", "to_q", "to_v"]
    drawn = read_samples(whole.run_dir / "samples")
    assert {record.train_step for record in drawn} == {0, 5}

    # killed in the middle of an epoch, whose second step has fewer pictures
    broken = make_sdxl(name="broken", validation_steps=5, checkpointing_steps=1)
    with encodes_nothing(StableDiffusionXLModel):
        with pytest.raises(Killed):
            train(broken, skip_validation=True, reporter=DiesAt(4))
        assert (broken.run_dir / "state/step-000003").is_dir()
        train(broken, skip_validation=True)
    assert bytes_of(broken) == bytes_of(whole)

    from diffusers import DiffusionPipeline

    fresh = DiffusionPipeline.from_pretrained(str(tiny_sdxl))
    fresh.load_lora_weights(str(whole.run_dir), weight_name=LORA_WEIGHTS)
    tensors = read_tensors(whole.run_dir / LORA_WEIGHTS)
    assert tensors is not None
    loaded = dict(fresh.unet.named_parameters())
    there = [name for name in loaded if "lora_" in name]
    assert len(there) == len(tensors)
    with torch.no_grad():  # every layer has learned
        assert all(float(loaded[name].abs().max()) > 0 for name in there)


def test_the_base_is_kept_beside_the_sizes_of_its_pictures(make_sdxl: MakeProject) -> None:
    project = make_sdxl(
        max_train_steps=2, with_prior_preservation=True, class_prompt="photo of a person",
        target_modules=["to_v"],
    )  # fmt: skip
    manifest = train(project, skip_validation=True)
    assert manifest.steps_done == 2


def test_what_is_cached_knows_nothing_of_sizes(
    make_sdxl: MakeProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are a matter of how a picture was cut, not of its encoder."""
    monkeypatch.setenv("HUBTOOLS_CACHE", str(tmp_path / "cache"))
    train(make_sdxl(max_train_steps=1, target_modules=["to_v"]), skip_validation=True)
    entries = list((tmp_path / "cache/latents").rglob("*.safetensors"))
    texts = list((tmp_path / "cache/text").rglob("*.safetensors"))
    assert len(entries) == 10  # five pictures and their mirror images
    found = [read_tensors(path, verify=True) for path in (*entries, *texts)]
    assert {tuple(sorted(tensors or {})) for tensors in found} == {
        ("mean", "std"), ("embeds", "pooled"),
    }  # fmt: skip


def test_the_unet_is_told_how_each_picture_was_cut(
    make_sdxl: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Height and width before it was resized, top and left of the cut, height and width of it."""

    told = set()
    right = StableDiffusionXLModel.predict

    def watching(self: Any, noised: Any, conditions: Any) -> Any:
        high, wide = noised.latents.shape[-2:]
        for row in conditions.pictures["time_ids"].tolist():
            assert row[4:] == [8 * high, 8 * wide]
            told.add(tuple(row))
        return right(self, noised, conditions)

    monkeypatch.setattr(StableDiffusionXLModel, "predict", watching)
    train(make_sdxl(max_train_steps=2, random_flip=False), skip_validation=True)
    # 160 by 80 is cut to 88 by 40 of 88 by 44, 80 by 96 to 56 by 64 of 56 by 67
    assert told == {(80, 160, 2, 0, 40, 88), (96, 80, 1, 0, 64, 56)}


def test_a_run_tells_its_family(make_sdxl: MakeProject) -> None:
    lines: list[str] = []
    train(make_sdxl(), skip_validation=True, dry_run=True, note=lines.append)
    assert "stable-diffusion-xl, epsilon" in "\n".join(lines)
