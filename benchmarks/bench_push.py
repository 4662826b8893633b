"""Push of many small pictures to the embedded Hub, over HTTP: planning, sending, and pushing again.

`--pictures` says how many, several times: CPU seconds for a thousand tell whether the cost is
linear (default 1000 and 4000). Wall seconds are those of the machine as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import keep

FOLDER = 5000  # pictures of one folder; the Hub takes 10,000 entries
PUSH = """
import json, resource, sys, time
from hubtools.publish.options import PushOptions
from hubtools.publish.push import plan_push, push
begun = time.perf_counter()
plan = plan_push(sys.argv[1], "me/many", "dataset", PushOptions())
planned, planning = time.perf_counter(), time.process_time()
assert plan.report.ok, plan.report.findings[:3]
result = push(plan)
print(json.dumps({  # of this process, its start included
    "plan_seconds": round(planned - begun, 1),
    "push_seconds": round(time.perf_counter() - planned, 1),
    "sent": result.pushed,
    "verified": result.verified,
    "plan_cpu_seconds": round(planning, 1),
    "push_cpu_seconds": round(time.process_time() - planning, 1),
    "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
}))
"""


def pictures(folder: Path, count: int) -> None:
    """Small PNGs of 32 pixels, each of its own bytes, with captions and a card."""
    from PIL import Image

    lines = []
    for number in range(count):
        name = f"{number // FOLDER:03d}/{number:06d}.png"
        if number % FOLDER == 0:
            (folder / name).parent.mkdir(parents=True)
        colour = (number % 256, number // 256 % 256, number // 65536)
        picture = Image.linear_gradient("L").resize((32, 32)).convert("RGB")
        picture.paste(colour, (0, 0, 8, 8))
        picture.save(folder / name)
        lines.append(json.dumps({"file_name": name, "text": f"a square, number {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "README.md").write_text("---\nlicense: cc0-1.0\n---\n# Squares\n")


def once(count: int) -> dict[str, object]:
    """Figures of one size, with a Hub of its own."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "many"
        pictures(folder, count)
        hub = subprocess.Popen(
            [sys.executable, "-m", "hubtools", "hub", "serve", "--root", f"{place}/hub",
             "--port", "0", "--format", "json"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert hub.stdout is not None
            told = json.loads(hub.stdout.readline())
            environ = os.environ | {
                "HF_ENDPOINT": told["url"], "HF_TOKEN": "hf_local", "HF_HOME": f"{place}/hf",
                "HF_HUB_DISABLE_XET": "1",
                "HUBTOOLS_CACHE": f"{place}/cache", "HUBTOOLS_CONFIG": f"{place}/config",
            }  # fmt: skip
            done, again = (
                subprocess.run(
                    [sys.executable, "-c", PUSH, str(folder)],
                    check=True, stdout=subprocess.PIPE, text=True, env=environ,
                ).stdout
                for _ in range(2)
            )  # fmt: skip
        finally:
            hub.terminate()
            hub.wait()
    return {"pictures": count, **json.loads(done), "again": json.loads(again)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, action="append")
    parser.add_argument("--print", action="store_true", help="keep nothing")
    asked = parser.parse_args()
    rows = []
    for count in asked.pictures or [1000, 4000]:
        begun = time.perf_counter()
        rows.append(once(count))
        print(json.dumps(rows[-1]), f"{time.perf_counter() - begun:.0f} s in all")
    if not asked.print:
        keep("push", rows, quiet=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
