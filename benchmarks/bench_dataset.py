"""What looking at pictures costs: against decoding alone, Pillow, `datasets`, and, with --peers,
imagededup and cleanvision, each in an environment of its own below .venvs.

    python benchmarks/bench_dataset.py                 # the full sets, 1.5 GB, drawn once
    python benchmarks/bench_dataset.py --scale 0.02    # to try the program
    python benchmarks/bench_dataset.py --pass scan --pass pillow   # in some minutes

Rounds are interleaved and the best counts. Memory is that of all processes together, pages that
they share counted once (Linux' proportional set size). `seeded` counts what is found among
pictures with known faults.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness import RESULTS, child_cost, machine
from pictures import write_set
from seeded import write_seeded

HERE = Path(__file__).resolve().parent
VENVS = HERE / ".venvs"

# name -> pictures, size, ending
SETS = {
    "jpg2k": (2000, (1024, 768), ".jpg"),
    "png500": (500, (1024, 1024), ".png"),
    "small20k": (20_000, (256, 256), ".jpg"),
}
PASSES = ("scan", "copies", "again", "floor", "pillow", "datasets", "datasets_map")
PEERS = ("imagededup", "cleanvision")


class Memory(threading.Thread):
    """Watches what a process and its children hold; `peak` in bytes, 0 where /proc is missing."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.05):
            self.peak = max(self.peak, sum(map(_held, _family(self._pid))))

    def stop(self) -> int:
        """The peak, once it is over."""
        self._over.set()
        self.join()
        return self.peak


def _family(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                yield from _family(int(child))
        except OSError:
            continue


def _held(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def _kept(scratch: Path) -> Path:
    """Where hubtools keeps what it knows of pictures from one pass to the next."""
    return scratch / "kept"


def measured(python: Path, name: str, what: str, cache: Path) -> dict[str, float]:
    """Run a pass: wall seconds, CPU seconds of all its processes, peak memory, its count."""
    environment = {
        **os.environ,
        "HF_HOME": str(cache),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HUBTOOLS_CACHE": str(_kept(cache.parent)),
    }
    before = os.times()
    begun = time.perf_counter()
    process = subprocess.Popen(
        [python, HERE / "passes.py", name, what],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    memory = Memory(process.pid)
    memory.start()
    output, _ = process.communicate()
    wall = time.perf_counter() - begun
    after = os.times()
    peak = memory.stop()
    if process.returncode:
        raise RuntimeError(f"{name} failed on {what}")
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return {"wall": wall, "cpu": cpu, "memory": peak, "count": float(output.split()[-1])}


def peer(name: str) -> Path | None:
    """The Python of the peer's own environment, which is made if need be; None if it cannot be."""
    python = VENVS / name / "bin" / "python"
    if not (VENVS / name / "ready").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", VENVS / name], check=True)
            # the torch that is tested here: a newer one brings gigabytes of CUDA along
            wanted = [name, "torch==2.13.0"] if name == "imagededup" else [name]
            subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
        except subprocess.CalledProcessError:
            print(f"{name} cannot be installed here; left out")
            return None
        (VENVS / name / "ready").touch()
    return python


def version_of(python: Path, name: str) -> str:
    """The version of a peer in its environment."""
    code = f"from importlib.metadata import version; print(version({name!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def passes_over(
    folder: Path, count: int, pythons: dict[str, Path], rounds: int, scratch: Path
) -> list[dict[str, Any]]:
    """All passes over one set, interleaved."""
    best: dict[str, dict[str, float]] = {}
    for file in folder.iterdir():  # once, so that no pass pays for a disk that was asleep
        if file.is_file():
            file.read_bytes()
    for number in range(rounds):
        for name, python in pythons.items():
            if name in ("scan", "copies"):
                shutil.rmtree(_kept(scratch), ignore_errors=True)
            cache = scratch / f"hf-{number}-{name}"
            got = measured(python, name, str(folder), cache)
            shutil.rmtree(cache, ignore_errors=True)
            if name not in best or got["wall"] < best[name]["wall"]:
                best[name] = got | {"memory": max(got["memory"], best.get(name, got)["memory"])}
    ours = best["scan"]
    return [
        {
            "set": folder.name,
            "pass": name,
            "pictures": count,
            "per_s": round(count / got["wall"], 1),
            "wall_s": round(got["wall"], 2),
            "cpu_ms_each": round(1000 * got["cpu"] / count, 3),
            "memory_mb": round(got["memory"] / 1e6),
            "scan_is_faster": round(got["wall"] / ours["wall"], 2),
        }
        for name, got in best.items()
    ]


def singles(scratch: Path, scale: float, rounds: int) -> list[dict[str, Any]]:
    """The search, the metadata, and the example on the command line."""
    count = max(1000, int(1_000_000 * scale))
    folder = scratch / "metadata"
    folder.mkdir()
    with (folder / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for number in range(count):
            row = {
                "file_name": f"{number // 5000:03d}/{number:07d}.jpg",
                "text": f"photograph {number} of something seen from the side, soft natural light,"
                " plain background, high quality, detailed",
            }
            file.write(json.dumps(row) + "\n")
    python = Path(sys.executable)
    rows = []
    for name, what in (("search", str(count)), ("metadata", str(folder))):
        got = min((measured(python, name, what, scratch / "hf") for _ in range(rounds)), key=_wall)
        rows.append({"pass": name, "items": count} | _shown(got))
    project = str(scratch / "example")
    hubtools = [sys.executable, "-m", "hubtools"]
    subprocess.run([*hubtools, "init", project, "--example"], check=True, capture_output=True)
    cpu, wall = min(child_cost([*hubtools, "validate", project]) for _ in range(max(rounds, 3)))
    rows.append({"pass": "validate", "items": 21, "wall_s": round(wall, 3), "cpu_s": round(cpu, 3)})
    return rows


def _wall(got: dict[str, float]) -> float:
    return got["wall"]


def _shown(got: dict[str, float]) -> dict[str, Any]:
    return {
        "wall_s": round(got["wall"], 3),
        "cpu_s": round(got["cpu"], 3),
        "memory_mb": round(got["memory"] / 1e6),
    }


# How each kind of fault is told.
_TOLD = {
    "truncated": {"D301"}, "zero-filled tail": {"D301"}, "bit flips": {"D301"},
    "blurry": {"D313"}, "dark": {"D314"}, "light": {"D314"}, "flat": {"D315"},
    "exact": {"D401"}, "same pixels": {"D402"}, "mirrored": {"D405"}, "rotated": {"D405"},
}  # fmt: skip


def seeded(folder: Path, clean: int, each: int) -> list[dict[str, Any]]:
    """What is found of each planted fault, and what is found where nothing is wrong."""
    from hubtools.dataset.rules.duplicates import exact
    from hubtools.dataset.validate import validate
    from hubtools.settings import DatasetSettings

    assert exact is not None
    planted = write_seeded(folder, clean, each)
    settings = DatasetSettings(mirrored_copies=True)
    report = validate(folder, settings, select=["D3", "D4"])
    told: dict[str, set[frozenset[str] | str]] = defaultdict(set)
    for finding in report.findings:
        told[finding.rule].add(str(finding.path))
    pairs = _pairs(folder, settings)
    original = {copy: origin for copies in planted.values() for copy, origin in copies.items()}
    rows = []
    for fault, files in planted.items():
        rules = _TOLD.get(fault, {"D403"})
        if rules & {"D401", "D402", "D403", "D405"}:
            found = sum(frozenset((copy, origin)) in pairs for copy, origin in files.items())
        else:
            found = sum(any(name in told[rule] for rule in rules) for name in files)
        rows.append({"fault": fault, "planted": len(files), "found": found})
    wrong = sum(len({original.get(name) or name for name in pair}) > 1 for pair in pairs)
    rows.append({"fault": "pairs of different pictures", "planted": 0, "found": wrong})
    singles = {name for rule, names in told.items() if rule < "D4" for name in names}
    alarms = sum(str(name).startswith("clean") for name in singles)
    rows.append({"fault": "clean pictures", "planted": clean, "found": alarms})
    return rows


def _pairs(folder: Path, settings: Any) -> set[frozenset[str]]:
    """Pictures that are told as copies of each other."""
    from hubtools.dataset.view import view

    return {
        frozenset((one, other))
        for group in view(folder, settings).groups
        for names in [[group.best, *(copy.name for copy in group.copies)]]
        for one in names
        for other in names
        if one < other
    }


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows with equal keys as a table."""
    widths = {k: max(len(k), *(len(str(row.get(k, ""))) for row in rows)) for k in rows[0]}
    print("  ".join(key.ljust(width) for key, width in widths.items()))
    for row in rows:
        print("  ".join(str(row.get(key, "")).ljust(width) for key, width in widths.items()))
    print()


def keep_again(speed: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Keep the rows of some passes, of sets of `options.scale`, in the place of the last ones."""
    file = RESULTS / "dataset.json"
    kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
    kept["again"] = {
        "when": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "rounds": options.rounds,
        "scale": options.scale,
        "rows": speed,
    }
    file.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Draw, measure, print and, at full scale, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the sets' size")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pass", action="append", dest="passes", choices=PASSES, metavar="PASS",
                        help="only this one, and those named so; kept beside the rest")  # fmt: skip
    parser.add_argument("--peers", action="store_true", help="install and run the peers as well")
    parser.add_argument("--sets", type=Path, help="folder where the drawn sets are kept")
    options = parser.parse_args()
    pythons = dict.fromkeys(options.passes or PASSES, Path(sys.executable))
    if find_spec("daft") and not options.passes:
        pythons["daft"] = Path(sys.executable)
    versions = {}
    for name in PEERS if options.peers else ():
        python = peer(name)
        if python is not None:
            pythons[name] = python
            versions[name] = version_of(python, name)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        sets = options.sets or scratch
        speed: list[dict[str, Any]] = []
        for name, (full, size, ending) in SETS.items():
            count = max(128, int(full * options.scale))
            folder = sets / f"{name}-{count}" / name
            if not (folder / "metadata.jsonl").exists():
                write_set(folder, count, size, ending, seeds=min(200, count))
                time.sleep(3)  # what is younger than two seconds is not remembered
            rows = passes_over(folder, count, pythons, options.rounds, scratch)
            show(rows)
            speed += rows
        if options.passes:
            keep_again(speed, options)
            return
        more = singles(scratch, options.scale, options.rounds)
        show(more)
        clean, each = (300, 10) if options.scale >= 1 else (20, 2)
        found = seeded(scratch / "seeded", clean, each)
        show(found)
    if options.scale >= 1:
        RESULTS.mkdir(exist_ok=True)
        result = {
            "when": time.strftime("%Y-%m-%d"),
            "machine": machine() | {"peers": versions},
            "speed": speed,
            "more": more,
            "seeded": found,
        }
        text = json.dumps(result, indent=2) + "\n"
        (RESULTS / "dataset.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
