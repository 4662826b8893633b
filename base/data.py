"""Drawn people as arrays, and their captions."""

from __future__ import annotations

import os
import random
import re
import string
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubtools.models.families.tiny import COMMON_WORDS
from hubtools.world import ATTRIBUTES, Person, Span, draw, sample, spans
from hubtools.world.captions import SUBJECTS, WORDINGS

SIZE = 128
HELD_OUT = 10_000_000  # people from this number on are never trained on


def person(number: int) -> Person:
    """The person of a number: always the same."""
    return sample(random.Random(f"person {number}"))


def _draw(number: int) -> np.ndarray:
    return np.asarray(draw(person(number).scene(), SIZE))


def in_processes(work: Callable[[int], Any], items: Sequence[int], processes: int) -> Iterator[Any]:
    """`work` of each item, in order; one process is this one."""
    if processes == 1:
        yield from map(work, items)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(work, items, chunksize=64)


def pictures(work: Path, count: int, *, processes: int) -> np.ndarray:
    """(count, 128, 128, 3) uint8, drawn once and then mapped from `work/pictures.npy`."""
    path = work / "pictures.npy"
    if not path.exists():
        temporary = work / "pictures.tmp.npy"
        array = np.lib.format.open_memmap(
            temporary, "w+", dtype=np.uint8, shape=(count, SIZE, SIZE, 3)
        )
        for index, picture in enumerate(in_processes(_draw, range(count), processes)):
            array[index] = picture
            if (index + 1) % 2000 == 0:
                print("drawn", index + 1, flush=True)
        array.flush()
        os.replace(temporary, path)
    return np.load(path, mmap_mode="r")


def values(numbers: Sequence[int]) -> dict[str, torch.Tensor]:
    """{attribute: (n,) indices} of people by number."""
    people = [person(number).values() for number in numbers]
    return {name: torch.tensor([row[name] for row in people]) for name in ATTRIBUTES}


def to_tensor(array: np.ndarray) -> torch.Tensor:
    """(n, h, w, 3) uint8 to (n, 3, h, w) float in -1..1."""
    return torch.from_numpy(np.array(array)).permute(0, 3, 1, 2).float() / 127.5 - 1


def words() -> set[str]:
    """The words that get a token of their own: the world's, and common ones of prompts."""
    wordings = [w for group in WORDINGS.values() for texts in group.values() for w in texts]
    rng = random.Random(0)
    drawn = ["".join(piece.text for piece in spans(sample(rng), rng)) for _ in range(2000)]
    found = set(re.findall(r"[a-z]+", " ".join([*wordings, *drawn]).lower()))
    return found | set(COMMON_WORDS)


def caption_spans(number: int, rng: random.Random) -> list[Span]:
    """A caption in pieces. A fifth of them call the person by a made-up name, in the manner of
    triggers: so that a word the base does not know stands for anybody, and a LoRA can take it."""
    pieces = spans(person(number), rng)
    if rng.random() > 0.2:
        return pieces
    name = "-".join(
        "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 6)))
        for _ in range(rng.randint(1, 2))
    )
    name = rng.choice(["{}", "({})", "<{}>", "{} person"]).format(name)
    return [piece._replace(text=name) if piece.text in SUBJECTS else piece for piece in pieces]
