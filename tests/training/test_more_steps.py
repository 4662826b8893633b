"""A run that goes on for more steps than it was planned with, and one that starts from a LoRA."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from hubtools.errors import HubtoolsError, UsageError  # noqa: E402
from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest, read_samples  # noqa: E402
from hubtools.project import Project, load_project  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402

MakeProject = Callable[..., Project]
CONSTANT = {"lr_scheduler": "constant", "checkpointing_steps": 3}


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, make_project_in: MakeProject) -> Project:
    """A finished run of five steps."""
    project = make_project_in(tmp_path_factory.mktemp("short"), **CONSTANT)
    train(project, skip_validation=True)
    return project


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, make_project_in: MakeProject) -> Project:
    """The same of eight from the first."""
    project = make_project_in(tmp_path_factory.mktemp("long"), max_train_steps=8, **CONSTANT)
    train(project, skip_validation=True)
    return project


def again(short: Project, folder: Path, make_project: MakeProject, **settings: Any) -> Project:
    """A copy of the finished run, with other settings."""
    shutil.copytree(short.run_dir, folder / "run")
    return make_project(**(CONSTANT | settings))


def check_same(one: Project, other: Project) -> None:
    for name in (
        LORA_WEIGHTS,
        *(f"state/step-000008/{n}.safetensors" for n in ("lora", "optimizer")),
    ):
        assert (one.run_dir / name).read_bytes() == (other.run_dir / name).read_bytes(), name
    states = [
        json.loads((each.run_dir / "state" / "step-000008" / "state.json").read_text())
        for each in (one, other)
    ]
    assert states[0]["fingerprint"] == states[1]["fingerprint"]


def test_a_constant_run_goes_on_as_if_it_had_been_longer_from_the_first(
    short: Project, long: Project, tmp_path: Path, make_project: MakeProject
) -> None:
    project = again(short, tmp_path, make_project, max_train_steps=8)
    heard: list[str] = []
    manifest = train(project, skip_validation=True, note=heard.append)
    assert (manifest.status, manifest.steps, manifest.steps_done) == ("finished", 8, 8)
    assert any("resumes:        after step 5; 3 are left" in text for text in heard)
    check_same(project, long)
    # it is the longer run now
    project = make_project(**CONSTANT)
    with pytest.raises(HubtoolsError, match=r"differs in max_train_steps \(8, now 5\)"):
        train(project, skip_validation=True)


def test_killed_before_its_first_new_state_it_loses_nothing(
    short: Project, long: Project, tmp_path: Path, make_project: MakeProject
) -> None:
    project = again(short, tmp_path, make_project, max_train_steps=8, checkpointing_steps=100)
    with pytest.raises(Killed):
        train(project, skip_validation=True, reporter=DiesAt(7))
    heard: list[str] = []
    train(project, skip_validation=True, note=heard.append)
    assert any("after step 5" in text for text in heard)
    check_same(project, long)


def test_a_dry_run_changes_nothing(
    short: Project, tmp_path: Path, make_project: MakeProject
) -> None:
    project = again(short, tmp_path, make_project, max_train_steps=8)
    before = {p: p.read_bytes() for p in project.run_dir.rglob("*") if p.is_file()}
    train(project, skip_validation=True, dry_run=True)
    assert before == {p: p.read_bytes() for p in project.run_dir.rglob("*") if p.is_file()}


def test_without_its_states_it_is_said_what_to_type(
    short: Project, tmp_path: Path, make_project: MakeProject
) -> None:
    project = again(short, tmp_path, make_project, max_train_steps=8)
    shutil.rmtree(project.run_dir / "state")
    with pytest.raises(HubtoolsError, match="no state left to go on to 8 steps from") as caught:
        train(project, skip_validation=True)
    assert f"--init-from {project.run_dir} --output-dir" in str(caught.value.hint)
    assert (project.run_dir / LORA_WEIGHTS).is_file()


@pytest.mark.parametrize(
    ("settings", "more", "told", "hint"),
    [
        (
            {"lr_scheduler": "cosine"}, {},
            r"learning rate of its schedule \(cosine\) falls until the last: .* first of 8",
            "`--max-train-steps 5` takes it as it is; `--init-from",
        ),
        (
            {"lr_scheduler": "constant_with_warmup", "lr_warmup_steps": 2}, {"lr_warmup_steps": 3},
            "came to its learning rate in 2 steps, and a run of 8 steps would in 3",
            "--lr-warmup-steps 2 makes it go on",
        ),
        (CONSTANT, {"seed": 3}, "differs in max_train_steps .5, now 8., seed", "--no-resume"),
    ],
)  # fmt: skip
def test_other_runs_say_why_they_do_not(
    make_project: MakeProject, settings: Any, more: Any, told: str, hint: str
) -> None:
    train(make_project(**settings), skip_validation=True)
    with pytest.raises(HubtoolsError, match=told) as caught:
        train(make_project(**(settings | {"max_train_steps": 8} | more)), skip_validation=True)
    assert hint in str(caught.value.hint)


# --- starting from a LoRA ----------------------------------------------------------------------


def state_of(project: Project, step: int) -> dict[str, Any]:
    return load_file(project.run_dir / "state" / f"step-{step:06d}" / "lora.safetensors")


def first_step(project: Project, **options: Any) -> dict[str, Any]:
    """The parameters after one step at next to no learning rate: where the run began."""
    train(project, skip_validation=True, **options)
    return state_of(project, 1)


ONE = {"max_train_steps": 1, "learning_rate": 1e-12, "adam_weight_decay": 0.0}


def test_a_run_starts_from_the_weights_of_another(
    short: Project, make_project: MakeProject
) -> None:
    """At any alpha: the weights do what they did."""
    ended = state_of(short, 5)
    for name, alpha in (("same", None), ("half", 8)):
        project = make_project(name=name, init_from=str(short.run_dir), lora_alpha=alpha, **ONE)
        began = first_step(project)
        assert began.keys() == ended.keys()
        for key, value in began.items():
            share = 0.5 if alpha and "lora_B" in key else 1.0
            assert torch.allclose(value, ended[key] * share, atol=1e-9), key
    made = RunManifest.read(project.run_dir)
    file = RunManifest.read(short.run_dir).lora
    assert made.started_from is not None
    assert file is not None
    assert made.started_from.sha256 == file.sha256
    assert (made.started_from.name, made.started_from.step) == ("run", 5)
    assert (made.started_from.repo, made.started_from.license) == (None, None)
    for name in ("run.json", "hubtools.toml"):
        assert str(short.run_dir.parent) not in (project.run_dir / name).read_text()
    again = load_project(project.run_dir)
    assert again.train.init_from is None


def test_the_start_is_part_of_what_the_run_is(
    short: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    settings = ONE | {"max_train_steps": 4, "checkpointing_steps": 2}
    whole = make_project(name="whole", init_from=str(short.run_dir), **settings)
    train(whole, skip_validation=True)
    project = make_project(init_from=str(short.run_dir), **settings)
    with pytest.raises(Killed):
        train(project, skip_validation=True, reporter=DiesAt(3))
    with pytest.raises(HubtoolsError, match=r"differs in init_from \([0-9a-f]{64}, now None\)"):
        train(make_project(**settings), skip_validation=True)
    train(project, skip_validation=True)
    assert (project.run_dir / LORA_WEIGHTS).read_bytes() == (
        whole.run_dir / LORA_WEIGHTS
    ).read_bytes()


def test_the_first_samples_are_of_the_bare_base(short: Project, make_project: MakeProject) -> None:
    project = make_project(
        init_from=str(short.run_dir), validation_steps=1, samples={"prompts": ["x"]}, **ONE
    )
    train(project, skip_validation=True)
    plain = make_project(name="plain", validation_steps=1, samples={"prompts": ["x"]}, **ONE)
    train(plain, skip_validation=True)
    first, other = (
        next(record for record in read_samples(each.run_dir / "samples") if record.train_step == 0)
        for each in (project, plain)
    )
    assert first.lora_weight == 0
    pixels = [
        (each.run_dir / "samples" / record.file).read_bytes()
        for each, record in ((project, first), (plain, other))
    ]
    assert pixels[0] == pixels[1]


def test_names_of_other_programs_are_read(
    short: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    from hubtools.commands.weights import export

    base = short.train.pretrained_model_name_or_path
    ended = state_of(short, 5)
    made = {
        style: export(short.run_dir / LORA_WEIGHTS, style, to, base_model=base).path
        for style, to in (("kohya", tmp_path / "k.safetensors"), ("peft", tmp_path / "p"))
    }
    made["peft"] /= "adapter_model.safetensors"
    for style, file in made.items():
        began = first_step(make_project(name=style, init_from=str(file), **ONE))
        assert all(torch.allclose(began[key], ended[key], atol=1e-9) for key in ended)


def test_a_dora_starts_from_a_dora(make_project: MakeProject) -> None:
    settings = {"use_dora": True, "learning_rate": 1e-2}
    first = make_project(name="first", **settings)
    train(first, skip_validation=True)
    began = first_step(make_project(init_from=str(first.run_dir), use_dora=True, **ONE))
    ended = state_of(first, 5)
    assert any("magnitude" in key for key in began)
    assert all(torch.allclose(began[key], ended[key], atol=1e-7) for key in ended)
    with pytest.raises(HubtoolsError, match="is a DoRA, and this run trains a LoRA") as caught:
        train(make_project(name="b", init_from=str(first.run_dir)), skip_validation=True)
    assert "--use-dora" in str(caught.value.hint)


def test_what_does_not_fit_is_one_sentence(
    short: Project, make_project: MakeProject, tmp_path: Path, tiny_flux1: Path
) -> None:
    tensors = load_file(short.run_dir / LORA_WEIGHTS)
    files = {
        "other": {n.replace("to_v", "to_q"): one for n, one in tensors.items()},
        "nan": {n: one * torch.nan for n, one in tensors.items()},
        "wide": {n: one.repeat(1, 2) if ".down." in n else one for n, one in tensors.items()},
        "text": tensors
        | {
            f"text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.{half}.weight":
            torch.ones(4, 4) for half in ("down", "up")
        },
        "zimage": {
            f"transformer.layers.0.attention.to_q.lora_{half}.weight": torch.ones(4, 4)
            for half in "AB"
        },
    }  # fmt: skip
    for name, content in files.items():
        save_file(content, tmp_path / f"{name}.safetensors")
    (tmp_path / "none").mkdir()
    cases = [
        ("other", {}, "changes 8 layers, this run 8: only it has .*to_q", "--target-modules to_q"),
        ("nan", {}, "NaN", "earlier checkpoint"),
        ("wide", {}, "has other widths than this base", "trained on"),
        ("text", {}, "changes a text encoder too", "denoiser alone"),
        ("zimage", {}, "is a LoRA for Z-Image, and the base is", "trained on"),
        ("other", {"target_modules": ["to_q"], "rank": 8}, "has rank 4 in .*rank 8", "--rank 4"),
    ]
    for name, settings, told, hint in cases:
        file = str(tmp_path / f"{name}.safetensors")
        project = make_project(init_from=file, **settings)
        with pytest.raises(HubtoolsError, match=told) as caught:
            train(project, skip_validation=True)
        assert hint in str(caught.value.hint)
        assert not project.run_dir.exists()
    for name, told in (("none", "holds no LoRA"), ("gone", "neither a file, nor a run folder")):
        with pytest.raises(HubtoolsError, match=told):
            train(make_project(init_from=str(tmp_path / name)), skip_validation=True)


def test_a_file_that_came_with_the_folder_starts_from_nothing_outside(
    short: Project, tmp_path: Path, make_project: MakeProject
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "hubtools.toml").write_text(f'[train]\ninit_from = "{short.run_dir}"\n')
    read = load_project(folder)
    project = make_project(init_from=str(short.run_dir))
    read.train = project.train
    read.dataset = project.dataset
    with pytest.raises(
        UsageError, match=r"leads out of the project's folder to .*; nothing is trai"
    ):
        train(read, skip_validation=True)
