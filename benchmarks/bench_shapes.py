"""How cost grows with size, by shape of the dataset: `validate` and `fix --dry-run` over sets of
`tools/hostile/shapes.py`, each three times as large as the one before.

    python benchmarks/bench_shapes.py [--shapes many_rows,deep] [--largest 4500000]

CPU seconds beyond those of a small set are fitted as bytes ** exponent over the two largest sizes:
1 is in proportion, 2 grows with the square. Where one bends (above `BENT`), the rule that takes
most of the time at the largest size is named. Peak memory is that of the process itself.
"""

from __future__ import annotations

import argparse
import cProfile
import math
import os
import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import keep

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from hostile import shapes

BIN = Path(sys.executable).parent
STEP = 3
BENT = 1.35
_AROUND = {"validate", "view", "findings", "planner", "draft"}  # they only call the others
_NOISE = 0.4  # CPU seconds beyond which a growth is fitted


def cost(words: list[str]) -> tuple[float, float, int]:
    """(CPU seconds, wall seconds, peak bytes) of a command with its workers."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [str(BIN / "hubtools"), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, _, used = os.wait4(process.pid, 0)
    process.returncode = 0
    wall = time.perf_counter() - begun
    return used.ru_utime + used.ru_stime, wall, used.ru_maxrss * 1024


def slowest(root: Path, command: str) -> str:
    """The function of a rule, or else of hubtools, in which the command spends most of its time."""
    from hubtools.dataset.fix.planner import plan_fix
    from hubtools.dataset.validate import validate

    profile = cProfile.Profile()
    profile.runcall(validate if command == "validate" else plan_fix, root)
    stats: Any = pstats.Stats(profile)
    found = [
        (figures[3], f"{Path(place[0]).stem}.{place[2]}")
        for place, figures in stats.stats.items()
        if "/hubtools/dataset/" in place[0]
        and not place[0].endswith(
            ("validate.py", "view.py", "findings.py", "planner.py", "draft.py")
        )
    ]
    return max(found, default=(0.0, ""))[1]


def measured(name: str, largest: int) -> list[dict[str, Any]]:
    """A line for each command."""
    sizes = [largest // STEP**2, largest // STEP, largest]
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        roots = []
        for size in [1_000, *sizes]:
            root = Path(scratch) / str(size)
            shapes.SHAPES[name](root, size)
            roots.append(root)
        for command in (["validate"], ["fix", "--dry-run"]):
            runs = [cost([*command, str(root), "--format", "quiet"]) for root in roots]
            base = runs[0][0]
            beyond = [max(0.0, cpu - base) for cpu, _, _ in runs[1:]]
            fitted = beyond[-1] > _NOISE and beyond[-2] > _NOISE / 4
            exponent = math.log(beyond[-1] / beyond[-2]) / math.log(STEP) if fitted else None
            line: dict[str, Any] = {
                "shape": name,
                "command": " ".join(command),
                "bytes": sizes,
                "cpu_s": [round(cpu, 2) for cpu, _, _ in runs[1:]],
                "cpu_s_of_nothing": round(base, 2),
                "exponent": None if exponent is None else round(exponent, 2),
                "peak_mb": round(max(peak for _, _, peak in runs) / 1e6),
            }
            line["most_time_in"] = ""
            if exponent is not None and exponent > BENT:
                line["most_time_in"] = slowest(roots[-1], command[0])
            lines.append(line)
            print(line, flush=True)
    return lines


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shapes", default=",".join(shapes.SHAPES))
    parser.add_argument("--largest", type=int, default=900_000)
    given = parser.parse_args()
    rows = [line for name in given.shapes.split(",") for line in measured(name, given.largest)]
    keep("shapes", rows)


if __name__ == "__main__":
    main()
