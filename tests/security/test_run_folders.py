"""`prune` knows what a run folder is, and in one moves only what a trainer writes there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from hubtools.layout import LORA_WEIGHTS
from hubtools.publish import trash
from hubtools.publish.classify import classify
from hubtools.runfolders.trainers import recognise
from tests.typed import typed

Make = Callable[..., Path]


def fill(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_text(name)


def everything(root: Path) -> dict[str, str | bytes]:
    return {
        path.relative_to(root).as_posix(): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


# folder -> (what lies in it, what the refusal says); LORA stands for a LoRA file
PLACES: dict[str, tuple[str, str]] = {
    "project": ("hubtools.toml dataset/metadata.jsonl dataset/1.png runs/p/LORA", "a project"),
    "comfy": ("main.py comfy/sd.py custom_nodes/x.py models/loras/LORA output/1.png", "ComfyUI"),
    "comfy models": ("models/loras/LORA models/checkpoints/x.ckpt notes.txt", "ComfyUI"),
    "loras of comfy": ("loras/LORA vae/x.safetensors checkpoints/y.txt", "ComfyUI"),
    "webui": ("webui.py models/Lora/LORA logs/x.log", "ComfyUI"),
    "documents": ("tax.pdf letter.docx pictures/1.png old/loras/LORA a.log", "documents"),
    "home": ("Documents/a.txt Downloads/LORA .bashrc .ssh/id_rsa", "a home folder"),
    "pictures": ("1.png 2.jpg 3.png lora/LORA", "a folder of pictures"),
    "dataset": ("metadata.jsonl 1.png 2.png 3.png trained/LORA", "a dataset"),
    "cache": ("models--me--x/blobs/1 models--me--x/snapshots/1/LORA", "a cache of the Hub"),
    "repo in a cache": ("blobs/1 refs/main snapshots/1/LORA", "a cache of the Hub"),
    "program": ("pyproject.toml src/a.py weights/LORA train.log", "a program"),
    "venv": ("pyvenv.cfg lib/x.py lib/LORA", "a program"),
    "runs": ("one/run.json one/LORA two/notes.txt a.log", "it holds run folders"),
    "one LoRA below": ("notes.txt deep/deeper/LORA a.log", "nothing at its top"),
    "one LoRA": ("mine.safetensors LORA-is-not-here.txt", "nothing else that a trainer leaves"),
    "run.json of another": ("run.json sub/deep/LORA", "nothing at its top"),
    "checkpoints of another": ("checkpoint-1/notes.txt checkpoint-2/LORA.txt", "nothing at its"),
    "model": ("model_index.json unet/config.json lora/LORA", "a whole model"),
}


@pytest.mark.parametrize("place", PLACES)
def test_other_folders_are_refused_with_a_sentence(
    tmp_path: Path, make_lora_file: Make, place: str
) -> None:
    names, words = PLACES[place]
    root = tmp_path / "folder"
    for name in names.split():
        if name.endswith("/LORA") or name == "mine.safetensors":
            make_lora_file(root / name.replace("LORA", LORA_WEIGHTS))
        else:
            fill(root, name)
    if place == "runs":
        (root / "one/run.json").write_text('{"status": "finished"}')
    before = everything(root)
    for options in ((), ("--apply",), ("--apply", "--keep", "*"), ("--apply", "--drop", "*.log")):
        done = typed("prune", root, *options)
        assert done.returncode == 1, done.stdout
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert everything(root) == before


def test_a_snapshot_in_the_cache_is_refused(tmp_path: Path, make_lora_file: Make) -> None:
    repo = tmp_path / "models--me--people"
    make_lora_file(repo / "blobs/1")
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / LORA_WEIGHTS).symlink_to("../../blobs/1")
    (snapshot / "optimizer.bin").write_text("real")
    done = typed("prune", snapshot, "--apply")
    assert (done.returncode, "a snapshot in the Hub's cache" in done.stderr) == (1, True)
    assert (snapshot / "optimizer.bin").is_file()


# trainer -> (LoRA files, other files that it writes)
RUNS: dict[str, tuple[str, str]] = {
    "hubtools": (LORA_WEIGHTS, "run.json metrics.jsonl state/step-5/optimizer.bin samples/1.png"),
    "diffusers": (
        LORA_WEIGHTS,
        "checkpoint-500/optimizer.bin checkpoint-500/random_states_0.pkl logs/x/events.tfevents.1",
    ),
    "SimpleTuner": (
        f"checkpoint-5/{LORA_WEIGHTS}",
        "checkpoint-5/training_state.json checkpoint-5/optimizer.bin",
    ),
    "sd-scripts": (
        "people.safetensors people-000010.safetensors people-000020.safetensors",
        "people-state/optimizer.bin people-state/train_state.json sample/1.png",
    ),
    "ai-toolkit": (
        "people.safetensors people_000000250.safetensors",
        "optimizer.pt samples/1__0.jpg log.txt",
    ),
    "peft": ("adapter_model.safetensors", "training_args.bin optimizer.pt"),
    "OneTrainer": (
        "save/people2026-01-01_10-00-00-save-500-5-0.safetensors",
        "backup/1-backup-500-5-0/optimizer/optimizer.pt tensorboard/2026/events.tfevents.1",
    ),
    "diffusion-pipe": (
        "epoch5/adapter_model.safetensors epoch10/adapter_model.safetensors",
        "global_step100/mp_rank_00_model_states.pt",
    ),
}
MYSTERIES = (
    "notes.txt thesis.docx mine.png old/holiday.jpg secret.key embeddings.pt data/latents.npz"
    " samples.zip config.bak logs/diary.txt vae/me.jpg other/optimizer.pt other/checkpoint-1/a.bin"
    " wandb/diary.txt runs/me.mp4 a.swp .gitignore .cache/mine/x checkpoint-9/diary.txt"
)


@pytest.mark.parametrize("trainer", RUNS)
def test_a_trainers_output_is_recognised_and_what_is_not_its_own_stays(
    tmp_path: Path, make_lora_file: Make, trainer: str
) -> None:
    loras, rest = RUNS[trainer]
    root = tmp_path / "run"
    fill(root, *rest.split(), *MYSTERIES.split())
    for name in loras.split():
        make_lora_file(root / name)
    if trainer == "hubtools":
        (root / "run.json").write_text('{"status": "finished"}')
    if trainer == "peft":
        (root / "adapter_config.json").write_text("{}")
    (root / "link").symlink_to("notes.txt")
    before = everything(root)
    found = recognise(root)
    assert found.trainer == trainer
    plan = classify(root)
    assert len(plan.kept) <= 3
    assert {item.path for item in plan.left} == {"link", *MYSTERIES.split()}
    moved = {item.path for item in plan.moved}
    expected = {*rest.split(), *loras.split()} - {item.path for item in plan.kept}
    assert moved == expected
    shown = typed("prune", root, "--format", "json")
    rows = {row["path"]: row["verdict"] for row in json.loads(shown.stdout)}
    assert rows["thesis.docx"] == "stay"
    assert "Not moved" in shown.stderr
    assert typed("prune", root, "--apply").returncode == 0
    for name in MYSTERIES.split():
        assert (root / name).read_text() == name
    assert typed("prune", root, "--undo").returncode == 0
    assert everything(root) == before


def test_what_is_named_is_moved(tmp_path: Path, make_lora_file: Make) -> None:
    make_lora_file(tmp_path / LORA_WEIGHTS)
    fill(tmp_path, "notes.txt", "thesis.docx")
    assert typed("prune", tmp_path, "--apply", "--drop", "*.txt").returncode == 0
    assert not (tmp_path / "notes.txt").exists()
    assert (tmp_path / "thesis.docx").exists()


def test_a_row_of_epochs_has_its_last_as_the_lora(tmp_path: Path, make_lora_file: Make) -> None:
    names = [f"p-{epoch:06d}.safetensors" for epoch in (2, 10)]
    for name in names:
        make_lora_file(tmp_path / name)
    assert [item.path for item in classify(tmp_path).kept] == [names[1]]
    make_lora_file(tmp_path / "p.safetensors", rank=5)
    assert [item.path for item in classify(tmp_path).kept] == ["p.safetensors"]


def test_a_file_that_may_hold_a_secret_is_not_kept_by_card_or_option(
    tmp_path: Path, make_lora_file: Make
) -> None:
    make_lora_file(tmp_path / LORA_WEIGHTS)
    fill(tmp_path, ".env", "id.pem")
    (tmp_path / "README.md").write_text("# x\n\n[settings](.env) ![x](id.pem)\n")
    for options in ({}, {"keep": ["*"]}):
        plan = classify(tmp_path, **options)  # type: ignore[arg-type]
        assert {item.path for item in plan.left} >= {".env", "id.pem"}


def test_a_linked_card_or_manifest_is_not_read(tmp_path: Path, make_lora_file: Make) -> None:
    outside = tmp_path / "README.md"
    outside.write_text("![x](notes.txt)")
    root = tmp_path / "run"
    make_lora_file(root / LORA_WEIGHTS)
    fill(root, "notes.txt")
    (root / "README.md").symlink_to(outside)
    (root / "run.json").symlink_to("../run.json")
    (tmp_path / "run.json").write_text('{"status": "finished"}')
    assert {item.path for item in classify(root).kept} == {LORA_WEIGHTS}
    assert recognise(root).trainer == "diffusers"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_are_not_waited_for(tmp_path: Path, make_lora_file: Make) -> None:
    make_lora_file(tmp_path / LORA_WEIGHTS)
    for name in ("a.log", "x.safetensors", "README.md", "run.json"):
        os.mkfifo(tmp_path / name)
    plan = classify(tmp_path, keep=["*"])
    assert [item.path for item in plan.kept] == [LORA_WEIGHTS]
    trash.apply(plan)
    trash.undo(tmp_path)


def test_a_gallery_that_is_not_shown_is_ours(tmp_path: Path, make_lora_file: Make) -> None:
    make_lora_file(tmp_path / LORA_WEIGHTS)
    (tmp_path / "run.json").write_text('{"status": "finished"}')
    (tmp_path / "images").mkdir()
    for name in ("00.png", "me.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    plan = classify(tmp_path)
    assert [item.path for item in plan.moved] == ["images/00.png"]
    assert [item.path for item in plan.left] == ["images/me.png"]
