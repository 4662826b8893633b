"""The real command line in processes of its own, and a project it can ship in seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from hubtools.localhub.server import Hub
from hubtools.project_file import to_toml
from tests import forkserver

Finished = subprocess.CompletedProcess[str]


class Cli(Protocol):
    def __call__(self, *arguments: str, cwd: Path | None = None, **more: str) -> Finished: ...


@pytest.fixture(scope="session")
def cli() -> Cli:
    """`cli("validate", "folder", COLUMNS="80")`; keywords are added to the environment."""

    def call(*arguments: str, cwd: Path | None = None, **more: str) -> Finished:
        return forkserver.call(*arguments, cwd=cwd, env={"COLUMNS": "100"} | more)

    return call


@pytest.fixture(scope="session")
def start() -> Callable[..., forkserver.Process]:
    """The same, without waiting for the end."""

    def begin(*arguments: str, cwd: Path | None = None, **more: str) -> forkserver.Process:
        return forkserver.start(*arguments, cwd=cwd, env={"COLUMNS": "100"} | more)

    return begin


@pytest.fixture
def ship_project(
    local_hub: Hub, tiny_base: Path, draw_pictures: Callable[..., Path]
) -> Callable[..., Path]:
    """`ship_project(folder, steps=12)` makes a project that ships to the embedded Hub."""
    local_hub.store.mount("model", "someone/tiny", tiny_base)

    def make(folder: Path, *, steps: int = 12, **push: Any) -> Path:
        draw_pictures(folder / "dataset", 4, (96, 96))
        settings: dict[str, dict[str, Any]] = {
            "dataset": {
                "repo": "me/people",
                "trigger": "a tok",
                "license": "cc0-1.0",
                "rights": "own",
            },
            "train": {
                "pretrained_model_name_or_path": "someone/tiny",
                "output_dir": "runs/people",
                "resolution": 64,
                "max_train_steps": steps,
                "checkpointing_steps": 5,
                "validation_steps": 0,
                "num_threads": 1,
                "rank": 4,
                "target_modules": ["to_v"],
            },
            "samples": {"prompts": ["photo of a tok"], "steps": 3, "size": 64},
            "model": {"repo": "me/people-lora", "license": "apache-2.0"},
            "push": push,
        }
        (folder / "hubtools.toml").write_text(to_toml(settings))
        return folder

    return make
