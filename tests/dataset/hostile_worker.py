"""A worker to which the files' names say what to do; for the tests of those that survive it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from hubtools.dataset.pictures import tasks
from hubtools.dataset.workers import worker


def act(path: str, known: str | None) -> Any:
    name = Path(path).name
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("leave"):
        os._exit(7)
    if name.startswith("hang"):
        time.sleep(1000)
    if name.startswith("slow"):
        time.sleep(0.02)
    return tasks.probe(path, known)


def main(shared: str, number: int, memory: int) -> None:
    worker.main(shared, number, memory, act)
