"""A worker in which each file leaves something behind, as decoders and heaps do."""

from __future__ import annotations

from pathlib import Path

from hubtools.dataset.workers import worker

_kept: list[bytearray] = []


def act(path: str, known: str | None) -> str:
    if Path(path).name.startswith("b"):
        return str(len(bytearray(200 << 20)))
    _kept.append(bytearray(60 << 20))
    return "kept"


def main(shared: str, number: int, memory: int) -> None:
    worker.main(shared, number, memory, act)
