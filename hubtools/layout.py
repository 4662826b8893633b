"""Every file name of a project, a dataset repo, a run folder and a model repo, and what it means.

    project/
      hubtools.toml             settings (see settings.py)
      dataset/                  a Hub dataset repo on disk
        metadata.jsonl          one JSON object a line: file_name + caption column
        README.md               dataset card
        *.png ...
      runs/<name>/              a run folder, and the raw material of a Hub model repo
        hubtools.toml           the settings the run was started with, resolved
        run.json                facts for later steps (manifest.RunManifest)
        pytorch_lora_weights.safetensors   the LoRA; the name stock diffusers looks for
        snapshots/<slug>-step000500.safetensors   LoRA at a step; small, publishable
        state/step-000500/      for resuming only (LoRA, Adam, step); never published
        samples/                pictures, each with a .json of its parameters
        images/NN.png           gallery pictures of the card
        metrics.jsonl loss.png  the training curve
        evaluation.json evaluation.png   what was measured of base and LoRA
        evaluation/             the pictures that was measured on; never published
        space/                  what `push --space` makes: a repository of its own
        README.md               model card
      .hubtools/                bookkeeping: ship.json, plans, trash; never published, but that a
                                project whose folder is the dataset has its runs/, samples/ and
                                grids/ here, where no loader takes them for pictures of it

Names of published weights must not contain "checkpoint", "optimizer" or "scheduler": diffusers
filters such names out when it looks for a LoRA file (lora_pipeline `_best_guess_weight_name`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from hubtools.errors import HubtoolsError

PROJECT_FILE = "hubtools.toml"
WORK_DIR = ".hubtools"
COMPILED_DIR = "inductor"  # in the cache: what PyTorch has compiled
AGREED_CACHE = "agreed"  # in the cache: that bases predict what they are said to
OUTLINES_CACHE = "outlines"  # in the cache: what trainings take that no table knows
PACES_CACHE = "paces"  # in the cache: how long steps took here
IN_USE = ".in-use"  # in a shelf of the cache: who uses it holds a lock on this
SHIP_STATE = "ship.json"
TRASH_DIR = "trash"
WRITTEN = f"{WORK_DIR}/written.json"  # below a run: sums of LoRAs, of a Space's files
PUSHED = f"{WORK_DIR}/pushed.json"  # below a folder: what was sent from it, and where to
SHARDS_STATE = "shard.json"  # below the .hubtools of a folder of shards: what is done
# endings in the user's cache folder, beside what is known of a dataset's pictures
COPIES_CACHE = "copies.json"  # which of them were compared, and found alike
FEATURES_CACHE = "features.cache"  # what a vision model saw in them
EXCLUDED_DIR = ".excluded"  # in a dataset: pictures that a person set aside; no loader looks there
FIXES_DIR = "fixes"  # below a dataset's .hubtools: what `fix` changed, with the originals

CARD = "README.md"
METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")

RUN_MANIFEST = "run.json"
LORA_WEIGHTS = "pytorch_lora_weights.safetensors"
PEFT_WEIGHTS = "adapter_model.safetensors"  # what peft calls a LoRA, and its settings
PEFT_CONFIG = "adapter_config.json"
USUAL_STEMS = ("pytorch_lora_weights", "adapter_model", "lora")  # names that tell nothing of a LoRA
CONVERTED = "-diffusers"  # behind the name of what `convert` made a folder of
SNAPSHOTS_DIR = "snapshots"
CHECKPOINTS_DIR = "checkpoints"  # of a published run: what a trainer has laid beside its LoRA
STATE_DIR = "state"
STATE_MANIFEST = "state.json"
SAMPLES_DIR = "samples"
COMPARISON = "comparison.png"  # in samples: base above, LoRA below
IMAGES_DIR = "images"
METRICS = "metrics.jsonl"
RUN_LOCK = ".lock"  # held by whoever trains in a run folder
LOSS_CHART = "loss.png"
EVALUATION = "evaluation.json"
EVALUATION_CHART = "evaluation.png"
EVALUATION_DIR = "evaluation"
SPACE_DIR = "space"


def step_name(step: int) -> str:
    """`step-000500` for step 500: sorts by name up to a million steps."""
    return f"step-{step:06d}"


def home_dir() -> Path | None:
    """The user's home folder; None for one who has none, as users of containers that no list
    names, and for a relative one: what lies in the working directory may be somebody else's."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home if home.is_absolute() else None


def new_replaced() -> str:
    """A folder, below that of a project or a run, for what is replaced there now and somebody may
    have changed."""
    return f"{WORK_DIR}/replaced/{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"


def cache_dir() -> Path:
    """Where latents and text embeddings are cached, and what else was made of pictures.

    `HUBTOOLS_CACHE`, else `$XDG_CACHE_HOME/hubtools`, else `~/.cache/hubtools`, which are made for
    this user alone if they are not there. Raises `HubtoolsError` where there is no home folder
    either.
    """
    place = _own_place("HUBTOOLS_CACHE", "XDG_CACHE_HOME", ".cache", "cache")
    with suppress(OSError):
        if not os.environ.get("HUBTOOLS_CACHE") and place.parents[1].is_dir():
            place.mkdir(mode=0o700, parents=True)
    return place


def config_dir() -> Path:
    """Where what belongs to the user lies, such as the key of `trust`.

    `HUBTOOLS_CONFIG`, else `$XDG_CONFIG_HOME/hubtools`, else `~/.config/hubtools`. Raises
    `HubtoolsError` where there is no home folder either.
    """
    return _own_place("HUBTOOLS_CONFIG", "XDG_CONFIG_HOME", ".config", "key")


def _own_place(variable: str, freedesktop: str, folder: str, what: str) -> Path:
    """The folder that `variable` names, else hubtools' own in the user's."""
    explicit = os.environ.get(variable)
    if explicit:
        return Path(explicit)
    return (_absolute(freedesktop) or _home_for(what, variable) / folder) / "hubtools"


def _absolute(variable: str) -> Path | None:
    """The folder that a variable names; a relative one is invalid (XDG Base Directory)."""
    path = Path(os.environ.get(variable, ""))
    return path if path.is_absolute() else None


def _home_for(what: str, variable: str) -> Path:
    home = home_dir()
    if home is None:
        raise HubtoolsError(
            f"This user has no home folder, in which the {what} of hubtools would lie.",
            hint=f"name a folder for it in {variable}, or set HOME",
            code="file-not-found",
        )
    return home


def title_of(dataset: Path) -> str:
    """What a person calls the dataset in a folder: `dataset` alone, in a project, says nothing."""
    whole = dataset.resolve()
    return whole.parent.name if whole.name == "dataset" and whole.parent.name else whole.name
