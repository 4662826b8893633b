"""The disk gets full while a command works: one sentence, nothing lost, and the same command goes
on when there is room again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubtools.training.metrics import MetricsLog
from tests.disks import fill, small_disk
from tests.drawing import write_pictures
from tests.security.pushing import before_call
from tests.typed import typed

pytest.importorskip("torch")

FULL = ("disk is full", "No space left", "B left", "free some space")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 1_500_000) as place:
        yield place


def state_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "filler"
    }


def goes_on(disk: Path, words: list[str], leave: int, *, may: int = 1, **env: str) -> None:
    """Run with so many bytes left, and again with all the room; what was there is there still."""
    before = state_of(disk)
    filler = fill(disk, leave=leave)
    done = typed(*words, cwd=disk, **env)
    said = done.stdout + done.stderr
    assert done.returncode in (0, may), said
    assert "bug" not in done.stderr, said
    assert "Traceback" not in done.stderr, said
    if done.returncode:
        assert any(word in said for word in FULL), said
    left = state_of(disk)
    assert {name: left.get(name) for name in before} == before
    filler.unlink()
    done = typed(*words, cwd=disk, **env)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("leave", [0, 4096])
def test_push(disk: Path, local_hub: object, leave: int, tmp_path: Path) -> None:
    write_pictures(disk / "ds", 4)
    words = ["push", "ds", f"me/full{leave}", "--ignore", "D"]
    goes_on(disk, words, leave)
    done = typed(*words, cwd=disk)
    assert "0 of" in done.stderr  # what was sent is known


@pytest.mark.parametrize("leave", [0, 8192])
def test_push_with_the_cache_on_it(
    disk: Path, local_hub: object, leave: int, tmp_path: Path
) -> None:
    write_pictures(tmp_path / "ds", 4)
    words = ["push", str(tmp_path / "ds"), f"me/cache{leave}", "--ignore", "D"]
    cache = str(disk / "cache")
    goes_on(disk, words, leave, HF_HUB_CACHE=cache, HF_HOME=cache, XDG_CACHE_HOME=cache)


@pytest.mark.parametrize("words", [
    ["shard", "ds", "--to", "out"],
    ["caption", "ds", "--export", "kohya", "out"],
    ["card", "ds"],
], ids=" ".join)  # fmt: skip
def test_folders_and_cards(disk: Path, words: list[str]) -> None:
    write_pictures(disk / "ds", 6)
    goes_on(disk, words, 8192)


@pytest.mark.parametrize("leave", [0, 12_288])
@pytest.mark.parametrize("name", ["generate", "grid"])
def test_drawing(disk: Path, tiny_base: Path, name: str, leave: int) -> None:
    words = [name, "a hat", "--base-model", str(tiny_base), "--size", "64"]
    words += ["--num-inference-steps", "1", "-o", "out"]
    words += ["--x", "seed=0,1,2"] if name == "grid" else ["--num-images", "3"]
    goes_on(disk, words, leave)
    assert len([*(disk / "out").rglob("*.png")]) >= 3


def test_train_and_evaluate(
    disk: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is full from the first step on, where states, samples and the LoRA are to be written; then
    where that is measured."""
    pictures = write_pictures(tmp_path / "ds", 3)
    common = ["--base-model", str(tiny_base), "--train-data-dir", str(pictures)]
    common += ["--output-dir", "run", "--resolution", "64", "--num-threads", "1"]
    words = ["train", *common, "--rank", "2", "--max-train-steps", "2", "--target-modules", "to_v"]
    words += ["--validation-steps", "1", "--prompt", "a hat", "--num-inference-steps", "1"]
    with monkeypatch.context() as patch:
        before_call(patch, MetricsLog, "append", lambda: fill(disk))
        done = typed(*words, cwd=disk)
    assert done.returncode == 1
    assert any(word in done.stderr for word in FULL), done.stderr
    assert "bug" not in done.stderr
    (disk / "filler").unlink()
    done = typed(*words, cwd=disk)
    assert done.returncode == 0, done.stderr
    assert (disk / "run" / "pytorch_lora_weights.safetensors").is_file()
    measure = ["evaluate", *common, "--num-inference-steps", "1", "--num-images", "1"]
    measure += ["--prompt", "a tok", "--picture-encoder", "efficientnet-lite0"]
    goes_on(disk, [*measure, "--prompt-judge", "none"], 8192)
