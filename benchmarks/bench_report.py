"""What the HTML report costs: the check without it and with it, first and second run, and the size
of the page. CPU seconds of the command, previews included.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from harness import child_cost, keep
from pictures import write_set

from hubtools.layout import WORK_DIR

# (name, pictures, size): a LoRA's set, one that previews are made of in the scan, one that is too
# large for that
SETS = (
    ("20 at 1024x768", 20, (1024, 768)),
    ("300 at 1024x768", 300, (1024, 768)),
    ("20000 at 128x96", 20_000, (128, 96)),
)


def cost(folder: Path, *more: str, fresh: bool) -> float:
    """CPU seconds of one `validate`; `fresh` forgets what is known of the pictures."""
    if fresh:
        shutil.rmtree(folder / WORK_DIR, ignore_errors=True)
    # small pictures are what findings speak of: all of them
    options = ["--resolution", "1024", "--format", "quiet", "--license", "cc0-1.0"]
    command = [sys.executable, "-m", "hubtools", "validate", str(folder), *options, *more]
    return child_cost(command)[0]


def main() -> None:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="leave the largest set out")
    chosen = SETS[:-1] if parser.parse_args().short else SETS
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, count, size in chosen:
            folder = Path(scratch) / name.split()[0]
            write_set(folder, count, size, ".jpg", seeds=12)
            page = Path(scratch) / "page.html"
            asked = ("--report", str(page))
            row = {
                "set": name,
                "first_cpu_s": cost(folder, fresh=True),
                "first_with_page_cpu_s": cost(folder, *asked, fresh=True),
                "second_cpu_s": cost(folder, fresh=False),
                "second_with_page_cpu_s": cost(folder, *asked, fresh=False),
            }
            rows.append(
                {
                    key: round(value, 2) if isinstance(value, float) else value
                    for key, value in row.items()
                }
                | {"page_kb": page.stat().st_size // 1000}
            )
    keep("report", rows)


if __name__ == "__main__":
    main()
