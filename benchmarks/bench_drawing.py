"""Pictures of `generate` and `evaluate` one at a time beside as many at once as memory holds: CPU
milliseconds a picture, turn by turn, of a LoRA on the base that comes with hubtools.

    python benchmarks/bench_drawing.py [--turns 3] [--steps 10]

Opening the base is not counted for `generate`: it is what one drawing of sixteen pictures takes
more than one of eight, a picture. `evaluate` is whole: what it draws, and what it measures of it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import keep

from hubtools.evaluation.run import evaluate
from hubtools.inference.generate import generate
from hubtools.journey.example import write_example
from hubtools.project import Project
from hubtools.quiet import hush
from hubtools.settings import DatasetSettings, EvaluateSettings, SampleSettings, TrainSettings
from hubtools.tinypeople import MODEL
from hubtools.training.train import train

PROMPT, IMAGES = "a photo of a woman in a red coat", 8


def project_of(work: Path, steps: int) -> Project:
    """A LoRA of one step: what it has learned costs nothing."""
    write_example(work / "data")
    project = Project(
        dataset=DatasetSettings(path=str(work / "data"), caption_column="prompt"),
        samples=SampleSettings(prompts=[PROMPT], steps=steps),
        evaluate=EvaluateSettings(num_images=IMAGES),
        train=TrainSettings(
            pretrained_model_name_or_path=str(MODEL), output_dir=str(work / "run"), rank=8,
            resolution=128, max_train_steps=1, validation_steps=0, num_threads=1,
        ),
    )  # fmt: skip
    train(project, skip_validation=True)
    return project


def _spent(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) * 1e3


def generated(project: Project, batch: int | None) -> float:
    """Milliseconds a picture."""

    def draw(images: int) -> float:
        with tempfile.TemporaryDirectory() as out:
            return _spent(
                lambda: generate(
                    project, lora=str(project.run_dir), images=images, output=out,
                    batch_size=batch,
                )
            )  # fmt: skip

    return (draw(2 * IMAGES) - draw(IMAGES)) / IMAGES


def evaluated(project: Project, batch: int | None) -> float:
    """Milliseconds a picture: as many of the base as of the LoRA."""
    import shutil

    shutil.rmtree(project.run_dir / "evaluation", ignore_errors=True)
    for file in project.run_dir.glob("evaluation.*"):
        file.unlink()
    return _spent(lambda: evaluate(project, batch_size=batch)) / (2 * IMAGES)


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="of denoising a picture")
    asked = parser.parse_args()
    hush()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as work:
        project = project_of(Path(work), asked.steps)
        for name, measure in (("generate", generated), ("evaluate", evaluated)):
            measure(project, None)  # imports, and what is read once
            pairs = [(measure(project, 1), measure(project, None)) for _ in range(asked.turns)]
            rows.append(
                {
                    "what": f"{name}, {asked.steps} steps at 128",
                    "one at a time ms": round(statistics.median(one for one, _ in pairs), 1),
                    "batches ms": round(statistics.median(many for _, many in pairs), 1),
                    "one / batches": round(statistics.median(one / many for one, many in pairs), 2),
                }
            )
    keep("drawing", rows, turns=asked.turns)


if __name__ == "__main__":
    main()
