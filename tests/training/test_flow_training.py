"""Bases of flow matching through the whole of a training: each family trains, goes on bit for bit,
is read back by stock diffusers, and is drawn with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.cards.render import write_model_card  # noqa: E402
from hubtools.cards.snippet import snippet  # noqa: E402
from hubtools.conversion.export import export  # noqa: E402
from hubtools.errors import UsageError  # noqa: E402
from hubtools.evaluation.run import evaluate  # noqa: E402
from hubtools.inference.generate import generate  # noqa: E402
from hubtools.inference.grid.draw import grid  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest, read_samples  # noqa: E402
from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.flow import FlowModel  # noqa: E402
from hubtools.models.families.protocol import family_of  # noqa: E402
from hubtools.models.registry import SUPPORTED, TARGETS  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.progress import PlainReporter  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.settings import EvaluateSettings, ModelSettings, TrainSettings  # noqa: E402
from hubtools.training.choices import completed  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests import merging  # noqa: E402
from tests.drawing import apart  # noqa: E402
from tests.dying import DiesAt, Killed, encodes_nothing  # noqa: E402
from tests.oracles import load  # noqa: E402

MakeProject = Callable[..., Project]

BASES = [
    "tiny_flux2", "tiny_z_image", "tiny_qwen_image", "tiny_flux1", "tiny_sd3", "tiny_krea2",
    "tiny_chroma", "tiny_lumina2", "tiny_sana",
]  # fmt: skip
CAPTIONS = ["a tok", "a photo of a tok with a good many more words than others", "tok", "a tok, z"]


@pytest.fixture(scope="module", params=BASES)
def base(request: pytest.FixtureRequest) -> Path:
    """A tiny base of each family."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, draw_pictures: Callable[..., Path]) -> Path:
    """Four pictures of two shapes whose captions are of unequal length."""
    folder = draw_pictures(tmp_path_factory.mktemp("flow") / "data", 4, size=(64, 64))
    draw_pictures(folder, 2, size=(96, 64))
    rows = [
        {"file_name": f"picture{number}.png", "text": text} for number, text in enumerate(CAPTIONS)
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def make_flow(make_project: MakeProject, base: Path, data: Path) -> MakeProject:
    """A project of four steps with the layers that the family itself chooses."""
    return partial(
        make_project,
        pretrained_model_name_or_path=str(base),
        data=data,
        target_modules=[],
        max_train_steps=4,
        caption_dropout=0.3,
        aspect_ratio_buckets=True,
    )


def run(project: Project) -> dict[str, Any]:
    train(project, skip_validation=True)
    found = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("base", [*BASES, "tiny_flux2_dev", "tiny_sd3_clips"], indirect=True)
def test_it_is_trained_resumed_written_read_and_drawn_with(
    make_flow: MakeProject, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import DiffusionPipeline

    usual = {"train_batch_size": 2, "gradient_accumulation_steps": 2, "lora_alpha": 8}
    samples = {"prompts": ["a tok"], "steps": 2, "size": 64}
    whole = make_flow(name="whole", validation_steps=4, samples=samples, **usual)
    tensors = run(whole)
    # without samples, which do not touch the run; all that is encoded is in the cache
    broken = make_flow(name="broken", checkpointing_steps=1, **usual)
    with encodes_nothing(FlowModel):
        with pytest.raises(Killed):
            train(broken, skip_validation=True, reporter=DiesAt(3))
        assert (broken.run_dir / "state/step-000002").is_dir()
        run(broken)
    file = whole.run_dir / LORA_WEIGHTS
    assert (broken.run_dir / LORA_WEIGHTS).read_bytes() == file.read_bytes()

    # the tokenizer of FLUX.2 dev asks for torchvision, a base without T5 for a word of that
    index = json.loads((base / "model_index.json").read_text())
    closed = [name for name in index if name.startswith(("text_encoder", "tokenizer"))]
    fresh = DiffusionPipeline.from_pretrained(str(base), **dict.fromkeys(closed))
    fresh.load_lora_weights(str(whole.run_dir), weight_name=LORA_WEIGHTS)
    loaded = {name: one for name, one in fresh.transformer.named_parameters() if "lora_" in name}
    assert len(loaded) == len(tensors)
    for name, one in loaded.items():
        written = tensors[f"transformer.{name.replace('.default_0', '')}"]
        assert torch.equal(one, written)
        assert float(one.detach().abs().max()) > 0, name  # every layer has learned

    (sample,) = [one for one in read_samples(whole.run_dir / "samples") if one.train_step == 4]
    (drawn,) = generate(whole, lora=str(whole.run_dir), prompts=["a tok"], output=tmp_path / "out")
    assert (drawn.steps, drawn.guidance) == (sample.steps, sample.guidance)
    picture = tmp_path / "out" / drawn.file
    assert apart(picture, whole.run_dir / "samples" / sample.file)[0] <= 1

    # for other programs: the same changes, by a product of the files' own numbers
    family = RunManifest.read(whole.run_dir).base_model.family
    changes = merging.of_diffusers(file)
    assert changes.keys() == {name.partition(".lora_")[0] for name in tensors}
    export(file, tmp_path / "peft", format="peft", family=family)
    merging.check_alike(changes, merging.of_peft(tmp_path / "peft", "transformer"))
    row = next(row for row in TARGETS.values() if row.support is SUPPORTED[family])
    if row.layers.loader.comfyui:
        done = export(file, tmp_path / "other.safetensors", format="comfyui", family=family)
        merging.check_alike(changes, merging.of_diffusers(done.path))

    # what the card tells to type draws the same picture with nothing but diffusers, in float32
    if index["_class_name"] == "Flux2Pipeline" or [None, None] in index.values():
        return  # the two that stock diffusers does not open by their folder alone, see above
    monkeypatch.chdir(whole.run_dir)
    code = snippet(str(base), None, LORA_WEIGHTS, drawn, None, SUPPORTED[family])
    exec(code.replace(", torch_dtype=torch.bfloat16", ""), {})  # noqa: S102
    assert apart(picture, Path("picture.png"))[0] <= 1


@pytest.fixture(scope="module")
def z_image_turbo(tiny_z_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Z-Image pipeline, as Turbo is."""
    folder = tmp_path_factory.mktemp("turbo") / "z-image-turbo"
    shutil.copytree(tiny_z_image, folder)
    scheduler = folder / "scheduler/scheduler_config.json"
    scheduler.write_text(json.dumps(json.loads(scheduler.read_text()) | {"shift": 3.0}))
    return folder


@pytest.mark.parametrize(
    "base", ["tiny_klein", "z_image_turbo", "tiny_krea2_turbo", "tiny_schnell"], indirect=True
)
def test_a_distilled_base_is_trained_with_a_word_on_it_and_drawn_in_its_few_steps(
    make_flow: MakeProject, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = {"prompts": ["a tok"], "size": 64, "steps": None}
    project = make_flow(
        max_train_steps=2, caption_dropout=None, validation_steps=2, samples=samples
    )
    heard: list[str] = []
    manifest = train(project, skip_validation=True, note=heard.append)
    assert "is distilled to draw in a few steps" in "\n".join(heard)
    assert manifest.train["caption_dropout"] == 0
    (sample,) = [one for one in read_samples(project.run_dir / "samples") if one.train_step == 2]
    usual = family_of(base, "tiny").sampling(base)
    assert (sample.steps, sample.guidance) == (usual.steps, usual.guidance)
    assert usual.steps < 10

    # stock diffusers draws with the LoRA what the run drew
    monkeypatch.chdir(project.run_dir)
    support = SUPPORTED[manifest.base_model.family]
    code = snippet(str(base), None, LORA_WEIGHTS, sample, None, support)
    exec(code.replace(", torch_dtype=torch.bfloat16", ""), {})  # noqa: S102
    assert apart(Path("samples") / sample.file, Path("picture.png"))[0] <= 1


@pytest.mark.parametrize("base", ["tiny_z_image"], indirect=True)
def test_its_run_is_laid_in_a_grid_measured_and_told_on_a_card(
    make_flow: MakeProject, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where the grid is put
    samples = {"prompts": ["a tok"], "size": 64, "steps": 2}
    project = make_flow(
        max_train_steps=2, snapshot_steps=1, validation_steps=2, samples=samples,
        base_model_repo="me/z-image",
    )  # fmt: skip
    train(project, skip_validation=True)
    lora = str(project.run_dir)
    laid = grid(project, "a tok", x="step=1,2", y="lora_weight=0,1", lora=lora)
    cells = [Image.open(laid.plan.folder / cell.file).tobytes() for cell in laid.plan.cells]
    assert len(cells) == 4
    assert len(set(cells)) == 3  # without the LoRA its step says nothing

    judged = EvaluateSettings(
        num_images=1, picture_encoder="efficientnet-lite0", prompt_judge="none", weights="0,1"
    )
    own = ModelSettings(license="mit")
    project = project.model_copy(update={"evaluate": judged, "model": own})
    measured = evaluate(project, lora)
    assert [one.label for one in measured.candidates] == ["the base", "step 2 at weight 1"]
    assert measured.candidates[1].against_base["denoising_loss"].mean

    generate(project, lora=lora, prompts=["a tok"], output=project.run_dir / "samples")
    card = write_model_card(project.run_dir, project)
    assert "guidance_scale=" in card.text
    assert "step 2 at weight 1" in card.text
    assert "DiffusionPipeline.from_pretrained('me/z-image'" in card.text
    assert card.images == ("images/00.png", "images/base_00.png")


def test_its_plan_reckons_memory_and_tells_its_moments(make_flow: MakeProject, base: Path) -> None:
    lines: list[str] = []
    train(make_flow(), skip_validation=True, dry_run=True, note=lines.append)
    text = "\n".join(lines)
    assert "memory:" in text
    shift = family_of(base, "tiny").info(base, None).shift
    moved = "shifted" if shift.line or shift.fixed != 1 else "not shifted\n"
    assert f"of a flow; moments logit-normal (0, 1), {moved}" in text
    lines.clear()
    uniform = make_flow(timestep_density="uniform", timestep_shift=2.0)
    train(uniform, skip_validation=True, dry_run=True, note=lines.append)
    assert "moments uniform, shifted 2 times towards noise as set" in "\n".join(lines)


def test_in_half_precision_with_blocks_computed_twice_and_the_base_kept(
    make_flow: MakeProject,
) -> None:
    samples = {"prompts": ["a tok"], "steps": 2, "size": 64}
    project = make_flow(
        max_train_steps=1, train_batch_size=4, mixed_precision="bf16", gradient_checkpointing=True,
        with_prior_preservation=True, class_prompt="a person", validation_steps=1, samples=samples,
        loss_type="smooth_l1", input_perturbation=0.1,
    )  # fmt: skip
    warned: list[str] = []
    manifest = train(
        project, skip_validation=True, reporter=PlainReporter(lambda line: None, warned.append)
    )
    assert (manifest.steps_done, manifest.dtype) == (1, "bfloat16")
    assert {one.train_step for one in read_samples(project.run_dir / "samples")} == {0, 1}
    assert not [line for line in warned if "samples" in line]


def test_captions_are_encoded_as_the_text_encoder_was_published(base: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(base, half)
    names = [path.parent.name for path in base.glob("text_encoder*/config.json")]
    for name in names:
        path = half / name / "config.json"
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {"dtype": "bfloat16"}))
    family = family_of(half, "half")
    assert family.info(half, None).text_dtype == "bfloat16"
    assert family.info(base, None).text_dtype == "float32"
    model = load(half, parts=("text",))
    caption = model.encode_caption("a tok")
    assert {value.dtype for value in caption.values()} == {torch.bfloat16}
    there, here = resolve_base(str(half)), resolve_base(str(base))
    assert family.identity(there, half, "text") != family.identity(here, base, "text")
    assert family.identity(there, half, "picture") == family.identity(here, base, "picture")


def test_a_batch_of_four_is_four_of_one(make_flow: MakeProject) -> None:
    usual = {"max_train_steps": 2, "lr_scheduler": "constant"}
    together = run(make_flow(name="together", train_batch_size=4, **usual))
    alone = run(make_flow(name="alone", gradient_accumulation_steps=4, **usual))
    for name, one in together.items():
        assert torch.allclose(one, alone[name], atol=3e-5), name


def test_what_has_no_meaning_for_a_flow_is_refused(base: Path) -> None:
    family = family_of(base, "tiny")
    with pytest.raises(UsageError, match="predicts a flow, always"):
        family.info(base, "epsilon")
    info = family.info(base, None)
    settings = completed(TrainSettings(snr_gamma=0), info)
    assert settings.snr_gamma is None
    assert (settings.timestep_density, settings.timestep_mean) == ("logit_normal", 0.0)
    for given, told in (
        ({"snr_gamma": 5.0}, "min-SNR weighs"),
        ({"noise_offset": 0.1}, "begins at pure noise"),
        ({"timestep_density": "uniform", "timestep_mean": 1.0}, "timestep_density is uniform"),
    ):
        with pytest.raises(UsageError, match=told):
            completed(TrainSettings.model_validate(given), info)
