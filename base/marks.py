"""The detector of the example's two marks: hair with tips of another colour, a star on each cheek.

It is taught on people of the world with and without them. A mark counts only where it can be seen:
each scene is drawn with it and without, and the two are compared.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from base.data import HELD_OUT, SIZE, in_processes, person, to_tensor
from base.nets import through
from base.steps import train
from hubtools.journey.example import CHARACTER
from hubtools.tinypeople import MARKS
from hubtools.tinypeople.classifier import AttributeClassifier
from hubtools.world import draw
from hubtools.world.scene import Character, Colour, Scene

# Pixels (at 128) that a mark must change by more than 40 of 255 to count as seen.
_SEEN = {"hair_tip": 30, "star": 7}
UNSURE = -100


def _near(colour: Colour, rng: random.Random, spread: int) -> Colour:
    red, green, blue = (min(255, max(0, part + rng.randint(-spread, spread))) for part in colour)
    return red, green, blue


def marked(number: int) -> tuple[Scene, dict[str, bool]]:
    """A scene and which marks it has. Half of the people look like the example's character but
    for its marks, so that nothing else gives them away."""
    rng = random.Random(f"marks {number}")
    scene = person(number).scene()
    who = scene.character
    if rng.random() < 0.5:
        style = rng.choice(("twin tails", "twin tails", "twin tails", "long hair", "ponytail"))
        who = Character(
            who.skin, _near(CHARACTER.hair, rng, 10), style, rng.choice((who.eyes, CHARACTER.eyes))
        )
    has = {name: rng.random() < 0.5 for name in MARKS}
    if has["hair_tip"]:
        assert CHARACTER.hair_tip is not None
        # tips of the character's colour on other people's hair are no more than half of it
        has["hair_tip"] = who.hair_style in ("twin tails", "long hair", "ponytail")
        who = replace(who, hair_tip=_near(CHARACTER.hair_tip, rng, 14)) if has["hair_tip"] else who
    if has["star"]:
        assert CHARACTER.star is not None
        who = replace(who, star=_near(CHARACTER.star, rng, 14))
    return replace(scene, character=who), has


def example(number: int) -> tuple[np.ndarray, list[int]]:
    """The picture of `marked(number)` and a label for each mark: 1 seen, 0 not there, UNSURE
    where it is there but hidden or too small."""
    scene, has = marked(number)
    picture = np.asarray(draw(scene, SIZE))
    labels = []
    for name in MARKS:
        label = int(has[name])
        if label:
            without = replace(scene, character=replace(scene.character, **{name: None}))
            apart = np.abs(np.asarray(draw(without, SIZE), int) - picture).max(2) > 40
            seen = int(apart.sum())
            label = 1 if seen >= _SEEN[name] else UNSURE if seen else 0
        labels.append(label)
    return picture, labels


def examples(work: Path, count: int, *, processes: int) -> tuple[np.ndarray, np.ndarray]:
    """((count, 128, 128, 3) uint8, (count, marks) labels); the last tenth is for testing."""
    path = work / "marks.npz"
    if not path.exists():
        tested = count // 10
        numbers = [*range(count - tested), *range(HELD_OUT, HELD_OUT + tested)]
        rows = list(in_processes(example, numbers, processes))
        temporary = work / "marks.tmp.npz"
        np.savez(temporary, pictures=[r[0] for r in rows], labels=[r[1] for r in rows])
        os.replace(temporary, path)
    loaded = np.load(path)
    return loaded["pictures"], loaded["labels"]


def teach_marks(
    work: Path, vae: AutoencoderKL, *, count: int, steps: int, seed: int, device: str,
    processes: int,
) -> tuple[AttributeClassifier, dict[str, float]]:  # fmt: skip
    """The detector, and how often it is right on held-out pictures as the autoencoder gives them
    back; every second picture it learns from has gone through it."""
    pictures, labels = examples(work, count, processes=processes)
    learnt = len(pictures) - len(pictures) // 10
    torch.manual_seed(seed)
    model = AttributeClassifier(dict.fromkeys(MARKS, 2), width=16)
    model.to(memory_format=torch.channels_last)
    back = through(work / "marks_back.npy", vae, pictures, device)

    def loss_of(step: int, generator: torch.Generator) -> torch.Tensor:
        chosen = torch.randint(0, learnt, (64,), generator=generator).numpy()
        half = len(chosen) // 2
        seen = to_tensor(np.concatenate([pictures[chosen[:half]], back[chosen[half:]]]))
        seen = seen + torch.randn((64, 3, 1, 1), generator=generator) * 0.03
        logits = model(seen.to(device).contiguous(memory_format=torch.channels_last))
        truth = torch.from_numpy(labels[chosen]).long().to(device)
        losses = [
            functional.cross_entropy(logits[name].float(), truth[:, place], ignore_index=UNSURE)
            for place, name in enumerate(MARKS)
        ]
        return torch.stack(losses).mean()

    train(
        "marks", work, model, loss_of, steps=steps, peak=1.5e-3, seed=seed, ema=0.99, device=device
    )
    model = model.eval().requires_grad_(False)
    right = {}
    with torch.no_grad():
        logits = model(to_tensor(back[learnt:]).to(device))
    for place, name in enumerate(MARKS):
        truth = torch.from_numpy(labels[learnt:, place])
        sure = truth != UNSURE
        found = logits[name].argmax(1).cpu()
        right[name] = round((found[sure] == truth[sure]).float().mean().item(), 4)
    return model, right
