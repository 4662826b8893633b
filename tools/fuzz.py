"""Throw hostile bytes and names at the dataset commands, and hold them to what they promise.

    python tools/fuzz.py --seconds 600 --seed 7 [--keep DIR]
    python tools/fuzz.py --case 7:1234          # one case again, with its traceback

A case is made of its seed and number alone. Whatever is in a file: no exception but a sentence
(HubtoolsError), the same answer twice, texts that can be printed, JSON that can be read, no more
than some seconds, no more memory than `OWN`, `WORKER` and `WORKERS` say; `fix` loses nothing, has
nothing left to do the second time, and is undone byte for byte; what `unshard` unpacks is what was
packed. A case that breaks this is printed and, with `--keep`, its folder is copied there. Exit
code 1 if there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from hostile import folders, memory
from hostile.cases import KINDS, Broken, promise
from hostile.crowd import crowd

from hubtools.dataset.workers.guarded import shared_guard
from hubtools.dataset.workers.pool import Limits

# Seconds that a case may take: some start worker processes, which may take a minute for a picture.
_PATIENCE = 60
_MORE_PATIENCE = {"bomb": 240, "shape": 200, "state": 120}
# Megabytes by which this process may grow: it decodes what is plain, 30 bytes a pixel.
OWN = 600
# Megabytes of a worker: what one picture may take, and its own.
WORKER = Limits().memory // 2**20 + 150
# Megabytes of all workers: one at a time decodes what is not plain.
WORKERS = WORKER + 8 * OWN


# --- running them --------------------------------------------------------------------------------


@dataclass
class Result:
    """What a run has come to. `broken`: (case, traceback)."""

    cases: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, str]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    own: float = 0.0  # megabytes, as in `memory.Watch`
    worker: float = 0.0

    def took(self, watch: memory.Watch) -> None:
        """Note what a case took, and hold it to the bounds."""
        self.own, self.worker = max(self.own, watch.own), max(self.worker, watch.worker)
        for what, took, limit in (
            ("this process", watch.own, OWN),
            ("a worker", watch.worker, WORKER),
            ("all workers", watch.workers, WORKERS),
        ):
            promise(took <= limit, f"{what} took {took:.0f} MB, more than {limit}")


@contextlib.contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Raise `Broken` after so many seconds of a machine that has time for this alone; of a crowded
    one after as many more as the crowd takes (see `crowd`)."""
    begun = time.monotonic()

    def late(*_: object) -> None:
        left = seconds * crowd() - (time.monotonic() - begun)
        if left <= 0:
            raise Broken(f"it takes more than {seconds} seconds")
        signal.alarm(max(1, round(left)))

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def try_case(seed: int, number: int, result: Result, keep: Path | None, only: str | None) -> None:
    """Make case `number` of `seed`, and try it."""
    dice = random.Random(f"{seed}:{number}")
    kind = only or dice.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
    place = Path(tempfile.mkdtemp(prefix="hubtools-fuzz-"))
    begun = time.monotonic()
    try:
        patient = patience(_MORE_PATIENCE.get(kind, _PATIENCE))
        with warnings.catch_warnings(), patient, memory.Watch() as watch:
            warnings.simplefilter("ignore")
            KINDS[kind][0](dice, place)
        result.took(watch)
    except Exception:
        result.broken.append((f"{seed}:{number} {kind}", traceback.format_exc()))
        if keep is not None:
            # made again: what has gone wrong may have changed the folder
            target = keep / f"{seed}-{number}-{kind}"
            shutil.copytree(place, target, symlinks=True, ignore=_special, dirs_exist_ok=True)
    finally:
        result.cases[kind] += 1
        result.slowest = max(result.slowest, (time.monotonic() - begun, f"{seed}:{number} {kind}"))
        folders.make_removable(place)
        shutil.rmtree(place, ignore_errors=True)


def _special(directory: str, names: list[str]) -> list[str]:
    paths = [(name, Path(directory, name)) for name in names]
    return [n for n, p in paths if not (p.is_symlink() or p.is_dir() or p.is_file())]


def fuzz(
    seed: int,
    *,
    seconds: float = 1e9,
    cases: int | None = None,
    keep: Path | None = None,
    only: str | None = None,
) -> Result:
    """Try cases until the time is over, or so many."""
    result, until, number = Result(), time.monotonic() + seconds, 0
    with shared_guard():
        while time.monotonic() < until and (cases is None or number < cases):
            try_case(seed, number, result, keep, only)
            number += 1
    return result


def main() -> int:
    """As typed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cases", type=int, help="stop after so many")
    parser.add_argument("--only", choices=list(KINDS))
    parser.add_argument("--case", metavar="SEED:NUMBER", help="try this one only")
    parser.add_argument("--keep", type=Path, help="copy the folders of broken cases here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hubtools-cache-") as cache:
        os.environ["HUBTOOLS_CACHE"] = cache
        os.environ["HUBTOOLS_CONFIG"] = f"{cache}/config"
        os.environ["HF_HUB_OFFLINE"] = "1"
        if given.case:
            seed, _, number = given.case.partition(":")
            result = Result()
            try_case(int(seed), int(number), result, given.keep, given.only)
        else:
            result = fuzz(
                given.seed, seconds=given.seconds, cases=given.cases, keep=given.keep,
                only=given.only,
            )  # fmt: skip
    for case, trace in result.broken:
        print(f"--- {case}\n{trace}")
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(result.cases.items()))
    print(f"{result.cases.total()} cases ({counts}); {len(result.broken)} broken; slowest"
          f" {result.slowest[0]:.1f} s ({result.slowest[1]}); grown by {result.own:.0f} MB at most,"
          f" a worker took {result.worker:.0f} MB")  # fmt: skip
    return 1 if result.broken else 0


if __name__ == "__main__":
    sys.exit(main())
