"""A worker that cannot even start, and one whose answers are no plain values."""

from __future__ import annotations

import sys
from typing import Any

from hubtools.dataset.workers import worker


def main(shared: str, number: int, memory: int) -> None:
    if memory == 1:
        sys.exit("no")

    def act(path: str, known: str | None) -> Any:
        return Exploit()

    worker.main(shared, number, 1 << 30, act)


class Exploit:
    def __reduce__(self) -> Any:
        return print, ("an answer has run code",)
