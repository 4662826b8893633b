"""Put what was trained into the package: pipeline, classifiers, sums and the base's own card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from hubtools.files import write_json, write_text
from hubtools.sums import write_sums
from hubtools.tinypeople import REPO_NAME

_CARD = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
inference: false
tags:
- text-to-image
- stable-diffusion
- diffusers
---

# Tiny people

A small Stable Diffusion pipeline that draws invented people at 128 x 128 pixels. It exists so
that training a LoRA can be tried, shown and tested in minutes, offline, on any machine. It is no
use for anything else: it knows nothing but the world below.

## What it knows

{world}

Prompts are words separated by commas, in any order: `{prompt}`. A word it does not know stands
for anybody.

## How it was made

Every picture it has seen was drawn by code; nothing was downloaded and no person is depicted. A
KL autoencoder (factor 8, {channels} latent channels), a two-layer CLIP text encoder, which was
taught first to name what a caption says, and a UNet of {parameters:.1f} million parameters
(epsilon prediction, 10 % empty captions), trained for {unet_steps:,} steps of 32 pictures on two
CPU cores. Weights are stored in half precision.

## How well it draws what is asked

Share of {captions} held-out captions (25 steps of DDIM, guidance 4) whose picture shows what was
asked, by a classifier taught on drawn pictures. `drawn` is how often that classifier is right on
pictures of known content.

| attribute | values | chance | asked and found | drawn |
|---|---|---|---|---|
{table}

## Limits

Faces are soft and small ones in a full body hardly readable. Colours other than those it knows,
more than one person, writing, hands and anything photographic are beyond it.

Licence: Apache-2.0.
"""


def ship(work: Path, target: Path) -> None:
    """Copy the results in `work` to the package folder `target`, with a card and sums."""
    from base.data import HELD_OUT, person
    from hubtools.world import ATTRIBUTES, full_caption

    found: dict[str, Any] = json.loads((work / "evaluation.json").read_text(encoding="utf-8"))
    model = target / REPO_NAME
    target.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(work / "pipeline", model)
    for name in ("attributes.safetensors", "marks.safetensors"):
        shutil.copy2(work / name, target / name)
    for file in model.rglob("*config.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        if config.pop("_name_or_path", None) is not None:
            write_json(file, config)
    # transformers loads what this says, whatever is stored; diffusers loads float32
    file = model / "text_encoder/config.json"
    write_json(file, json.loads(file.read_text(encoding="utf-8")) | {"dtype": "float32"})
    vae = json.loads((model / "vae/config.json").read_text(encoding="utf-8"))
    rows = [
        f"| {name.replace('_', ' ')} | {len(values)} | {1 / len(values):.0%}"
        f" | {found['generated'][name]:.1%} | {found['drawn'][name]:.1%} |"
        for name, values in ATTRIBUTES.items()
        if name in found["generated"]
    ]
    world = "\n".join(
        f"- {name.replace('_', ' ')}: {', '.join(values)}" for name, values in ATTRIBUTES.items()
    )
    card = _CARD.format(
        world=world,
        prompt=full_caption(person(HELD_OUT)),
        channels=vae["latent_channels"],
        parameters=_parameters(model / "unet/diffusion_pytorch_model.safetensors") / 1e6,
        unet_steps=found["unet_steps"],
        captions=found["captions"],
        table="\n".join(rows),
    )
    write_text(model / "README.md", card)
    write_json(target / "evaluation.json", found)
    write_sums(model)


def unpack(pipeline: Path, work: Path) -> None:
    """Put the parts of a shipped pipeline into a work folder, so that training goes on from them;
    what lies there already is left as it is."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    from base.text import Reader
    from hubtools.tinypeople.classifier import read_classifier

    def keep(name: str, state: dict[str, torch.Tensor]) -> None:
        if not (work / name).exists():
            torch.save(state, work / name)

    vae = AutoencoderKL.from_pretrained(pipeline / "vae", torch_dtype=torch.float32)
    keep("vae.pt", vae.state_dict())
    encoder = CLIPTextModel.from_pretrained(pipeline / "text_encoder", torch_dtype=torch.float32)
    keep("text.pt", Reader(encoder, encoder.config.hidden_size).state_dict())
    unet = UNet2DConditionModel.from_pretrained(pipeline / "unet", torch_dtype=torch.float32)
    keep("unet.start.pt", unet.state_dict())
    for name, file in (("classifier", "attributes"), ("marks", "marks")):
        if (path := pipeline.parent / f"{file}.safetensors").is_file():
            keep(f"{name}.start.pt", read_classifier(path).state_dict())


def _parameters(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return sum(file.get_tensor(name).numel() for name in file.keys())  # noqa: SIM118
