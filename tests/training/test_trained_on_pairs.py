"""Bases that make pictures from others, through the whole of a training on pairs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.dataset.examples import read_examples  # noqa: E402
from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.evaluation.denoising import encode, encode_captions, losses  # noqa: E402
from hubtools.inference.generate import generate  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import read_samples  # noqa: E402
from hubtools.models.families.protocol import family_of  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.drawing import apart  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402
from tests.oracles import load  # noqa: E402
from tests.references import given, shrink  # noqa: E402

MakeProject = Callable[..., Project]
BASES = ["tiny_kontext", "tiny_flux2", "tiny_qwen_edit"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture(scope="module", params=BASES)
def base(request: pytest.FixtureRequest) -> Path:
    """A tiny base of each family."""
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pairs; what the pictures are made from is of two sizes."""
    folder = tmp_path_factory.mktemp("pairs") / "data"
    (folder / "before").mkdir(parents=True)
    rows = []
    for number in range(4):
        given(64, 64, number).save(folder / f"{number}.png")
        size = (96, 64) if number % 2 else (64, 96)
        given(*size, 10 + number).save(folder / f"before/{number}.png")
        rows.append({
            "file_name": f"{number}.png",
            "text": f"make it a tok {'at night ' * number}",
            "control_file_name": f"before/{number}.png",
        })  # fmt: skip
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def make_pairs(make_project: MakeProject, base: Path, data: Path) -> MakeProject:
    """A project of four steps with the layers that the family itself chooses."""
    return partial(
        make_project, pretrained_model_name_or_path=str(base), data=data, target_modules=[],
        max_train_steps=4, caption_dropout=0.3, random_flip=True,
    )  # fmt: skip


def run(project: Project) -> dict[str, Any]:
    train(project, skip_validation=True)
    found = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("base", [*BASES, "tiny_qwen_edit_plus"], indirect=True)
def test_it_is_trained_resumed_written_and_read(
    make_pairs: MakeProject, base: Path, data: Path, tmp_path: Path
) -> None:
    from diffusers import DiffusionPipeline

    usual: dict[str, Any] = {"train_batch_size": 2, "gradient_accumulation_steps": 2}
    if base.name == "qwen-plus":  # every other row has two
        usual["data"] = more = tmp_path / "more"
        shutil.copytree(data, more)
        rows = [json.loads(line) for line in (more / "metadata.jsonl").read_text().splitlines()]
        for number, row in enumerate(rows):
            own = row.pop("control_file_name")
            row["control_file_names"] = [own, "before/3.png"] if number % 2 else [own]
        (more / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole = make_pairs(name="whole", **usual)
    tensors = run(whole)
    broken = make_pairs(name="broken", checkpointing_steps=1, **usual)
    with pytest.raises(Killed):
        train(broken, skip_validation=True, reporter=DiesAt(3))
    run(broken)
    file = whole.run_dir / LORA_WEIGHTS
    assert (broken.run_dir / LORA_WEIGHTS).read_bytes() == file.read_bytes()

    index = json.loads((base / "model_index.json").read_text())
    parts = ("text_encoder", "tokenizer", "processor")
    closed = [name for name in index if name.startswith(parts)]
    fresh = DiffusionPipeline.from_pretrained(str(base), **dict.fromkeys(closed))
    fresh.load_lora_weights(str(whole.run_dir), weight_name=LORA_WEIGHTS)
    loaded = {name: one for name, one in fresh.transformer.named_parameters() if "lora_" in name}
    assert len(loaded) == len(tensors)
    for name, one in loaded.items():
        assert torch.equal(one, tensors[f"transformer.{name.replace('.default_0', '')}"])
        assert float(one.detach().abs().max()) > 0, name  # every layer has learned


def test_samples_are_made_from_the_rows_pictures(
    make_pairs: MakeProject, data: Path, tmp_path: Path
) -> None:
    samples = {"steps": 2, "size": 64}
    project = make_pairs(max_train_steps=1, validation_steps=1, samples=samples)
    train(project, skip_validation=True)
    drawn = [one for one in read_samples(project.run_dir / "samples") if one.train_step == 1]
    assert [one.control_images[0].file for one in drawn] == ["0.png", "2.png"]

    def again(name: str, *images: str) -> Path:
        told = {"samples": project.samples.model_copy(update={"validation_images": list(images)})}
        asked = project.model_copy(update=told)
        lora, out = str(project.run_dir), tmp_path / name
        (record,) = generate(asked, lora=lora, prompts=[drawn[0].prompt], output=out)
        return out / record.file

    own = again("own", str(data / "before/0.png"))
    sample = project.run_dir / "samples" / drawn[0].file
    largest, differing = apart(own, sample)
    assert largest <= 1
    other = again("other", str(data / "before/1.png"))
    assert apart(other, sample)[1] > 4 * differing + 40
    with pytest.raises(UsageError, match=r"made from 0\.png, which it does not carry"):
        generate(project, like=own, output=tmp_path / "like")


def test_pictures_that_do_not_fit_the_prompts(
    make_project: MakeProject, tiny_qwen_edit: Path, tiny_flux1: Path, data: Path, tmp_path: Path
) -> None:
    def asked(base: Path, *images: str, **more: Any) -> None:
        samples = {"steps": 1, "size": 64, "validation_images": list(images)}
        project = make_project(pretrained_model_name_or_path=str(base), data=data, samples=samples)
        generate(project, output=tmp_path / "out", **more)

    picture = str(data / "before/0.png")
    with pytest.raises(UsageError, match="makes pictures from others, and there is none for 'a'"):
        asked(tiny_qwen_edit, prompts=["a"])
    with pytest.raises(UsageError, match="draws from words alone"):
        asked(tiny_flux1, picture, prompts=["a"])
    with pytest.raises(UsageError, match="2 validation images for 3 prompts"):
        asked(tiny_qwen_edit, picture, picture, prompts=["a", "b", "c"])
    with pytest.raises(HubtoolsError, match=r"no picture nowhere\.png"):
        asked(tiny_qwen_edit, "nowhere.png", prompts=["a"])


@pytest.mark.parametrize("base", ["tiny_qwen_edit"], indirect=True)
def test_in_half_precision_with_blocks_computed_twice_and_the_base_kept(
    make_pairs: MakeProject,
) -> None:
    project = make_pairs(
        max_train_steps=1, train_batch_size=4, mixed_precision="bf16", gradient_checkpointing=True,
        with_prior_preservation=True, class_prompt="a person",
    )  # fmt: skip
    manifest = train(project, skip_validation=True)
    assert (manifest.steps_done, manifest.dtype) == (1, "bfloat16")


def test_the_plan_tells_of_them(make_pairs: MakeProject, base: Path) -> None:
    lines: list[str] = []
    train(make_pairs(), skip_validation=True, dry_run=True, note=lines.append)
    text = "\n".join(lines)
    assert "1 control picture each at most" in text
    assert ("the text encoder is shown them too" in text) is ("qwen" in base.name)


def test_rows_and_bases_that_do_not_fit(
    make_project: MakeProject, tiny_kontext: Path, tiny_qwen_edit: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    given(64, 64).save(bare / "0.png")
    (bare / "metadata.jsonl").write_text('{"file_name": "0.png", "text": "a tok"}\n')
    edit = make_project(pretrained_model_name_or_path=str(tiny_qwen_edit), data=bare)
    with pytest.raises(HubtoolsError, match=r"0\.png has no control picture"):
        train(edit, skip_validation=True, dry_run=True)
    words = make_project(pretrained_model_name_or_path=str(tiny_kontext), data=bare)
    train(words, skip_validation=True, dry_run=True)

    given(64, 64, 1).save(bare / "1.png")
    given(64, 64, 2).save(bare / "2.png")
    row = {"file_name": "0.png", "text": "a", "control_file_names": ["1.png", "2.png"]}
    (bare / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(HubtoolsError, match="from 1 other at most"):
        train(words, skip_validation=True, dry_run=True)


def test_a_lora_is_measured_on_pairs(data: Path, base: Path) -> None:
    rows = read_examples(data, "text")[:2]
    bare = [replace(row, controls=()) for row in rows]
    model, family = load(base), family_of(base, "tiny")
    info = family.info(base, None)
    said = encode_captions(model, rows, info)
    assert len(said) == 2
    whole = losses(model, encode(family, model, rows, said, 64, info), "cpu")
    if not info.sees:
        without = losses(model, encode(family, model, bare, said, 64, info), "cpu")
        assert (whole != without).all()
