"""Short trainings, in this process or, on the CPU, in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubtools.layout import LORA_WEIGHTS
from hubtools.progress import PlainReporter
from hubtools.project import Project
from hubtools.settings import DatasetSettings, SampleSettings, TrainSettings


def project_of(base: Path, data: Path, run_dir: Path, **train: Any) -> Project:
    """Eight steps; keyword arguments are [train] settings, `samples` those of [samples]."""
    samples = {"steps": 3} | train.pop("samples", {})
    settings: dict[str, Any] = {
        "pretrained_model_name_or_path": str(base),
        "output_dir": str(run_dir),
        "resolution": 64,
        "max_train_steps": 8,
        "validation_steps": 0,
        "rank": 4,
        "learning_rate": 1e-3,
        "num_threads": 2,
    }
    return Project(
        dataset=DatasetSettings(path=str(data)),
        train=TrainSettings(**(settings | train)),
        samples=SampleSettings(**samples),
    )


class Enough(Exception):
    """Raised where a crash would be."""


class StopsAt(PlainReporter):
    """Ends the training before step `step` is noted, as a crash would."""

    def __init__(self, step: int | None) -> None:
        super().__init__(lambda sentence: None)
        self._step = step

    @contextmanager
    def progress(self, title: str, total: int, done: int = 0) -> Iterator[Any]:
        seen = done

        def advance(more: int, word: str) -> None:
            nonlocal seen
            seen += more
            if title == "training" and self._step is not None and seen >= self._step:
                raise Enough

        yield advance


def run(project: Project, *, stop_at: int | None = None) -> dict[str, Any]:
    """Train, perhaps only up to a crash at `stop_at`; answers the LoRA, if there is one."""
    from hubtools.models.tensors import read_tensors
    from hubtools.training.train import train

    try:
        train(project, skip_validation=True, reporter=StopsAt(stop_at))
    except Enough:
        return {}
    found = read_tensors(project.run_dir / LORA_WEIGHTS)
    assert found is not None
    return found


def run_on_cpu(
    base: Path, data: Path, run_dir: Path, *, stop_at: int | None = None, **train: Any
) -> None:
    """The same in a process that sees no GPU (a process has one device for good)."""
    told = json.dumps([str(base), str(data), str(run_dir), stop_at, train])
    done = subprocess.run(
        [sys.executable, "-m", "tests.gpu.runs", told],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def difference(a: dict[str, Any], b: dict[str, Any]) -> float:
    """The largest one, relative to the largest value."""
    assert a.keys() == b.keys()
    assert a
    scale = max(float(value.abs().max()) for value in a.values())
    return max(float((a[name] - b[name]).abs().max()) for name in a) / scale


if __name__ == "__main__":
    base, data, run_dir, stop_at, train = json.loads(sys.argv[1])
    run(project_of(Path(base), Path(data), Path(run_dir), **train), stop_at=stop_at)
