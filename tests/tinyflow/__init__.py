"""The flow base of `base.train_flow`, which knows drawn people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from hubtools.files import write_json
from hubtools.tinypeople import MODEL as TINY_PEOPLE

HERE = Path(__file__).parent
MODEL = HERE / "model"


def build(folder: Path) -> Path:
    """The pipeline in `folder`: what was taught, and the autoencoder of tiny people."""
    shutil.copytree(MODEL, folder)
    shutil.copytree(TINY_PEOPLE / "vae", folder / "vae")
    config = folder / "vae/config.json"
    # the pipeline of Stable Diffusion asks for no shift, that of Z-Image adds it
    write_json(config, json.loads(config.read_text("utf-8")) | {"shift_factor": 0.0})
    return folder
