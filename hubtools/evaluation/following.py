"""How well pictures show what their prompts ask for.

CLIP-T of DreamBooth (arXiv:2208.12242, section 4.2) is the cosine similarity of CLIP's features of
prompt and picture. For the base that hubtools brings along a classifier of its own knows better:
the score is the share of the attributes asked for that it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubtools.errors import HubtoolsError
from hubtools.evaluation.measures import Floats, unit
from hubtools.tinypeople import load_classifier
from hubtools.vision.encoders import CLIP, load_transformers

if TYPE_CHECKING:
    from PIL import Image

# A pose is seen at times only; an expression is beyond what the autoencoder leaves of a face.
_NOT_JUDGED = frozenset({"pose", "expression"})


@dataclass(frozen=True)
class Judgement:
    """(n,) scores, NaN where the prompt asks for nothing; {attribute: (n,) 1 found, 0 not, NaN not
    asked for}, empty for CLIP."""

    scores: Floats
    attributes: dict[str, Floats]


@dataclass(frozen=True)
class PromptJudge:
    """`judge` takes pictures and, for each, its prompt without trigger."""

    name: str
    judge: Callable[[Sequence[Image.Image], Sequence[str]], Judgement]


def prompt_judge(
    choice: str, tiny_people: bool, device: str, note: Callable[[str], None]
) -> PromptJudge | None:
    """`auto`: the attribute classifier for tiny people, else CLIP if it can be had, else None;
    `none`; or a Hub id or folder of a CLIP model."""
    if choice == "none":
        return None
    if choice == "auto" and tiny_people:
        return _attributes()
    try:
        return _clip(CLIP if choice in ("auto", "clip") else choice, device)
    except HubtoolsError:
        if choice != "auto":
            raise
        note(f"{CLIP} cannot be reached; prompt fidelity is left out.")
        return None


def _attributes() -> PromptJudge:
    from hubtools.world import ATTRIBUTES
    from hubtools.world.reading import read_caption

    classifier = load_classifier("attributes")

    def judge(pictures: Sequence[Image.Image], prompts: Sequence[str]) -> Judgement:
        seen = {name: rows.argmax(1) for name, rows in classifier.read(pictures).items()}
        asked = [read_caption(prompt) for prompt in prompts]
        found: dict[str, Floats] = {}
        for name, values in ATTRIBUTES.items():
            if name in _NOT_JUDGED:
                continue
            column = [
                float(values[seen[name][index]] == wants[name]) if name in wants else np.nan
                for index, wants in enumerate(asked)
            ]
            found[name] = np.asarray(column)
        table = np.stack(list(found.values()))
        there = ~np.isnan(table)
        counts = there.sum(0)
        scores = np.where(
            counts == 0, np.nan, np.where(there, table, 0).sum(0) / np.maximum(counts, 1)
        )
        return Judgement(scores, {n: c for n, c in found.items() if not np.isnan(c).all()})

    return PromptJudge("attribute classifier of tiny people", judge)


def _clip(name: str, device: str) -> PromptJudge:
    model, processor = load_transformers(name, "CLIPModel", "AutoProcessor")
    model = model.to(device)

    def judge(pictures: Sequence[Image.Image], prompts: Sequence[str]) -> Judgement:
        import torch

        scores: list[float] = []
        for first in range(0, len(pictures), 16):
            inputs = processor(
                text=list(prompts[first : first + 16]),
                images=[picture.convert("RGB") for picture in pictures[first : first + 16]],
                return_tensors="pt", padding=True, truncation=True,
            ).to(device)  # fmt: skip
            with torch.no_grad():
                answer = model(**inputs)
            texts = unit(answer.text_embeds.float().cpu().numpy())
            images = unit(answer.image_embeds.float().cpu().numpy())
            scores += list((texts * images).sum(1))
        return Judgement(np.asarray(scores), {})

    return PromptJudge(name, judge)
