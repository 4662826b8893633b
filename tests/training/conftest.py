"""A tiny base, a few pictures, and projects that train in a second."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from hubtools.project import DatasetSettings, Project, SampleSettings, TrainSettings

MakeProject = Callable[..., Project]


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion pipeline that predicts epsilon."""
    from hubtools.inference.tiny import build_tiny_pipeline

    return build_tiny_pipeline(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def tiny_v_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Stable Diffusion pipeline that predicts v."""
    from hubtools.inference.tiny import build_tiny_pipeline

    folder = tmp_path_factory.mktemp("bases") / "tiny-v"
    return build_tiny_pipeline(folder, prediction_type="v_prediction")


def write_pictures(folder: Path, count: int, size: tuple[int, int] = (80, 96)) -> Path:
    """`count` different pictures with captions in the column `text`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(count):
        picture = Image.new("RGB", size, (37 * number % 256, 200 - 20 * number, 90))
        pen = ImageDraw.Draw(picture)
        pen.ellipse((5 + 4 * number, 12, 50, 70), fill=(250, 25 * number, 30))
        pen.rectangle((50, 60, 78, 90), fill=(20, 60, 25 * number))
        name = f"picture{number}.png"
        picture.save(folder / name)
        rows.append(json.dumps({"file_name": name, "text": f"photo of a tok, number {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def draw_pictures() -> Callable[..., Path]:
    """`draw_pictures(folder, count, size=...)` writes a dataset."""
    return write_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pictures."""
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures", 5)


@pytest.fixture
def make_project(tmp_path: Path, tiny_base: Path, pictures: Path) -> MakeProject:
    """A project of five steps in `tmp_path/run`; keyword arguments are [train] settings."""

    def make(
        *,
        name: str = "run",
        data: Path = pictures,
        samples: dict[str, Any] | None = None,
        dataset: dict[str, Any] | None = None,
        **train: Any,
    ) -> Project:
        settings = {
            "pretrained_model_name_or_path": str(tiny_base),
            "output_dir": str(tmp_path / name),
            "resolution": 64,
            "max_train_steps": 5,
            "validation_steps": 0,
            "num_threads": 1,
            "rank": 4,
            "learning_rate": 1e-3,
            # few layers: adding and reading back a LoRA is most of so short a run
            "target_modules": ["to_v"],
        }
        return Project(
            dataset=DatasetSettings(path=str(data), **(dataset or {})),
            train=TrainSettings(**(settings | train)),
            samples=SampleSettings(**({"steps": 2} | (samples or {}))),
        )

    return make
