"""Push of many small pictures to the embedded Hub, over HTTP: planning, sending, and pushing again.

`--pictures` says how many, several times: CPU seconds for a thousand tell whether the cost is
linear (default 1000 and 4000). `--folder` takes pictures that are there already, and `--plan` ends
before anything is sent. Wall seconds are those of the machine as it was; memory is the most that
was held (VmHWM), CPU that of a process from its start on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import keep

FOLDER = 5000  # pictures of one folder; the Hub takes 10,000 entries
PUSH = """
import json, re, sys, time
from pathlib import Path
from hubtools.publish.options import PushOptions
from hubtools.publish.push import plan_push, push
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1000
begun = time.perf_counter()
plan = plan_push(sys.argv[1], "me/many", "dataset", PushOptions())
planned, planning = time.perf_counter(), time.process_time()
assert plan.report.ok, plan.report.findings[:3]
told = {  # of this process, its start included
    "plan_seconds": round(planned - begun, 1),
    "plan_cpu_seconds": round(planning, 1),
    "plan_peak_mb": peak(),
}
if sys.argv[2:] != ["plan"]:
    result = push(plan)
    told |= {
        "push_seconds": round(time.perf_counter() - planned, 1),
        "push_cpu_seconds": round(time.process_time() - planning, 1),
        "sent": result.pushed,
        "verified": result.verified,
        "peak_mb": peak(),
    }
print(json.dumps(told))
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


def of_process(pid: int) -> dict[str, object]:
    """CPU seconds and peak memory of a process that runs."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found is not None
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(used[11]) + int(used[12])
    return {
        "hub_cpu_seconds": round(ticks / os.sysconf("SC_CLK_TCK"), 1),
        "hub_peak_mb": int(found[1]) // 1000,
    }


def once(folder: Path, place: Path, *, only_plan: bool) -> dict[str, object]:
    """Figures of one folder, with a Hub of its own at `place`: of a first push, and of a second
    (`again`)."""
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
        rows: list[dict[str, object]] = []
        for _ in range(2):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [sys.executable, "-c", PUSH, str(folder), *["plan"] * only_plan]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, env=environ
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            row = json.loads(done.stdout)
            own = sum(row.get(key, 0) for key in ("plan_cpu_seconds", "push_cpu_seconds"))
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            # of those that had ended when they were asked for
            row["workers_cpu_seconds"] = round(max(0.0, cpu - own), 1)
            rows.append(row if only_plan else row | of_process(hub.pid))
    finally:
        hub.terminate()
        hub.wait()
    first, again = rows
    return {**first, "again": again}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, action="append")
    parser.add_argument("--folder", type=Path, help="pictures that are there already")
    parser.add_argument("--plan", action="store_true", help="send nothing")
    parser.add_argument("--print", action="store_true", help="keep nothing")
    asked = parser.parse_args()
    rows = []
    for count in [0] if asked.folder else asked.pictures or [1000, 4000]:
        with tempfile.TemporaryDirectory() as place:
            folder = asked.folder or Path(place) / "many"
            if asked.folder is None:
                pictures(folder, count)
            there = sum(1 for _ in folder.rglob("*.png"))
            begun = time.perf_counter()
            row = once(folder.resolve(), Path(place), only_plan=asked.plan)
            rows.append({"pictures": there, **row})
        print(json.dumps(rows[-1]), f"{time.perf_counter() - begun:.0f} s in all")
    if not asked.print:
        keep("push", rows, quiet=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
