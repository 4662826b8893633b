"""What the benchmarks share: CPU time of child processes, one way to print and to keep results."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("hf-hubtools", "torch", "diffusers", "peft", "datasets", "huggingface_hub", "pillow")


def child_cost(command: Sequence[str], **options: Any) -> tuple[float, float]:
    """(CPU seconds, wall seconds) of a finished child process. Raises if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, **options)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall


def best(repeat: int, command: Sequence[str], **options: Any) -> tuple[float, float]:
    """The cheapest of `repeat` runs, by CPU time."""
    return min(child_cost(command, **options) for _ in range(repeat))


def machine() -> dict[str, Any]:
    """Hardware and versions a figure belongs to."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": versions,
    }


def keep(name: str, rows: list[dict[str, Any]]) -> None:
    """Print the rows and write them to results/<name>.json."""
    widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
    print("  ".join(key.ljust(width) for key, width in widths.items()))
    for row in rows:
        print("  ".join(str(row[key]).ljust(width) for key, width in widths.items()))
    RESULTS.mkdir(exist_ok=True)
    result = {"when": time.strftime("%Y-%m-%d"), "machine": machine(), "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
