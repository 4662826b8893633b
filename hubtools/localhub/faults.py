"""Failing on purpose, so that a client's behaviour in bad weather can be tested over a socket."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = int | Literal["drop", "drop-after"]


@dataclass
class Fault:
    """The next `times` requests of `method` ('*': any) whose path matches `path` fail.

    `outcome`: an HTTP status; `drop`: the connection breaks before anything is done;
    `drop-after`: everything is done, then the connection breaks before the answer.
    """

    method: str
    path: str
    outcome: Outcome
    times: int = 1
    message: str = "This failure was asked for."
    headers: Mapping[str, str] = field(default_factory=dict)
    hits: int = 0


class Faults:
    """The failures still to happen."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Arm a failure; `fault.hits` counts how often it has struck."""
        re.compile(fault.path)
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm everything."""
        with self._lock:
            self._waiting.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The failure for this request, if one is armed; it has then happened once more."""
        with self._lock:
            for fault in self._waiting:
                if fault.method in ("*", method) and re.search(fault.path, path):
                    fault.hits += 1
                    if fault.hits >= fault.times:
                        self._waiting.remove(fault)
                    return fault
        return None
