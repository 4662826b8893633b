"""`demo`: the whole journey on the built-in example, on any machine, offline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hubtools.errors import HubtoolsError, require_extra
from hubtools.journey.example import TRIGGER, write_held_out
from hubtools.journey.init import init
from hubtools.journey.rehearse import Rehearsal, rehearse
from hubtools.layout import PROJECT_FILE
from hubtools.project import load_project
from hubtools.tinypeople import REPO_NAME, SIZE, copy_model

_ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")
_CONVOLUTIONS = ("conv1", "conv2", "proj_in", "proj_out")

_PROMPT = f"render of {TRIGGER}, "

BASE_REPO = f"me/{REPO_NAME}"
BASE_FOLDER = "base"
HELD_OUT_FOLDER = "held-out"

# What gives a clear result on two CPU cores in a few minutes.
SETTINGS: dict[str, dict[str, Any]] = {
    "dataset": {"repo": "me/misato-pictures"},
    "train": {
        "pretrained_model_name_or_path": BASE_FOLDER,
        "base_model_repo": BASE_REPO,
        "output_dir": "runs/misato",
        "resolution": SIZE,
        "train_batch_size": 4,
        "max_train_steps": 350,
        "learning_rate": 1.5e-3,
        "rank": 16,
        "target_modules": [*_ATTENTION, *_CONVOLUTIONS],
        "caption_dropout": 0.0,
        "snr_gamma": 0.0,
        "with_prior_preservation": True,
        "checkpointing_steps": 100,
        "validation_steps": 200,
        "num_threads": 2,
    },
    "samples": {
        "prompts": [
            _PROMPT + "front view, portrait, smiling, wearing a blue hoodie, mint background",
            _PROMPT + "left side profile, portrait, wearing a red coat, white background",
            _PROMPT + "front view, portrait, laughing, wearing a purple dress, at the beach",
            _PROMPT + "front view, full body, wearing a pink hoodie, in a forest",
        ],
        "seed": 1234567,
        "steps": 14,
        "guidance": 2.0,
        "scheduler": "dpmpp_2m",
        "size": SIZE,
    },
    "evaluate": {
        "in_ship": True,
        "prompts": [
            _PROMPT + "front view, portrait, smiling, wearing a white coat, pink background",
            _PROMPT + "front view, portrait, laughing, wearing a purple dress, at the beach",
            _PROMPT + "front view, portrait, wearing a red hoodie, night sky background",
            _PROMPT + "three-quarter view from the left, portrait, in a forest",
            _PROMPT + "three-quarter view from the right, portrait, black t-shirt, in the snow",
            _PROMPT + "left side profile, portrait, wearing a blue dress, mint background",
            _PROMPT + "right side profile, portrait, wearing a green hoodie, in a city",
            _PROMPT + "three-quarter view from the left, portrait, smiling, grey background",
        ],
        "num_images": 8,
        "held_out": HELD_OUT_FOLDER,
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

    Nothing is downloaded: the base is tiny people, the small Stable Diffusion pipeline that comes
    with hubtools; everything else is what a real project does.
    """
    require_extra("train", "The demo")
    require_extra("hub", "The demo")

    if not (folder / PROJECT_FILE).exists():
        if folder.exists() and any(folder.iterdir()):
            raise HubtoolsError(
                f"{folder} is not empty and holds no {PROJECT_FILE}.",
                hint="give --dir another folder, or empty this one",
                code="file-exists",
            )
        init(folder, example=True, settings=SETTINGS)
        write_held_out(folder / HELD_OUT_FOLDER)
    copy_model(folder / BASE_FOLDER)
    note(
        "The demo's base model is tiny people: it comes with hubtools, draws invented people at"
        f" {SIZE} px, and has never seen the character of the example."
    )
    return rehearse(load_project(folder), note=note, meanwhile=meanwhile)
