"""The three tables of docs/families.md that tell what flow bases take, from the plans of
`family_plans`.

    python benchmarks/family_tables.py    writes them, in some minutes
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from family_plans import BASES, CARDS, STEPS, TRIED, fits, plan_of

from hubtools.models import outlines
from hubtools.models.families.noise import FLOW
from hubtools.models.families.protocol import family_of
from hubtools.models.loading import left_out
from hubtools.models.lookup import texts_of
from hubtools.models.registry import SUPPORTED
from hubtools.models.rehearsal import held
from hubtools.quiet import hush
from hubtools.training.plan import TrainPlan

PAGE = Path(__file__).resolve().parents[1] / "docs" / "families.md"
SIDE = 1024  # pixels of the picture in the table of sizes
SPEED = 100e12  # operations a second of the card in the table of times
SIZES = "| base | denoiser in bf16 | text in bf16 |"
FITTING = "| base | 8 GB | 16 GB |"
COSTS = "| base | captions | a sample |"
ALIKE = ("FLUX.1 schnell",)  # the page says as whom

Settings = dict[str, Any]


def folders(work: Path) -> Iterator[tuple[str, Path, int]]:
    """(name, folder of configuration files, native size in pixels) of each flow base."""
    for name, files in BASES.items():
        folder = work / name
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(json.dumps(content), encoding="utf-8")
        info = family_of(folder, name).info(folder, None)
        if info.prediction_type == FLOW and name not in ALIKE:
            yield name, folder, info.native_size


def _gb(count: float) -> str:
    return f"{count / 1e9:.1f} GB"


def _mb(count: float) -> str:
    return f"{count / 1e6:.0f} MB"


def sizes(folder: Path, plan: TrainPlan) -> str:
    """Cells of the table of sizes."""
    info, support = plan.base, SUPPORTED[plan.base.family]
    absent = left_out(folder, support)
    names = [n for n in texts_of(support) if "encoder" in n and n not in absent]
    text = sum(outlines.numbers_of(folder, name) or 0 for name in names) * 2
    picture = (SIDE // info.latent_factor) ** 2 * info.cell_bytes
    assert plan.memory is not None
    return (
        f"{_gb(plan.memory.base)} | {_gb(text)} | {_mb(plan.lora_bytes)} | {_mb(plan.state_bytes)}"
        f" | {info.caption_bytes / 1e6:.1f} MB | {picture / 1e6:.1f} MB"
    )


def costs(plan: TrainPlan) -> str:
    """Cells of the table of captions, samples, work, time and disk."""
    found = plan.memory
    assert found is not None
    work, seconds = found.flops / 1e12, found.flops * STEPS / SPEED
    time = f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
    told = f"{work:.0f}" if work >= 100 else f"{work:.1f}"
    return (
        f"{_gb(held(found.captions))} | {_gb(held(found.samples))} | {told} | {time}"
        f" | {_gb(plan.bytes_needed)}"
    )


def fitting(planned: Callable[[Settings], TrainPlan], tried: list[Settings]) -> list[str]:
    """A cell for each card: the first of `tried` that fits, and what the steps hold with it."""
    cells = []
    for card in CARDS:
        best = next((given for given in tried if fits(planned(given), card)), None)
        cells.append("no" if best is None else _cell(best, planned(best), card))
    return cells


def _cell(settings: Settings, plan: TrainPlan, card: int) -> str:
    assert plan.memory is not None
    words = [str(settings.get("train_batch_size", 1))]
    words += ["c"] if settings.get("gradient_checkpointing") else []
    words += [settings["quantize"]] if "quantize" in settings else []
    star = "*" if held(plan.memory.samples) > card * 10**9 else ""
    return f"{' '.join(words)}: {held(plan.memory.steps) / 1e9:.1f}{star}"


def tables(work: Path, tried: list[Settings]) -> dict[str, dict[str, str]]:
    """By the beginning of its header and the name of the base, the row of each table."""
    found: dict[str, dict[str, str]] = {SIZES: {}, FITTING: {}, COSTS: {}}
    for name, folder, side in folders(work):
        plans: dict[str, TrainPlan] = {}

        def planned(given: Settings, folder: Path = folder, side: int = side) -> TrainPlan:
            return plans.setdefault(repr(given), plan_of(folder, side, **given))  # noqa: B023

        found[SIZES][name] = sizes(folder, planned({}))
        found[FITTING][name] = " | ".join(fitting(planned, tried))
        found[COSTS][name] = costs(planned({}))
    return found


def rows_of(text: str, header: str) -> dict[str, str]:
    """The rows below `header` in a page, by the first cell."""
    below = text[text.index(header) :].splitlines()[2:]
    rows = {}
    for line in below:
        if not line.startswith("| "):
            break
        name, _, cells = line.strip("| ").partition(" | ")
        rows[name] = cells
    return rows


def main() -> None:
    """Write the tables of the page."""
    hush()
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as work:
        for header, rows in tables(Path(work), TRIED).items():
            old = "".join(f"| {n} | {cells} |\n" for n, cells in rows_of(text, header).items())
            new = "".join(f"| {n} | {cells} |\n" for n, cells in rows.items())
            assert old in text
            text = text.replace(old, new)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
