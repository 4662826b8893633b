"""Put the flow base where the tests look for it: everything but the autoencoder, which is that of
tiny people, with sums and a card of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from hubtools.files import write_json, write_text
from hubtools.sums import write_sums
from hubtools.world import ATTRIBUTES

TARGET = Path(__file__).parents[1] / "tests/tinyflow"

_CARD = """\
# Tiny people, by flow matching

A small Z-Image pipeline that draws invented people at 128 x 128 pixels, so that what the trainer
does with flow matching can be tested by what is learnt. `tests.tinyflow.build` adds the autoencoder
of `hubtools/tinypeople`. It was made by `python -m base.train_flow`: a language model of Qwen's
kind, taught to name what a caption says, and a transformer of {parameters:.1f} million parameters,
{flow_steps:,} steps on the processor. Every picture it has seen was drawn by code, {people:,} of
them: {shown}.

Share of {captions} held-out captions (25 steps, guidance 3) whose picture shows what was asked, by
the classifier of tiny people:

| attribute | values | chance | asked and found |
|---|---|---|---|
{table}

Licence: Apache-2.0.
"""


def ship(work: Path, target: Path) -> None:
    """Copy the results in `work` to `target`."""
    found: dict[str, Any] = json.loads((work / "evaluation.json").read_text(encoding="utf-8"))
    model = target / "model"
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(work / "pipeline", model, ignore=shutil.ignore_patterns("vae"))
    for file in model.rglob("*config.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        if config.pop("_name_or_path", None) is not None:
            write_json(file, config)
    # transformers loads what this says, whatever is stored; diffusers loads float32
    file = model / "text_encoder/config.json"
    write_json(file, json.loads(file.read_text(encoding="utf-8")) | {"dtype": "float32"})
    # a name that all versions of transformers know
    for name in ("model_index.json", "tokenizer/tokenizer_config.json"):
        told = (model / name).read_text(encoding="utf-8")
        write_text(model / name, told.replace("TokenizersBackend", "PreTrainedTokenizerFast"))
    weights = torch.load(work / "flow.pt", map_location="cpu")
    one_alone = ("style", "framing")
    rows = [
        f"| {name.replace('_', ' ')} | {len(ATTRIBUTES[name])} | {1 / len(ATTRIBUTES[name]):.0%}"
        f" | {share:.0%} |"
        for name, share in found["generated"].items()
        if name not in one_alone or len(found[f"{name}s"]) > 1
    ]
    card = _CARD.format(
        parameters=sum(value.numel() for value in weights.values()) / 1e6,
        shown=f"{', '.join(found['styles'])}; {', '.join(found['framings'])}",
        table="\n".join(rows), **{k: found[k] for k in ("flow_steps", "people", "captions")},
    )  # fmt: skip
    write_text(model / "README.md", card)
    write_json(target / "evaluation.json", found)
    write_sums(model)


def unpack(model: Path, work: Path) -> None:
    """Put the parts of what was shipped into a work folder, so that training goes on from them;
    what lies there already is left as it is."""
    from diffusers import ZImageTransformer2DModel
    from transformers import Qwen3Model

    from base.flow_text import Reader

    encoder = Qwen3Model.from_pretrained(model / "text_encoder", dtype=torch.float32)
    transformer = ZImageTransformer2DModel.from_pretrained(
        model / "transformer", torch_dtype=torch.float32
    )
    parts = {"flow_text.pt": Reader(encoder), "flow.start.pt": transformer}
    for name, part in parts.items():
        if not (work / name).exists():
            torch.save(part.state_dict(), work / name)
