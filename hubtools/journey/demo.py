"""`demo`: the whole journey on the built-in example, on any machine, offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError, require_extra
from hubtools.journey.init import init
from hubtools.journey.rehearse import Rehearsal, rehearse
from hubtools.layout import PROJECT_FILE
from hubtools.project import load_project

BASE_REPO = "me/tiny-random-stable-diffusion"
BASE_FOLDER = "base"

# Small enough for two CPU cores, long enough that states, snapshots and samples all happen.
SETTINGS: dict[str, dict[str, Any]] = {
    "dataset": {"repo": "me/misato-pictures"},
    "train": {
        "pretrained_model_name_or_path": BASE_FOLDER,
        "base_model_repo": BASE_REPO,
        "output_dir": "runs/misato",
        "resolution": 64,
        "max_train_steps": 210,
        "learning_rate": 1e-3,
        "rank": 8,
        "checkpointing_steps": 50,
        "validation_steps": 105,
        "num_threads": 1,
    },
    "samples": {
        "prompts": [
            "(lora-misato-token), front view, portrait, smiling, plain background",
            "(lora-misato-token) in food ad, billboard sign, front view, plain background",
        ],
        "negative_prompt": "deformed, distorted, disfigured, poorly drawn, blurry",
        "seed": 1234567,
        "steps": 20,
        "guidance": 6.0,
        "scheduler": "euler_a",
        "size": 64,
    },
    "model": {"repo": "me/finetuned-misato"},
}


def demo(
    folder: Path,
    *,
    note: Callable[[str], None],
    meanwhile: Callable[[Rehearsal], None] | None = None,
) -> Rehearsal:
    """Make (or continue) the example project in `folder` and rehearse it.

    Nothing is downloaded: the base is a small Stable Diffusion pipeline with random weights, built
    on the spot, so its pictures are noise; everything else is what a real project does.
    """
    require_extra("train", "The demo")
    require_extra("hub", "The demo")
    from hubtools.inference.tiny import build_tiny_pipeline

    if not (folder / PROJECT_FILE).exists():
        if folder.exists() and any(folder.iterdir()):
            raise HubtoolsError(
                f"{folder} is not empty and holds no {PROJECT_FILE}.",
                hint="give --dir another folder, or empty this one",
            )
        init(folder, example=True, settings=SETTINGS)
    base = folder / BASE_FOLDER
    if not (base / "model_index.json").exists():
        build_tiny_pipeline(base)
    note(
        "The demo's base model has random weights: it is built on this machine in a second and"
        " draws noise. The journey around it is the real one."
    )
    return rehearse(load_project(folder), note=note, meanwhile=meanwhile)
