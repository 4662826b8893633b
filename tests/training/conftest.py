"""Projects that train in a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hubtools.project import Project
from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings

MakeProject = Callable[..., Project]


@pytest.fixture
def make_project(tmp_path: Path, make_project_in: MakeProject) -> MakeProject:
    """A project of five steps in `tmp_path/run`; keyword arguments are [train] settings."""
    return partial(make_project_in, tmp_path)


@pytest.fixture(scope="session")
def make_project_in(tiny_base: Path, pictures: Path) -> MakeProject:
    """The same in the folder that comes first."""

    def make(
        folder: Path,
        *,
        name: str = "run",
        data: Path = pictures,
        samples: dict[str, Any] | None = None,
        dataset: dict[str, Any] | None = None,
        **train: Any,
    ) -> Project:
        settings = {
            "pretrained_model_name_or_path": str(tiny_base),
            "output_dir": str(folder / name),
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
