"""What the steps of `ship` read, beside what their settings name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubtools.cards.foreign_pictures import FOLDERS
from hubtools.hub.client import remote_head
from hubtools.journey.travel import Journey, files_below
from hubtools.layout import (
    EVALUATION,
    EVALUATION_CHART,
    RUN_MANIFEST,
    SAMPLES_DIR,
    STATE_DIR,
)


def endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", "")


def remote_stands(journey: Journey, result: dict[str, Any]) -> bool:
    """The repository still exists and still is where it was left."""
    if not result.get("repo"):
        return False
    repo_type = "dataset" if "/datasets/" in str(result.get("url")) else "model"
    return result.get("pr") is not None or remote_head(result["repo"], repo_type) == result.get(
        "commit"
    )


def run_files(journey: Journey) -> Iterator[Path]:
    """The run folder's files that a card or a push reads; states and logs are neither."""
    run_dir = journey.project.run_dir
    for name in (RUN_MANIFEST, EVALUATION, EVALUATION_CHART):
        yield run_dir / name
    yield from sorted(run_dir.glob("*.safetensors"))
    for folder in FOLDERS:
        yield from sorted((run_dir / folder).glob("*"))


def drawn(journey: Journey) -> list[Path]:
    """Pictures of the project, beside those of the run, that its card may show."""
    place = journey.project.place_for(SAMPLES_DIR)
    return [] if place.is_symlink() else sorted(place.glob("*.png"))


def release_files(journey: Journey) -> list[Path]:
    """All of the run folder but hidden files and states for resuming."""
    run_dir = journey.project.run_dir
    return [
        path for path in files_below(run_dir) if path.relative_to(run_dir).parts[0] != STATE_DIR
    ]


def verdict_inputs(journey: Journey) -> dict[str, Any]:
    """What else than the pictures decides on the verdict: settings, rules, size and base."""
    judged = dict(journey.project.judged_by)
    baseline = judged.pop("baseline")
    known = journey.ledger.hash_file(baseline) if baseline and baseline.is_file() else None
    return judged | {"settings": judged["settings"].model_dump(), "baseline": known}


# Settings of [dataset] that say which pictures a step sees, with which words and how often.
_OF_EXAMPLES = {
    "other_caption_columns", "instance_prompt", "image_column", "control_columns", "mask_column",
    "repeats_column", "picture_repeats", "picture_weights", "class_noun",
}  # fmt: skip


def train_inputs(journey: Journey) -> dict[str, Any]:
    project = journey.project
    train = project.train.model_dump(exclude={"output_dir", "num_threads"})
    always = {"caption_column", "trigger", "revision"}
    told = project.dataset.model_dump(include=_OF_EXAMPLES, exclude_defaults=True)
    return {
        "pictures": journey.dataset_digest(card=False),
        **journey.further_digests(),
        "dataset": project.dataset.model_dump(include=always) | told,
        "train": train | {"resolution": project.resolution},
        "run": str(project.run_dir),
    }
