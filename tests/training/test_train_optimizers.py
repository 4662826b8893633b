"""Runs with other optimizers than AdamW, and with an average: continued, published, told."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hubtools.layout import LORA_WEIGHTS  # noqa: E402
from hubtools.manifest import RunManifest  # noqa: E402
from hubtools.models.tensors import read_tensors  # noqa: E402
from hubtools.project import Project  # noqa: E402
from hubtools.training.metrics import read_metrics  # noqa: E402
from hubtools.training.train import train  # noqa: E402
from tests.dying import DiesAt, Killed  # noqa: E402
from tests.typed import typed  # noqa: E402

MakeProject = Callable[..., Project]

# All of them go on bit for bit in test_optimizers.py; here those that are published otherwise.
KINDS: dict[str, dict[str, Any]] = {
    "schedule-free": {"optimizer": "schedule-free"},
    "prodigy, averaged": {"optimizer": "prodigy", "use_ema": True},
}


@pytest.mark.parametrize("name", KINDS)
def test_a_run_that_was_stopped_within_an_epoch_is_the_same_run(
    make_project: MakeProject, name: str
) -> None:
    """Of five pictures in steps of two; one run draws samples on the way, the other does not."""
    settings = {
        "max_train_steps": 5, "checkpointing_steps": 2, "gradient_accumulation_steps": 2,
        "snapshot_steps": 5, "random_flip": True, **KINDS[name],
    }  # fmt: skip
    straight = make_project(name="straight", validation_steps=2, **settings)
    stopped = make_project(**settings)
    train(straight, skip_validation=True)
    with pytest.raises(Killed):
        train(stopped, skip_validation=True, reporter=DiesAt(4))
    train(stopped, skip_validation=True)
    first, second = (p.run_dir / LORA_WEIGHTS for p in (straight, stopped))
    assert first.read_bytes() == second.read_bytes()
    ours, theirs = (
        [(m.step, m.loss, m.grad_norm, m.lr) for m in read_metrics(p.run_dir)]
        for p in (straight, stopped)
    )
    assert ours == theirs
    _published(straight)


def _published(project: Project) -> None:
    """What is published is the average of what is trained."""
    lora = read_tensors(project.run_dir / LORA_WEIGHTS)
    state = read_tensors(project.run_dir / "state" / "step-000005" / "lora.safetensors")
    assert lora is not None
    assert state is not None
    mine, trained = (sorted(float(t.double().sum()) for t in f.values()) for f in (lora, state))
    assert mine != trained
    snapshot, *_ = (project.run_dir / "snapshots").glob("*step000005.safetensors")
    assert snapshot.read_bytes() == (project.run_dir / LORA_WEIGHTS).read_bytes()
    manifest = RunManifest.read(project.run_dir)
    assert manifest.train.get("use_ema", False) is project.train.use_ema
    assert manifest.train.get("optimizer", "adamw") == project.train.optimizer


def test_what_is_missing_is_found_in_the_plan(
    tiny_base: Path, pictures: Path, tmp_path: Path
) -> None:
    if importlib.util.find_spec("bitsandbytes"):
        pytest.skip("it is installed")
    done = typed(
        "train", "--pretrained_model_name_or_path", tiny_base, "--train_data_dir", pictures,
        "--resolution", "64", "--use_8bit_adam", "--output_dir", "run", "--dry-run", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "--optimizer adamw-8bit needs bitsandbytes, which is not installed." in done.stderr
    assert "pip install 'hf-hubtools[bitsandbytes]'" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_command_line_of_diffusers_with_prodigy(
    tiny_base: Path, pictures: Path, tmp_path: Path
) -> None:
    done = typed(
        "train", f"--pretrained_model_name_or_path={tiny_base}", f"--train_data_dir={pictures}",
        "--resolution=64", "--optimizer=prodigy", "--learning_rate=1.0", "--lr_scheduler=constant",
        "--prodigy_safeguard_warmup=True", "--prodigy_use_bias_correction=True", "--seed=0",
        "--max_train_steps=1", "--validation_steps=0", "--target-modules", "to_v", "--rank", "4",
        "--output_dir=run", "--skip-validation", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Prodigy (finds the step size itself)" in done.stderr
    assert "Prodigy has found no step size yet" in done.stderr
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    assert written["train"]["optimizer"] == "prodigy"
    assert written["versions"]["prodigyopt"]
