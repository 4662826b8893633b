"""Shards: pictures a second and peak memory, against `datasets` writing the same rows to parquet.

`--pictures` and `--side` set the size (default 2000 pictures of 1024 pixels); the ratio and the
peak are what counts, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import keep
from PIL import Image

THEIRS = """
import datasets, sys
from datasets.table import embed_table_storage
folder, to, cache = sys.argv[1:]
rows = datasets.load_dataset("imagefolder", data_dir=folder, split="train", cache_dir=cache)
rows = rows.with_format("arrow").map(embed_table_storage, batched=True, batch_size=100)
rows.with_format(None).to_parquet(to + ".parquet")
"""
OURS = "import sys, hubtools; hubtools.shard(sys.argv[1], sys.argv[2], format='{}')"
BACK = "import sys, hubtools; hubtools.unshard(sys.argv[1], sys.argv[2])"
# The peak of a process is only its own to tell.
PEAK = "\nimport resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def pictures(folder: Path, count: int, side: int) -> int:
    """JPEGs that compress like photographs; gives their bytes."""
    folder.mkdir()
    random = np.random.default_rng(0)
    lines = []
    for number in range(count):
        small = random.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8)
        picture = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
        picture.save(folder / f"{number}.jpg", quality=90)
        lines.append(json.dumps({"file_name": f"{number}.jpg", "text": f"picture {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return sum(path.stat().st_size for path in folder.glob("*.jpg"))


def measure(code: str, *arguments: Path) -> tuple[float, float, float]:
    """(CPU seconds, wall seconds, peak RSS in MB) of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + PEAK, *map(str, arguments)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, int(done.stdout.split()[-1]) / 1000


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        size = pictures(root / "set", options.pictures, options.side)
        runs = {
            "datasets: embed, to_parquet": measure(THEIRS, root / "set", root / "t", root / "c"),
            "shard --as parquet (verified)": measure(
                OURS.format("parquet"), root / "set", root / "p"
            ),
            "shard --as webdataset (verified)": measure(
                OURS.format("webdataset"), root / "set", root / "w"
            ),
            "unshard parquet": measure(BACK, root / "p", root / "b1"),
            "unshard webdataset": measure(BACK, root / "w", root / "b2"),
        }
    theirs = next(iter(runs.values()))
    keep(
        "shard",
        [
            {
                "what": name,
                "pictures": options.pictures,
                "mb": round(size / 1e6),
                "cpu_s": round(cpu, 2),
                "wall_s": round(wall, 2),
                "peak_rss_mb": round(peak),
                "cpu_ratio_to_datasets": round(cpu / theirs[0], 2),
            }
            for name, (cpu, wall, peak) in runs.items()
        ],
    )


if __name__ == "__main__":
    main()
