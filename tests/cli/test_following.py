"""What a command says to type next works as it is said; where nothing can be done yet, it is said
what comes first."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from PIL import Image

from hubtools.cli import output
from hubtools.cli.following import tell_private, tell_repo
from hubtools.cli.main import run
from hubtools.manifest import BaseModelFacts, DatasetFacts, RunManifest
from hubtools.models.device import is_surely_cpu
from hubtools.project import load_project
from hubtools.project_file import to_toml
from hubtools.tinypeople import MODEL
from tests.drawing import write_pictures
from tests.lorafiles import good, kohya, save
from tests.typed import typed


def nexts(text: str) -> list[list[str]]:
    """The commands that stand behind `next: hubtools`."""
    return [shlex.split(found) for found in re.findall(r"next: hubtools (.+)", text)]


def project_at(folder: Path, base: Path | None = None, **train: object) -> Path:
    write_pictures(folder / "dataset", 2, size=(64, 64))
    settings: dict[str, dict[str, object]] = {
        "dataset": {"trigger": "a tok", "license": "cc0-1.0", "rights": "own"},
        "train": {"resolution": 64, "output_dir": "runs/one", "validation_steps": 0} | train,
        "samples": {"steps": 1},
        "model": {"license": "mit"},
    }
    if base is not None:
        settings["train"]["pretrained_model_name_or_path"] = str(base)
    (folder / "hubtools.toml").write_text(to_toml(settings))
    return folder


@pytest.mark.parametrize(("seen", "held", "anew"), [(2, 0, False), (1, 1, False), (1, 0, True)])
def test_pictures_that_were_added_since_are_trained_on_next(
    tmp_path: Path, seen: int, held: int, anew: bool
) -> None:
    project_at(tmp_path, MODEL)
    run_dir = tmp_path / "runs/one"
    run_dir.mkdir(parents=True)
    data = DatasetFacts(fingerprint="", images=seen, held_out=held, caption_column="text")
    RunManifest(
        name="one", status="finished", started="", dataset=data, train={}, steps=1, epochs=1,
        seed=0, base_model=BaseModelFacts(id=None, prediction_type="epsilon", family=""),
    ).write(run_dir)  # fmt: skip
    (run_dir / "pytorch_lora_weights.safetensors").write_bytes(b"")
    said = typed("validate", cwd=tmp_path).stderr
    assert ("has seen 1 of 2 pictures" in said) == anew
    (words,) = nexts(said)
    assert words == (["train", "--no-resume", "--dry-run"] if anew else ["generate"])


COMMANDS = [
    ("validate",), ("train",), ("fix",), ("inspect",), ("caption", "--template", "x"), ("card",),
    ("prune",), ("push",), ("evaluate",), ("train", "--base-model", "tiny-people"),
    ("evaluate", "--base-model", "tiny-people"),
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_without_a_project_the_way_to_one_is_told(words: tuple[str, ...], tmp_path: Path) -> None:
    done = typed(*words, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert "`hubtools init NAME --from PICTURES`" in done.stderr
    assert "neither a file, nor" not in done.stderr  # nobody has named a LoRA
    assert list(tmp_path.iterdir()) == []


def test_ship_in_an_empty_folder_names_both_beginnings(tmp_path: Path) -> None:
    said = typed("ship", "--dry-run", cwd=tmp_path).stderr
    assert "`hubtools init . --example` or `hubtools init . --from FOLDER`" in said


def test_no_pictures_no_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def add_task(self: object, words: str, **fields: object) -> int:
        shown.append(words)
        return 0

    monkeypatch.setattr(output._Unseen, "add_task", add_task)
    for words in (("inspect", "lora.safetensors"), ("inspect", "none"), ("validate", "none")):
        assert run([words[0], str(tmp_path / words[1])]) in (1, 2)
    assert shown == []


def test_an_empty_project_asks_for_pictures_first(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "hubtools.toml").write_text("[dataset]\n")
    said = typed("validate", cwd=tmp_path)
    assert said.returncode == 3
    assert "next: put pictures into dataset, and hubtools validate again" in said.stderr
    assert "to write captions on" not in said.stderr
    looked = typed("inspect", cwd=tmp_path)
    assert looked.stdout == ""
    assert "Hint: put pictures into it, or `hubtools init" in looked.stderr
    shown = typed("preview", cwd=tmp_path)
    assert "holds nothing to publish.\nHint: put pictures into it, or" in shown.stderr
    for words in (
        ("train", "--base-model", "tiny-people"),
        ("train", "--base-model", "tiny-people", "--skip-validation"),
        ("card",),
    ):
        done = typed(*words, cwd=tmp_path)
        assert done.returncode in (1, 3)
        assert "holds no pictures" in done.stdout + done.stderr
        assert "no metadata" not in done.stderr
    looked = typed("inspect", "--format", "human", cwd=tmp_path)
    assert "holds no pictures, and no LoRA" in looked.stderr
    assert "picture  size" not in looked.stdout
    shown = typed("explain", "D120").stdout
    assert "put pictures into the folder" in shown
    run = typed("prune", cwd=tmp_path)
    assert "nothing is trained here yet: `hubtools train --base-model OWNER/NAME`" in run.stderr


@pytest.mark.parametrize("words", [("train",), ("ship",), ("generate", "x")])
def test_a_base_that_works_offline_is_named(words: tuple[str, ...], tmp_path: Path) -> None:
    project = project_at(tmp_path / "p")
    done = typed(*words, cwd=project)
    assert done.returncode in (1, 2)
    assert "--base-model tiny-people" in done.stderr


def test_it_is_named_where_nobody_answers(tmp_path: Path) -> None:
    """And before PyTorch is imported, which takes seconds."""
    project = project_at(tmp_path / "p")
    code = (
        "import sys; from hubtools.cli.main import run; code = run(sys.argv[1:]);"
        " sys.exit(9 if code == 1 and 'torch' in sys.modules and not gpu else code)"
    ).replace("gpu", str(not is_surely_cpu()))
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "--base-model", "me/x"], cwd=project,
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), "HF_ENDPOINT": "http://127.0.0.1:9",
             "HF_HUB_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 1
    assert "--base-model tiny-people" in done.stderr


def test_pictures_that_were_added_later_are_given_captions_and_not_only_removed(
    tmp_path: Path,
) -> None:
    project_at(tmp_path)
    write_pictures(tmp_path / "more", 3, size=(64, 64))
    shutil.copy(tmp_path / "more/picture2.png", tmp_path / "dataset/later.png")
    said = typed("validate", "--select", "D202", cwd=tmp_path).stderr
    assert "hubtools review" in said
    (words,) = nexts(said)
    assert words[0] == "caption", words
    assert typed(*words, "--yes", cwd=tmp_path).returncode == 0
    assert typed("validate", "--select", "D202", cwd=tmp_path).returncode == 0


def test_a_plan_says_how_to_carry_it_out(tmp_path: Path) -> None:
    project = project_at(tmp_path)
    words = ["train", "--dry-run", "--base-model", "tiny-people", "--max-train-steps", "2"]
    done = typed(*words, cwd=project)
    assert done.returncode == 0, done.stderr
    assert nexts(done.stderr) == [[word for word in words if word != "--dry-run"]]
    assert "how long a step takes" not in done.stderr
    done = typed(*words[:-2], cwd=project)
    assert "the same with --max-train-steps 5 --validation-steps 0 --output-dir runs/try" in (
        done.stderr
    )
    done = typed("ship", "--dry-run", "--until", "dataset-card", cwd=project)
    assert nexts(done.stderr) == [["ship", "--until", "dataset-card"]]


def test_after_a_short_run_what_is_next_works(tmp_path: Path, tiny_base: Path) -> None:
    project = project_at(tmp_path / "here", tiny_base)
    bare = typed("generate", "a face", "-o", "bare", cwd=project)
    assert "No LoRA: the bare base draws, as nothing is trained in runs/one yet" in bare.stderr
    assert "`hubtools train`" in bare.stderr
    grid = typed("grid", "a face", "--x", "seed=0..1", "--dry-run", cwd=project)
    assert "No LoRA: the bare base draws, as nothing is trained in runs/one yet" in grid.stderr
    (first,) = nexts(typed("validate", cwd=project).stderr)
    assert first == ["train", "--dry-run"]
    trained = typed("train", "--max-train-steps", "2", cwd=project)
    assert trained.returncode == 0, trained.stderr
    for place, words in ((project, ["validate"]), (tmp_path, ["validate", "here"])):
        looked = typed(*words, cwd=place)
        (then,) = nexts(looked.stderr)
        assert then[0] == "generate"
        drawn = typed(*then, cwd=place)
        assert drawn.returncode == 0, drawn.stderr
        assert "No LoRA" not in drawn.stderr
        assert "with here/runs/one: " in drawn.stdout or place == project
    # another run is planned by the second thing that it says
    (other,) = re.findall(r"`hubtools (train .+?)`", looked.stderr)
    assert typed(*shlex.split(other), cwd=tmp_path).returncode == 0
    (card,) = nexts(drawn.stderr)
    written = typed(*card, cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    (push,) = nexts(written.stderr)
    assert push[:2] == ["push", "here/runs/one"]
    # a run folder is looked at as the LoRA that it holds
    shown = typed("inspect", "here/runs/one", cwd=tmp_path)
    assert "diffusers" in shown.stdout
    # one that stopped is no reason for an error either
    (project / "runs/one/pytorch_lora_weights.safetensors").unlink()
    again = nexts(typed("validate", cwd=project).stderr)[-1]
    assert typed(*again, cwd=project).returncode == 0
    assert "is not finished" in typed("generate", "a face", "-o", "bare", cwd=project).stderr


def test_in_a_folder_below_the_project_is_told_and_pictures_outside_are_named(
    tmp_path: Path, tiny_base: Path
) -> None:
    project = project_at(tmp_path / "here", tiny_base)
    (project / "dataset").rename(tmp_path / "pictures")
    settings = (project / "hubtools.toml").read_text()
    (project / "hubtools.toml").write_text(
        settings.replace("[dataset]", '[dataset]\npath = "../pictures"')
    )
    below = project / "notes/old"
    below.mkdir(parents=True)
    looked = typed("validate", cwd=below)
    assert looked.stderr.startswith("project: ../../ (hubtools.toml)\n")
    (then,) = nexts(looked.stderr)
    assert then == ["train", "--path", "../../../pictures", "--dry-run"]
    planned = typed(*then, cwd=below)
    assert planned.returncode == 0, planned.stderr
    for words, place in (
        (["validate"], project),
        (["validate", "-q"], below),
        (["validate", "--project", "../.."], below),
        (["validate", str(project_at(tmp_path / "other"))], below),
    ):
        assert "project: " not in typed(*words, cwd=place).stderr, words


def test_a_lora_on_a_wrong_base_is_one_sentence(tmp_path: Path, tiny_base: Path) -> None:
    attention = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    wide = {
        f"{attention}.{end}.lora_{half}.weight": numpy.ones(shape, numpy.float32)
        for end in ("to_q", "to_k", "to_v", "to_out.0")
        for half, shape in (("A", (4, 24)), ("B", (24, 4)))
    }
    project = project_at(tmp_path / "p", tiny_base)
    lora = save(project / "runs/one/pytorch_lora_weights.safetensors", wide)
    for words in (
        ("generate", "x", "--lora", lora),
        ("evaluate",),
        ("grid", "x", "--x", "seed=1,2", "--lora", lora),
        ("merge", lora, "--base-model", tiny_base, "--to", tmp_path / "merged"),
        ("train", "--init-from", lora, "--output-dir", "runs/two"),
    ):
        done = typed(*words, cwd=project)
        assert done.returncode == 1, words
        said = done.stderr.split("Error: ")[1]
        assert "torch.Size" not in said
        assert "state_dict" not in said
        assert "Warning" not in done.stderr
        assert "base" in said
        assert "--base-model" in said


def test_a_lora_from_elsewhere_becomes_a_folder_to_publish(tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    file = save(tmp_path / "download" / "dog v1.safetensors", kohya(good(), alpha=2.0))
    looked = typed("inspect", "download", "--format", "human", cwd=tmp_path)
    assert "kohya" in looked.stdout, looked.stderr
    (convert,) = nexts(looked.stderr)
    assert convert[:2] == ["convert", "download/dog v1.safetensors"]
    words = [str(MODEL) if word == "OWNER/NAME" else word for word in convert]
    done = typed(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = file.parent / "dog v1-diffusers"
    assert [one.name for one in folder.iterdir()] == ["pytorch_lora_weights.safetensors"]
    (card,) = nexts(done.stderr)
    assert card == ["card", "download/dog v1-diffusers"]
    again = typed(*words, cwd=tmp_path)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    shutil.rmtree(folder)
    assert typed("convert", "download/dog v1.safetensors", "--base-model", "me", cwd=tmp_path
                 ).returncode == 2  # fmt: skip
    assert not folder.exists()
    missing = typed("convert", "download/none.safetensors", cwd=tmp_path)
    assert "There is no file download/none.safetensors" in missing.stderr
    save(tmp_path / "download" / "other.safetensors", good())
    Image.new("RGB", (16, 16)).save(tmp_path / "download/preview.png")  # it counts as a dataset
    mixed = typed("inspect", "download", cwd=tmp_path)
    assert "weight files lie there, too" in mixed.stderr
    (tmp_path / "download/preview.png").unlink()
    (tmp_path / "p").mkdir()
    (tmp_path / "p/hubtools.toml").touch()
    assert "`hubtools train --project p`" in typed("train", "p", cwd=tmp_path).stderr
    several = typed("inspect", "download", cwd=tmp_path)
    assert several.returncode == 2
    assert "holds 2 weight files" in several.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("init", ""), "it is empty"),
        (("validate", ""), "it is empty"),
        (("inspect", ""), "it is empty"),
        (("prune", ""), "it is empty"),
        (("push", "", "me/x"), "it is empty"),
        (("push", "lora", "", "--dry-run"), "it is empty"),
        (("convert", ""), "it is empty"),
        (("generate", "x", "-o", ""), "it is empty"),
        (("train", "--output-dir", ""), "it is empty"),
        (("train", "--base-model", ""), "it is empty"),
        (("ship", "--hub-model-id", ""), "model.repo must look like owner/name"),
        (("push", "lora", "5", "--dry-run"), "5 is no name of a repository"),
        (("push", "lora", ".", "--dry-run"), ". is a path, and a repository is called owner/name"),
        (("push", "lora", "/srv/x", "--dry-run"), "/srv/x is a path"),
        (("push", "lora", "./x", "--dry-run"), "./x is a path"),
        (("push", "lora", "me/x", "--repo", "me/y"), "REPO and --repo are the same: me/x or me/y?"),
        (("card", "lora", "--repo", "x"), "write it as OWNER/x, or log in"),
        (("init", "new", "--dataset-repo", "x"), "write it as OWNER/x, or log in"),
        (("card", "lora", "--repo", "me/käthe"), "model.repo must look like owner/name (letters"),
        (("init", "new", "--model-repo", "./x"), "model.repo must look like owner/name"),
        (("fix", "hf://datasets/me/x"), "`hf download me/x --repo-type dataset --local-dir x`"),
        (("inspect", "hf://datasets/me/x"), "hf://datasets/me/x is an address"),
        (("card", "--check", "https://huggingface.co/me/x/tree/main"), "`hf download me/x --local"),
        (("push", "s3://bucket/x", "me/x"), "fetch what is there first"),
        (("init", "new", "--from", "hf://me/x"), "hf://me/x is an address"),
    ],
)
def test_senseless_arguments_are_one_sentence(
    words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "none"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    save(tmp_path / "lora" / "pytorch_lora_weights.safetensors", good())
    done = typed(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") <= 2
    assert [one.name for one in tmp_path.iterdir()] == ["lora"]


@pytest.mark.parametrize("where", ["https://hub.example", "http://127.0.0.1:5577"])
def test_what_shows_it_to_everybody_is_told_of_a_hub_of_others(
    monkeypatch: pytest.MonkeyPatch, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hubtools.hub.client.endpoint", lambda: where)
    tell_private(output.Output("human"), [("me/lora", "model")])
    told = "hf repos settings me/lora --type model --public` shows it" in capsys.readouterr().err
    assert told is (where == "https://hub.example")


@pytest.mark.parametrize(
    ("folder", "kind", "repo", "section"),
    [
        ("dataset", "dataset", None, "[dataset]"),
        ("runs/one", "model", None, "[model]"),
        ("other", "dataset", None, None),
        ("dataset", "dataset", "me/there", None),  # it is named, and this is another
    ],
)
def test_a_repository_that_the_settings_do_not_name_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    kind: str,
    repo: str | None,
    section: str | None,
) -> None:
    project_at(tmp_path)
    found = load_project(tmp_path, {("dataset", "repo"): repo} if repo else {}, {})
    tell_repo(output.Output("human"), found, tmp_path / folder, "me/new", kind)
    said = capsys.readouterr().err
    assert (f'repo = "me/new" below {section}' in said) if section else said == ""


def test_what_follows_the_reading_has_a_bar_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time left is that of reading pictures alone."""
    shown: list[str] = []

    def add_task(self: object, words: str, **fields: object) -> int:
        shown.append(words)
        return len(shown)

    monkeypatch.setattr(output._Unseen, "add_task", add_task)
    with output.Output("human").following("reading", then="judging") as tell:
        for done in (0, 1, 2, 2):
            tell(done, 2)
    assert shown == ["reading", "judging"]
