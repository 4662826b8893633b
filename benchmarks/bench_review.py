"""What the page of `hubtools review` takes: frames while one scrolls through 10,000 pictures, and
200 captions of a set of 2,000 by keys, applied and undone, and by mouse and keys with the command
killed in the middle. In headless Chromium, which draws without a GPU; without a browser there is
nothing to measure.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from harness import keep
from PIL import Image

import hubtools
from hubtools.settings import DatasetSettings

sys.path.append(str(Path(__file__).resolve().parent.parent))
from tests.browser import CHROMIUM, Browser
from tests.reviewing.test_review_in_a_browser import started

SCROLLED, EDITED, EDITS = 10_000, 2_000, 200
BY_MOUSE, PACE = 8, 0.15  # captions; seconds between two, which nobody types as fast as
# Notes the time between frames.
WATCH = """
window.gaps = [];
let before = performance.now();
const tick = (now) => { gaps.push(now - before); before = now; requestAnimationFrame(tick); };
requestAnimationFrame((now) => { before = now; requestAnimationFrame(tick); });
true
"""
SETTINGS = DatasetSettings(trigger="tok", license="cc0-1.0", rights="own")


def write_captioned(folder: Path, count: int) -> None:
    """Pictures of 512x384, soft shapes with some grain, with a caption each."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(7)
    grain = random.normal(scale=9, size=(384, 512, 1)).astype(np.float32)
    rows = []
    for number in range(count):
        cells = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        soft = np.asarray(cells.resize((512, 384), Image.Resampling.BICUBIC), np.float32)
        values = soft + np.roll(grain, number, (0, 1))
        name = f"{number:05d}.jpg"
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / name, quality=85)
        rows.append({"file_name": name, "text": f"photo of a tok, view {number % 7}, in a street"})
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")


@contextmanager
def watched(page: Browser) -> Iterator[dict[str, Any]]:
    """What the page does meanwhile: the frames as they come, in milliseconds, and the longest task
    of its main thread in processor time, which is about the same on a busy machine."""
    found: dict[str, Any] = {}
    page.run("gaps.splice(0)")
    wanted = {"includedCategories": ["toplevel", "disabled-by-default-devtools.timeline"]}
    page.call("Tracing.start", transferMode="ReportEvents", traceConfig=wanted)
    yield found
    gaps = sorted(page.run("gaps.splice(0)"))
    page.call("Tracing.end")
    page.event("Tracing.tracingComplete")
    events = [
        event
        for told in page.events
        if told.get("method") == "Tracing.dataCollected"
        for event in told["params"]["value"]
    ]
    page.events.clear()
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = sorted(
        event.get("tdur", 0) / 1000
        for event in events
        if event["name"].endswith("RunTask") and (event["pid"], event["tid"]) in main
    )
    found |= {
        "frames": len(gaps),
        "median_ms": round(gaps[len(gaps) // 2], 1),
        "longest_ms": round(gaps[-1], 1),
        "over_100_ms": sum(gap > 100 for gap in gaps),
        "longest_task_cpu_ms": round(tasks[-1], 1),
        "tasks_cpu_over_50_ms": sum(task > 50 for task in tasks),
    }


def wheel(page: Browser, notches: int, by: int, pause: float) -> None:
    """Turn the wheel over the pictures."""
    for _ in range(notches):
        page.call("Input.dispatchMouseEvent", type="mouseWheel", x=400, y=500, deltaX=0, deltaY=by)
        time.sleep(pause)


def scrolled(folder: Path, scratch: Path) -> dict[str, Any]:
    """Through the pictures: slowly, fast, by keys, and in jumps with the bar."""
    begun = time.perf_counter()
    with hubtools.review(folder, SETTINGS) as served:
        ready = time.perf_counter() - begun
        with Browser(scratch) as page:
            begun = time.perf_counter()
            page.open(served.url)
            page.until("document.querySelectorAll('.tile img[src]').length > 8")
            shown = time.perf_counter() - begun
            page.until("!document.querySelector('#open-findings').disabled")
            judged = time.perf_counter() - begun
            time.sleep(1)
            page.run(WATCH)
            found: dict[str, Any] = {"read_s": round(ready, 1), "page_s": round(shown, 2),
                                     "rules_s": round(judged, 1)}  # fmt: skip
            with watched(page) as found["slowly"]:
                wheel(page, 100, 120, 0.03)
            with watched(page) as found["fast"]:
                wheel(page, 150, 2400, 0.016)
            with watched(page) as found["by keys"]:
                for _ in range(60):
                    page.key("ArrowDown")
            with watched(page) as found["in jumps"]:
                page.run(
                    "new Promise((done) => { let n = 0; const g = document.querySelector('#grid');"
                    " const go = () => { g.scrollTop = Math.random() * g.scrollHeight;"
                    " if (++n < 60) setTimeout(go, 60); else done(); }; go(); })"
                )
            with watched(page) as found["searching"]:
                page.run("document.querySelector('#search').focus()")
                page.type("view 3")
                page.until("document.querySelector('#count').textContent.includes(' of ')")
            page.until("[...document.querySelectorAll('.tile:not([hidden]) img')]"
                       ".every((one) => one.complete && one.naturalWidth)")  # fmt: skip
            found["tiles"] = page.run("document.querySelectorAll('.tile').length")
    return found


def edited(folder: Path, scratch: Path) -> dict[str, Any]:
    """Captions by keys: Enter, some letters, Enter, and so on; then all are applied and undone."""
    shutil.rmtree(folder / ".hubtools" / "review", ignore_errors=True)  # of a run that was killed
    before = (folder / "metadata.jsonl").read_bytes()
    with hubtools.review(folder, SETTINGS) as served, Browser(scratch) as page:
        page.open(served.url)
        page.until("!document.querySelector('#open-findings').disabled")
        page.run(WATCH)
        page.key("Enter")
        begun = time.perf_counter()
        found: dict[str, Any] = {}
        with watched(page) as found["typing"]:
            for _ in range(EDITS):
                page.type(", red hat")
                page.key("Enter")
            page.until(f"document.querySelector('#open-apply').textContent.includes(' {EDITS} ')")
            found["typed_s"] = round(time.perf_counter() - begun, 1)
        page.key("Escape")
        begun = time.perf_counter()
        page.key("Control+s")
        page.until("document.querySelector('#do-apply:enabled')")
        found["plan_s"] = round(time.perf_counter() - begun, 2)
        begun = time.perf_counter()
        page.key("Enter")
        page.until("document.querySelector('#open-apply:disabled')")
        found["apply_s"] = round(time.perf_counter() - begun, 2)
        after = (folder / "metadata.jsonl").read_text(encoding="utf-8")
        assert after.count(", red hat") == EDITS
        begun = time.perf_counter()
        page.click("#open-history")
        page.click("#undo-last")
        page.until("document.querySelector('#notes').textContent.includes('pending again')")
        found["undo_s"] = round(time.perf_counter() - begun, 2)
        assert (folder / "metadata.jsonl").read_bytes() == before
    return found


def killed(folder: Path, scratch: Path) -> dict[str, Any]:
    """Captions by mouse and keys, of which the command is killed in the middle, in a word."""
    shutil.rmtree(folder / ".hubtools" / "review", ignore_errors=True)
    records = folder / "metadata.jsonl"
    before, half = records.read_bytes(), EDITS // 2
    kept = "document.querySelector('#open-apply').textContent"
    with Browser(scratch) as page:
        with started(folder) as (url, process):
            page.open(url)
            page.until("!document.querySelector('#open-findings').disabled")
            for number in range(half):
                if number < BY_MOUSE:
                    page.click(f"#p{number} .face")
                    page.click("#detail textarea")
                    page.key("End")
                page.type(", red hat")
                page.key("Enter")  # on to the next
                time.sleep(PACE)
            page.type(", red h")
            process.kill()
            process.wait()
            page.type("at")
            page.until("document.querySelector('.note.bad')?.textContent.includes('has stopped')"
                       " || window.dispatchEvent(new Event('focus')) && false")  # fmt: skip
            in_field = page.run("document.querySelector('#detail textarea').value")
        assert records.read_bytes() == before
        with started(folder) as (url, _):
            page.open(url)
            page.until("!document.querySelector('#open-findings').disabled")
            survived = int(page.run(kept).split()[1])
            page.key("Home")
            for _ in range(half):
                page.key("ArrowRight")
            page.key("Enter")
            for _ in range(EDITS - half):
                page.type(", red hat")
                page.key("Enter")
            page.key("Escape")
            page.until(f"{kept}.includes(' {survived + EDITS - half} ')")
            page.key("Control+s")
            page.until("document.querySelector('#do-apply:enabled')")
            page.key("Enter")
            page.until("document.querySelector('#open-apply:disabled')")
            written = records.read_text(encoding="utf-8").count(", red hat")
            page.click("#open-history")
            page.click("#undo-last")
            page.until("document.querySelector('#notes').textContent.includes('pending again')")
            assert records.read_bytes() == before
    return {"typed_before": half, "survived": survived, "in_the_field": in_field[-9:],
            "written": written}  # fmt: skip


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=SCROLLED)
    parser.add_argument("--folder", type=Path, help="keep the sets here for another time")
    chosen = parser.parse_args()
    if CHROMIUM is None:
        print("no browser here: nothing is measured")
        return
    with tempfile.TemporaryDirectory() as scratch:
        place = chosen.folder or Path(scratch) / "sets"
        rows = []
        for name, count, act in (
            ("scrolling", chosen.pictures, scrolled),
            ("editing", EDITED, edited),
            ("killed", EDITED, killed),
        ):
            folder = place / str(count)
            if not folder.exists():
                write_captioned(folder, count)
            row = {"what": name, "pictures": count, **act(folder, Path(scratch) / name)}
            print(json.dumps(row, indent=1))
            rows.append(row)
        keep("review", rows, quiet=True)


if __name__ == "__main__":
    main()
