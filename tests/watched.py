"""Run folders to watch, as `train` writes them, without a training."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from hubtools.manifest import BaseModelFacts, DatasetFacts, RunManifest, SampleRecord
from hubtools.training.metrics import HeldOut, Metric, MetricsLog


def manifest(**changes: Any) -> RunManifest:
    """A run of a hundred steps that goes on."""
    facts: dict[str, Any] = {
        "name": "lora",
        "status": "running",
        "started": "2026-01-01T00:00:00+00:00",
        "base_model": BaseModelFacts(
            id="owner/base", family="stable-diffusion", prediction_type="epsilon"
        ),
        "dataset": DatasetFacts(
            repo="me/people", fingerprint="f" * 64, images=20, caption_column="text", trigger="tok"
        ),
        "train": {"rank": 16, "learning_rate": 1e-4, "target_modules": ["to_k", "to_q"]},
        "steps": 100,
        "epochs": 5.0,
        "seed": 0,
        "versions": {"hubtools": "0.1.0"},
    }
    return RunManifest(**(facts | changes))


def metric(step: int, seconds: float = 0.5) -> Metric:
    loss = 0.1 + 0.3 / (1 + step / 30) + 0.08 * math.sin(step * 12.9)
    return Metric(step, loss, 0.1 + 0.3 / (1 + step / 30), 0.2, 1e-4 * min(1, step / 10), seconds)


def write_steps(folder: Path, steps: Iterable[int], held_out: Iterable[int] = ()) -> None:
    """Add lines to the metrics."""
    if not (folder / "metrics.jsonl").exists():
        MetricsLog(folder, 0)
    log = object.__new__(MetricsLog)
    log._run_dir = folder
    log.append(metric(step) for step in steps)
    log.append(HeldOut(step, 0.2 + 0.2 / (1 + step / 20)) for step in held_out)


def write_sample(folder: Path, step: int, prompt: int, text: str, side: int = 64) -> None:
    """A sample with its record."""
    samples = folder / "samples"
    samples.mkdir(parents=True, exist_ok=True)
    name = f"step{step:06d}_p{prompt:02d}_s0"
    shade = (40 * prompt % 256, min(255, step), 120)
    Image.new("RGB", (side, side), shade).save(samples / f"{name}.png")
    record = SampleRecord(
        file=f"{name}.png", prompt=text, seed=0, steps=30, guidance=7.5, scheduler="default",
        scheduler_class="PNDMScheduler", width=side, height=side, base_model="owner/base",
        train_step=step,
    )  # fmt: skip
    (samples / f"{name}.json").write_text(record.model_dump_json())


def write_run(folder: Path, done: int = 40, **changes: Any) -> Path:
    """A run folder of so many steps that goes on, with samples of two prompts."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest(**changes).write(folder)
    write_steps(folder, range(1, done + 1))
    return folder
