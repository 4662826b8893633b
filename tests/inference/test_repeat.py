"""`generate --from`: the same pixels from what the picture carries, or a sentence why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import HfApi
from PIL import Image
from PIL.PngImagePlugin import PngInfo

torch = pytest.importorskip("torch")

from hubtools.cli.main import run  # noqa: E402
from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.inference.generate import generate  # noqa: E402
from hubtools.inference.png import read_record  # noqa: E402
from hubtools.localhub.server import Hub  # noqa: E402
from hubtools.manifest import SampleRecord  # noqa: E402
from hubtools.models.loading import load_pipeline  # noqa: E402
from hubtools.project import Project, load_project  # noqa: E402

MakeLora = Callable[..., Path]
TRIGGER = "(tok)"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.fixture
def project(tiny_base: Path, tmp_path: Path, make_lora: MakeLora) -> Project:
    """A project with a LoRA in runs/lora and settings that no test's picture has."""
    make_lora(tmp_path / "runs/lora", name="pytorch_lora_weights.safetensors", seed=21)
    (tmp_path / "hubtools.toml").write_text(
        f"[dataset]\ntrigger = {TRIGGER!r}\n"
        f"[train]\npretrained_model_name_or_path = '{tiny_base}'\nresolution = 64\n"
        "num_threads = 1\n[samples]\nsteps = 3\nguidance = 2.5\nseed = 9\n"
        "negative_prompt = '(blurry:1.2)'\n"
    )
    return load_project(tmp_path / "hubtools.toml")


def drawn(project: Project, **options: Any) -> tuple[Path, SampleRecord]:
    folder = project.root / "samples"
    (record,) = generate(project, prompts=[f"a (red:1.4) hat, {TRIGGER}"], **options)
    return folder / record.file, record


def again(project: Project, picture: Path, **options: Any) -> tuple[Path, SampleRecord, list[str]]:
    notes: list[str] = []
    (record,) = generate(project, like=picture, note=notes.append, **options)
    return project.root / "samples" / record.file, record, notes


def other_settings(project: Project) -> Project:
    """The same project after its owner has changed everything about samples."""
    text = (project.root / "hubtools.toml").read_text().split("[samples]")[0]
    text += "[samples]\nsteps = 1\nguidance = 7.5\nseed = 1\nscheduler = 'ddim'\n"
    (project.root / "hubtools.toml").write_text(text.replace("resolution = 64", "resolution = 96"))
    return load_project(project.root / "hubtools.toml")


@pytest.mark.parametrize("scheduler", ["default", "euler_a", "dpmpp_2m_sde_karras"])
def test_the_same_pixels(project: Project, scheduler: str) -> None:
    project.samples.scheduler = scheduler
    lora = f"{project.root / 'runs/lora'}:0.7"
    picture, record = drawn(project, lora=lora)
    file, repeated, notes = again(other_settings(project), picture)
    assert np.array_equal(pixels(file), pixels(picture))
    assert file.name == "p00_s9_again.png"
    assert repeated.identity() | {"file": ""} == record.identity() | {"file": ""}
    assert f"{file.name} is {picture.name}, pixel for pixel." in notes
    assert record.versions["peft"]


def test_two_loras_fused_and_a_picture_moved_elsewhere(
    project: Project, make_lora: MakeLora, tmp_path: Path
) -> None:
    run_dir = project.root / "runs/lora"
    second = make_lora(run_dir / "snapshots", name="x-step000005.safetensors", seed=22)
    picture, record = drawn(project, lora=[f"{run_dir}:0.5", f"{second}:0.8"], fuse=True)
    assert record.fused
    moved = tmp_path / "elsewhere/sent.png"
    moved.parent.mkdir()
    shutil.copy(picture, moved)
    file, repeated, _ = again(other_settings(project), moved)
    assert file.name == "sent_again.png"
    assert [lora.weight for lora in repeated.loras] == [0.5, 0.8]
    assert np.array_equal(pixels(file), pixels(picture))


def test_without_a_lora_and_with_prompt_weights_off(project: Project) -> None:
    project.samples.prompt_weights = False
    picture, record = drawn(project)
    assert record.prompt_weights is False
    file, _, _ = again(other_settings(project), picture)
    assert np.array_equal(pixels(file), pixels(picture))


def test_weights_turned_off_beside_it_make_another_picture(project: Project) -> None:
    picture, _ = drawn(project)
    changed = other_settings(project)
    changed.samples.prompt_weights = False
    file, record, notes = again(changed, picture, given={"samples.prompt_weights"})
    assert record.prompt_weights is False
    assert not np.array_equal(pixels(file), pixels(picture))
    assert not any("differs" in note for note in notes), "it was not asked to be the same"


def test_options_beside_it_overrule(project: Project) -> None:
    lora = str(project.root / "runs/lora")
    picture, first = drawn(project, lora=lora)
    changed = other_settings(project)
    given = {"samples.steps", "samples.lora_weight"}
    changed.samples.lora_weight = 0.25
    _, record, notes = again(changed, picture, given=given, prompts=["a (blue:0.5) hat"])
    assert (record.steps, record.guidance, record.seed) == (1, first.guidance, first.seed)
    assert (record.prompt, record.negative_prompt) == ("a (blue:0.5) hat", "(blurry:1.2)")
    assert (record.lora_weight, record.prompt_weights) == (0.25, True)
    assert not any("pixel for pixel" in note or "differs" in note for note in notes)
    records = generate(changed, like=picture, images=2)
    assert [(r.seed, r.file) for r in records] == [
        (9, "p00_s9_again_p00_s9.png"),
        (10, "p00_s9_again_p00_s10.png"),
    ]


def test_a_lora_that_is_gone_or_another(project: Project, make_lora: MakeLora) -> None:
    run_dir = project.root / "runs/lora"
    picture, _ = drawn(project, lora=str(run_dir))
    make_lora(run_dir, name="pytorch_lora_weights.safetensors", seed=99)
    _, record, notes = again(project, picture)
    assert any(note.startswith("Warning: the LoRA lora is not the one") for note in notes)
    assert record.lora_sha256 != read_record(picture).lora_sha256  # type: ignore[union-attr]
    (run_dir / "pytorch_lora_weights.safetensors").unlink()
    with pytest.raises(HubtoolsError, match="is not here") as caught:
        again(project, picture)
    assert "--lora" in (caught.value.hint or "")


def test_a_lora_that_lies_elsewhere_is_named_without_its_weight(
    project: Project, make_lora: MakeLora, tmp_path: Path
) -> None:
    run_dir = str(project.root / "runs/lora")
    other = str(make_lora(tmp_path / "far/away", name="x.safetensors", seed=23))
    picture, first = drawn(project, lora=[f"{run_dir}:0.5", f"{other}:0.8"])
    with pytest.raises(HubtoolsError, match=r"x\.safetensors.* is not here"):
        again(project, picture)
    file, record, _ = again(project, picture, lora=other)
    assert [use.weight for use in record.loras] == [0.5, 0.8] == [u.weight for u in first.loras]
    assert np.array_equal(pixels(file), pixels(picture))
    _, record, _ = again(project, picture, lora=f"{other}:0.3")
    assert [use.weight for use in record.loras] == [0.3], "with a weight it replaces them"


def test_a_lora_and_a_base_of_the_hub(project: Project, local_hub: Hub, tiny_base: Path) -> None:
    local_hub.store.mount("model", "someone/base", tiny_base)
    HfApi().create_repo("me/people")
    lora = project.root / "runs/lora/pytorch_lora_weights.safetensors"
    HfApi().upload_file(path_or_fileobj=lora, path_in_repo=lora.name, repo_id="me/people")
    project.train.pretrained_model_name_or_path = "someone/base"
    picture, record = drawn(project, lora="me/people:0.5")
    assert record.base_revision
    assert record.loras[0].name == "me/people"
    shutil.rmtree(project.root / "runs")
    project.train.pretrained_model_name_or_path = None
    file, _, _ = again(project, picture)
    assert np.array_equal(pixels(file), pixels(picture))


def test_other_versions_are_told(project: Project) -> None:
    picture, record = drawn(project)
    changed = record.model_copy(update={"versions": record.versions | {"torch": "1.0"}})
    info = PngInfo()
    info.add_itxt("hubtools", changed.model_dump_json())
    with Image.open(picture) as image:
        image.save(picture, pnginfo=info)
    _, _, notes = again(project, picture)
    assert any(f"torch 1.0 (now {torch.__version__})" in note for note in notes)


def test_pictures_that_cannot_be_repeated(project: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no"):
        again(project, tmp_path / "nothing.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(HubtoolsError, match="does not carry"):
        again(project, tmp_path / "plain.png")
    picture, record = drawn(project)
    project.train.pretrained_model_name_or_path = None
    with pytest.raises(HubtoolsError, match="folders are not recorded") as caught:
        again(project, picture)
    assert "--base-model" in (caught.value.hint or "")
    training = record.model_copy(update={"lora_weight": 1.0, "train_step": 5})
    info = PngInfo()
    info.add_itxt("hubtools", training.model_dump_json())
    Image.new("RGB", (64, 64)).save(tmp_path / "live.png", pnginfo=info)
    with pytest.raises(HubtoolsError, match="being trained") as caught:
        again(project, tmp_path / "live.png")
    assert "--step 5" in (caught.value.hint or "")


def test_the_command(project: Project, capfd: pytest.CaptureFixture[str]) -> None:
    """Environment and file do not overrule the picture, the command line does."""
    file = ["--project", str(project.root), "--format", "json"]
    lora = ["--lora", f"{project.root / 'runs/lora'}:0.5"]
    assert run(["generate", "a red hat", *lora, *file]) == 0
    (first,) = json.loads(capfd.readouterr().out)
    other_settings(project)
    output = ["-o", str(project.root / "b")]
    assert run(["generate", "--from", first["file"], *output, *file]) == 0
    captured = capfd.readouterr()
    (second,) = json.loads(captured.out)
    assert "pixel for pixel" in captured.err
    assert np.array_equal(pixels(Path(first["file"])), pixels(Path(second["file"])))
    assert run(["generate", "--from", first["file"], "--steps", "2", *output, *file]) == 0
    (third,) = json.loads(capfd.readouterr().out)
    assert read_record(Path(third["file"])).steps == 2  # type: ignore[union-attr]
    assert run(["generate", "--from", str(project.root / "no.png"), *file]) == 2
    assert "There is no" in capfd.readouterr().err


# --- the safety checker --------------------------------------------------------------------------


@pytest.fixture
def strict_base(tiny_base: Path, tmp_path: Path) -> Path:
    """The tiny base with a real safety checker that objects to everything."""
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    small = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "projection_dim": 8,
    }  # fmt: skip
    vision = small | {"image_size": 32, "patch_size": 16}
    checker = StableDiffusionSafetyChecker(
        CLIPConfig(text_config=small, vision_config=vision, projection_dim=8)
    )
    with torch.no_grad():
        checker.concept_embeds.normal_()
        checker.concept_embeds_weights.fill_(-2)  # below any cosine
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None)
    pipeline.register_modules(
        safety_checker=checker,
        feature_extractor=CLIPImageProcessor(
            size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
        ),
    )
    pipeline.register_to_config(requires_safety_checker=True)
    pipeline.save_pretrained(tmp_path / "strict")
    return tmp_path / "strict"


def test_blanked_pictures_are_named_marked_and_drawn_again_without_the_checker(
    project: Project, strict_base: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project.train.pretrained_model_name_or_path = str(strict_base)
    notes: list[str] = []
    picture, record = drawn(project, note=notes.append)
    assert record.blanked
    assert read_record(picture).blanked  # type: ignore[union-attr]
    assert not pixels(picture).any()
    assert any("p00_s9.png was blanked" in note for note in notes)
    picture, record = drawn(project, safety_checker=False)
    assert not record.blanked
    assert pixels(picture).any()
    options = ["--project", str(project.root), "--base-model", str(strict_base)]
    assert run(["generate", "a hat", *options]) == 0
    assert "1 of them blanked" in capfd.readouterr().out


def test_a_strict_base_can_be_loaded_without_its_checker(strict_base: Path) -> None:
    from hubtools.models.base import resolve_base

    pipeline = load_pipeline(resolve_base(str(strict_base)), device="cpu", safety_checker=False)
    assert pipeline.safety_checker is None
