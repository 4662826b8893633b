"""What the benchmarks share: CPU time of child processes, one way to print and to keep results."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = (
    "hf-hubtools",
    "torch",
    "diffusers",
    "transformers",
    "accelerate",
    "peft",
    "datasets",
    "huggingface_hub",
    "pillow",
)


# With this every process would compile all that it imports anew, which no user's does: a third of a
# second of each command.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


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
    """The cheapest of `repeat` runs, by CPU time, after one that compiles what it imports."""
    child_cost(command, **options)
    return min(child_cost(command, **options) for _ in range(repeat))


def machine() -> dict[str, Any]:
    """Hardware and versions a figure belongs to."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    found = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        # programs that want to run, these included: beside others wall times say little, and CPU
        # times are up to half as long again
        "load": round(os.getloadavg()[0], 1),
        "versions": versions,
    }
    return found | _gpu()


def _gpu() -> dict[str, Any]:
    """The GPU, if this benchmark has used PyTorch and there is one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    facts = torch.cuda.get_device_properties(0)
    return {
        "gpu": {
            "name": facts.name,
            "memory_bytes": facts.total_memory,
            "capability": f"{facts.major}.{facts.minor}",
            "multiprocessors": facts.multi_processor_count,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _driver(),
        }
    }


def _driver() -> str | None:
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return None
    return next((word for word in text.split() if word[:1].isdigit() and "." in word), None)


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows that have the same columns."""
    widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
    print("  ".join(key.ljust(width) for key, width in widths.items()))
    for row in rows:
        print("  ".join(str(row[key]).ljust(width) for key, width in widths.items()), flush=True)


def keep(name: str, rows: list[dict[str, Any]], *, quiet: bool = False, **more: Any) -> None:
    """Print the rows (unless `quiet`) and write them, and `more` beside them, to
    results/<name>.json."""
    if rows and not quiet:
        show(rows)
    RESULTS.mkdir(exist_ok=True)
    result = {"when": time.strftime("%Y-%m-%d"), "machine": machine(), "rows": rows} | more
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
