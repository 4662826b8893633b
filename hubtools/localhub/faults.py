"""Failing on purpose, so that a client's behaviour in bad weather can be tested over a socket."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hubtools.errors import UsageError

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


@dataclass
class Weather:
    """Failures by chance: each request that fits `method` and `path` fails with `outcome`, with
    the probability `chance`, or the first `times` of them if that is given; but for 429 none fails
    more than twice in a row."""

    outcome: Outcome
    chance: float = 0.0
    times: int = 0
    method: str = "*"
    path: str = r"^/(?!$)"
    headers: Mapping[str, str] = field(default_factory=dict)


_IN_A_ROW = 2  # chance failures of one request; more would be an outage, which no client survives
# A commit alone can come too late; whoever asks too often is told when to come back.
_WHERE = {412: ("POST", r"/commit/"), 429: ("*", r"^/"), 504: ("POST", r"/commit/")}
_EXAMPLE = "for example --chaos 429:0.1,drop:0.05,412:1"


def parse_chaos(text: str) -> list[Weather]:
    """`429:0.1,drop:0.05,412:1`: statuses or `drop`, `drop-after`, each with a probability below 1
    or the number of requests that it hits. Raises `UsageError`."""
    found = []
    for word in filter(None, text.split(",")):
        what, _, much = word.strip().partition(":")
        try:
            number = float(much)
        except ValueError:
            number = -1.0
        status = int(what) if what.isdecimal() and len(what) == 3 else 0
        named = what in ("drop", "drop-after")
        if not (named or 400 <= status < 600) or not 0 < number < 1_000_000:
            raise UsageError(f"--chaos {word} says no failure and how often.", hint=_EXAMPLE)
        if number >= 1 and number != int(number):
            raise UsageError(f"--chaos {word}: {much} is no number of requests.", hint=_EXAMPLE)
        method, path = _WHERE.get(status, ("*", r"^/(?:api/|[^/]+/[^/]+/|_lfs)"))
        found.append(
            Weather(
                status or ("drop" if what == "drop" else "drop-after"),
                number if number < 1 else 0.0,
                int(number) if number >= 1 else 0,
                method,
                path,
                {"Retry-After": "1"} if status == 429 else {},
            )
        )
    return found


class Faults:
    """The failures still to happen: those that are armed, and by chance what `weather` says.
    `seed` makes chance the same each time."""

    def __init__(self, weather: list[Weather] | None = None, seed: int | None = None) -> None:
        self._waiting: list[Fault] = []
        self._weather = weather or []
        self._chance = random.Random(seed)
        self._failed: dict[tuple[str, str], int] = {}  # in a row, by method and path
        self.struck = 0  # requests that have failed so far
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Arm a failure; `fault.hits` counts how often it has struck."""
        re.compile(fault.path)
        with self._lock:
            self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm everything: from now on nothing fails."""
        with self._lock:
            self._waiting.clear()
            self._weather = []

    def strike(self, method: str, path: str) -> Fault | None:
        """The failure for this request, if one is armed; it has then happened once more."""
        with self._lock:
            for fault in self._waiting:
                if fault.method in ("*", method) and re.search(fault.path, path):
                    fault.hits += 1
                    self.struck += 1
                    if fault.hits >= fault.times:
                        self._waiting.remove(fault)
                    return fault
            address = method, path
            if self._failed.get(address, 0) == _IN_A_ROW:
                del self._failed[address]
                return None
            for one in self._weather:
                if one.method not in ("*", method) or not re.search(one.path, path):
                    continue
                if one.times > 0:
                    one.times -= 1
                elif one.chance <= self._chance.random():
                    continue
                self.struck += 1
                if one.outcome != 429:  # it says when to come back, as often as it likes
                    self._failed[address] = self._failed.get(address, 0) + 1
                said = "The embedded Hub fails by chance, as --chaos asks."
                return Fault(method, path, one.outcome, 1, said, one.headers, 1)
            self._failed.pop(address, None)
        return None
