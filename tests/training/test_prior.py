"""Prior preservation: what has no trigger stays what the base makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hubtools.cards.model_facts import _training  # noqa: E402
from hubtools.cards.showing import summary  # noqa: E402
from hubtools.dataset.examples import read_examples  # noqa: E402
from hubtools.dataset.validate import further_folders, judged_beside  # noqa: E402
from hubtools.errors import ChecksFailed, HubtoolsError  # noqa: E402
from hubtools.evaluation.plan import measured_on  # noqa: E402
from hubtools.findings import Severity  # noqa: E402
from hubtools.inference.adapters import apply_lora  # noqa: E402
from hubtools.inference.lora import resolve_lora  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import LoraFacts  # noqa: E402
from hubtools.models.base import resolve_base  # noqa: E402
from hubtools.models.families.batches import Conditions  # noqa: E402
from hubtools.models.families.noise import NoiseOptions  # noqa: E402
from hubtools.models.families.protocol import family_of  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.progress import PlainReporter, silent  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.reporting.placing import beside_placed, typed_for  # noqa: E402
from hubtools.training.pictures import find_pictures  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.drawing import write_pictures  # noqa: E402

MakeProject = Callable[..., Project]

# The trigger of the test pictures, which is in every caption.
CALLED: dict[str, Any] = {"dataset": {"trigger": "tok"}}
STRONG: dict[str, Any] = {
    "max_train_steps": 20, "train_batch_size": 4, "learning_rate": 1e-2,
    "lr_scheduler": "constant", "target_modules": ["to_k", "to_q", "to_v", "to_out.0"],
}  # fmt: skip


def run(project: Project) -> dict[str, torch.Tensor]:
    train(project, skip_validation=True)
    tensors = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert tensors is not None
    return tensors


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], apart: float = 1e-7) -> bool:
    return all(torch.allclose(a[name], b[name], atol=apart, rtol=0) for name in a)


def moved(project: Project, tiny_base: Path, caption: str) -> float:
    """How far the LoRA moves the base's answer to a caption, averaged over noise."""
    base = resolve_base(str(tiny_base))
    family = family_of(tiny_base, "tiny")
    info = family.info(tiny_base, None)
    model = family.load(base, info, variant=None, dtype=torch.float32, noise=NoiseOptions())
    text = {"embeds": model.encode_caption(caption)["embeds"][None].repeat(8, 1, 1)}
    channels = model.denoiser.config.in_channels
    noise = torch.randn((8, channels, 8, 8), generator=torch.Generator().manual_seed(3))
    when = torch.linspace(0.1, 0.99, 8)
    noised = model.noised(torch.zeros_like(noise), noise, when)
    with torch.no_grad():
        before = model.predict(noised, Conditions({}, text))
        apply_lora(model.pipeline, resolve_lora(str(project.run_dir)), 1.0)
        after = model.predict(noised, Conditions({}, text))
    return float((after - before).square().mean())


def test_captions_without_the_trigger_stay_where_the_base_is(
    make_project: MakeProject, tiny_base: Path
) -> None:
    free = make_project(name="free", **CALLED, **STRONG)
    kept = make_project(name="kept", with_prior_preservation=True, **CALLED, **STRONG)
    run(free)
    run(kept)
    plain, subject = "photo of a person, number 2", "photo of a tok, number 2"
    assert moved(kept, tiny_base, plain) < 0.5 * moved(free, tiny_base, plain)
    assert moved(kept, tiny_base, subject) > moved(kept, tiny_base, plain)


USUAL: dict[str, Any] = {"with_prior_preservation": True, "max_train_steps": 3, **CALLED}


@pytest.fixture(scope="module")
def usual(
    tmp_path_factory: pytest.TempPathFactory, make_project_in: MakeProject
) -> dict[str, torch.Tensor]:
    """What is learned without a change; trained once."""
    return run(make_project_in(tmp_path_factory.mktemp("usual"), **USUAL))


@pytest.mark.parametrize(
    "change",
    [
        {"with_prior_preservation": False},
        {"prior_loss_weight": 0.3},
        {"class_prompt": "photo of a hat"},
        {"dataset": {"trigger": "tok", "class_noun": "hat"}},
        {"caption_dropout": 0.6},
    ],
)
def test_each_setting_counts(
    make_project: MakeProject, usual: dict[str, torch.Tensor], change: dict[str, Any]
) -> None:
    assert not same(usual, run(make_project(**USUAL | change)))


def test_a_weight_of_nothing_is_training_without_it(make_project: MakeProject) -> None:
    usual = {"caption_dropout": 0.5, **CALLED}
    nothing = make_project(
        name="nothing", with_prior_preservation=True, prior_loss_weight=0.0, **usual
    )
    # up to rounding: the captions of others are in the same pass
    assert same(run(nothing), run(make_project(name="plain", **usual)), 1e-5)


def test_a_step_is_the_same_however_it_is_cut(make_project: MakeProject) -> None:
    usual = {"with_prior_preservation": True, "max_train_steps": 4, **CALLED}
    whole = run(make_project(name="a", train_batch_size=4, **usual))
    parts = run(make_project(name="b", gradient_accumulation_steps=4, **usual))
    assert same(whole, parts, 1e-5)


def test_a_resumed_run_is_the_same_run(make_project: MakeProject) -> None:
    usual = {
        "with_prior_preservation": True, "checkpointing_steps": 2, "caption_dropout": 0.4, **CALLED,
    }  # fmt: skip
    straight = run(make_project(name="straight", **usual))
    stopped = make_project(name="stopped", **usual)
    run(stopped)
    (stopped.run_dir / LORA_WEIGHTS).unlink()
    (stopped.run_dir / "run.json").write_text(
        (stopped.run_dir / "run.json").read_text().replace('"finished"', '"interrupted"')
    )
    for state in (stopped.run_dir / "state").glob("*5"):
        for file in state.iterdir():
            file.unlink()
        state.rmdir()
    assert same(straight, run(stopped))


def test_other_captions_are_another_run(make_project: MakeProject) -> None:
    usual = {"with_prior_preservation": True, "max_train_steps": 2}
    run(make_project(**usual, **CALLED))
    other = make_project(**usual, dataset={"trigger": "tok", "class_noun": "hat"})
    with pytest.raises(HubtoolsError, match=r"class_noun \(person, now hat\)"):
        train(other, skip_validation=True)


def test_without_a_trigger_there_is_nobody_else(make_project: MakeProject) -> None:
    heard: list[str] = []
    with pytest.raises(ChecksFailed):
        train(
            make_project(with_prior_preservation=True),
            skip_validation=True,
            reporter=PlainReporter(heard.append),
        )
    assert "names the subject" in "\n".join(heard)


# --- pictures of the class -----------------------------------------------------------------------


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two pictures of the class, in other sizes than those of the subject, without metadata."""
    folder = write_pictures(tmp_path / "class", 2, size=(72, 64))
    (folder / "metadata.jsonl").unlink()
    return folder


def test_pictures_of_the_class_are_trained_on_as_often(
    make_project: MakeProject, classes: Path
) -> None:
    project = make_project(
        with_prior_preservation=True, class_data_dir=str(classes), class_prompt="photo of a person",
        prior_loss_weight=0.5, **CALLED,
    )  # fmt: skip
    found = find_pictures(project, silent(), from_hub=False, skip_validation=False)
    subject = [one for one in found.examples if not one.of_class]
    others = [one for one in found.examples if one.of_class]
    assert {one.caption for one in others} == {"photo of a person"}
    assert sum(one.repeats for one in others) == sum(one.repeats for one in subject)
    assert {one.weight for one in others} == {0.5}
    assert len(found.sizes) == len(found.examples) == len(subject) + 2
    lines: list[str] = []
    manifest = train(project, dry_run=True, note=lines.append)
    assert (manifest.dataset.images, manifest.dataset.of_class) == (len(subject), 2)
    assert "class_data_dir" not in manifest.train
    text = "\n".join(lines)
    assert "2 pictures of the class, together as often as those of the subject" in text
    assert "the base is kept at" not in text


def test_a_run_with_pictures_of_the_class_is_measured_on_those_that_it_held_out(
    make_project: MakeProject, classes: Path
) -> None:
    project = make_project(
        with_prior_preservation=True, class_data_dir=str(classes), class_prompt="photo of a person",
        validation_split=2, **CALLED,
    )  # fmt: skip
    manifest = train(project, dry_run=True)
    project.run_dir.mkdir(parents=True)
    manifest.write(project.run_dir)
    real = read_examples(project.dataset_dir, "text")
    found, apart = measured_on(project, real, project.run_dir)
    assert (len(found), apart) == (2, True)
    # the card says what the class was kept by
    manifest.lora = LoraFacts(
        file=LORA_WEIGHTS, sha256="a" * 64, bytes=1, rank=4, alpha=4, target_modules=["to_k"],
        parameters=8,
    )  # fmt: skip
    assert dict(summary(manifest))["prior preservation"] == "2 pictures of the class"
    settings = dict(_training(manifest))
    assert settings["pictures of the class"] == "2"
    assert settings["class_prompt"] == "photo of a person"
    manifest.train["with_prior_preservation"] = False
    assert "prior preservation" not in dict(summary(manifest))
    assert "class_prompt" not in dict(_training(manifest))


def test_pictures_of_the_class_move_the_lora(
    make_project: MakeProject, usual: dict[str, torch.Tensor], classes: Path
) -> None:
    given: dict[str, Any] = USUAL | {"class_data_dir": str(classes), "class_prompt": "a person"}
    assert not same(usual, run(make_project(**given)))
    nothing = make_project(**given | {"prior_loss_weight": 0.0})
    found = find_pictures(nothing, silent(), from_hub=False, skip_validation=True)
    assert not any(one.of_class for one in found.examples)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"with_prior_preservation": False}, "is for prior preservation, which is off"),
        ({"class_prompt": None}, "does not pass validation"),
        ({"class_prompt": "photo of a tok"}, "plan has errors"),
        ({"class_data_dir": "gone"}, "There is no folder"),
    ],
)
def test_pictures_of_the_class_that_cannot_be(
    make_project: MakeProject, classes: Path, change: dict[str, Any], why: str
) -> None:
    usual: dict[str, Any] = {
        "with_prior_preservation": True, "class_data_dir": str(classes),
        "class_prompt": "photo of a person", **CALLED,
    }  # fmt: skip
    with pytest.raises((HubtoolsError, ChecksFailed), match=why):
        train(make_project(**usual | change), dry_run=True)


def test_what_is_to_be_typed_for_pictures_of_the_class_means_their_folder(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "cats", 1, size=(64, 64))
    (tmp_path / "cats/metadata.jsonl").unlink()
    (tmp_path / "cats/picture0.txt").write_text("a cat")
    monkeypatch.chdir(tmp_path)
    project = make_project(with_prior_preservation=True, class_data_dir=str(tmp_path / "cats"))
    report = judged_beside(project, further_folders(project)[-1])
    (fix,) = [one.fix or "" for one in report.findings if one.rule == "D120"]
    assert "`hubtools fix cats`" in fix
    assert fix.endswith("--class-prompt")
    assert typed_for(report, " people").findings == report.findings  # it means that one already


def test_pictures_of_the_class_are_named_from_here_and_may_hold_a_position(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(tmp_path / "cats", 1, size=(64, 64))
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 7.25), 3: "E", 4: (13.0, 24.0, 0.0)}
    with Image.open(tmp_path / "cats/picture0.png") as picture:
        picture.save(tmp_path / "cats/picture0.png", exif=exif)
    monkeypatch.chdir(tmp_path)
    given = {"with_prior_preservation": True, "class_data_dir": "cats", "class_prompt": "a cat"}
    project = make_project(**given, **CALLED)
    report = judged_beside(project, further_folders(project)[-1], select=["D7"])
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("D701", Severity.INFO)
    assert finding.message.endswith("; this folder is not pushed")
    assert finding.path is not None
    assert finding.path.startswith("../")  # as the dataset sees it: so a baseline knows it
    (shown,) = beside_placed(report, project.dataset_dir).findings
    assert shown.path == "cats/picture0.png"
