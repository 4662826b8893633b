"""What docs/families.md tells of memory, work and disk, from the plans of `family_plans`: three
tables of flow bases, two of those that make pictures from others, one each of SDXL and Stable
Diffusion, and sentences on these two.

    python benchmarks/family_tables.py    writes the tables and says which sentences to change
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from family_plans import BASES, CARDS, SAVED, STEPS, TRIED, fits, gb, plan_of, rows

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
FITTING_MADE = "| base, control pictures | 8 GB | 16 GB |"
COSTS_MADE = "| base, control pictures | captions | a sample |"
# Bases of condition pictures: the name of the row, the base whose shape they have, the pipeline
# (None: the same), and how many pictures each is made from.
MADE = [
    ("FLUX.1 Kontext, 1", "FLUX.1", "FluxKontextPipeline", 1),
    ("FLUX.2 klein 4B, 1", "FLUX.2 klein 4B", None, 1),
    ("FLUX.2 klein 9B, 1", "FLUX.2 klein 9B", None, 1),
    ("FLUX.2 dev, 1", "FLUX.2 dev", None, 1),
    ("Qwen-Image-Edit, 1", "Qwen-Image", "QwenImageEditPipeline", 1),
    ("Qwen-Image-Edit-Plus, 3", "Qwen-Image", "QwenImageEditPlusPipeline", 3),
]
ALIKE = ("FLUX.1 schnell",)  # the page says as whom

Settings = dict[str, Any]


SDXL = "| card | settings | steps | a sample | TFLOP a picture |"
STABLE_DIFFUSION = "| GPU | settings | steps | a sample | TFLOP a picture |"


def folder_of(work: Path, name: str) -> Path:
    """The configuration files of a base."""
    folder = work / name
    for file, content in BASES[name].items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps(content), encoding="utf-8")
    return folder


def folders(work: Path) -> Iterator[tuple[str, Path, int]]:
    """(name, folder of configuration files, native size in pixels) of each flow base."""
    for name in BASES:
        folder = folder_of(work, name)
        info = family_of(folder, name).info(folder, None)
        if info.prediction_type == FLOW and name not in ALIKE:
            yield name, folder, info.native_size


def _mb(count: float) -> str:
    return f"{count / 1e6:.0f} MB"


def _cached(plan: TrainPlan) -> int:
    """Bytes of a picture in the cache."""
    return (SIDE // plan.base.latent_factor) ** 2 * plan.base.cell_bytes


def sizes(folder: Path, plan: TrainPlan) -> str:
    """Cells of the table of sizes."""
    info, support = plan.base, SUPPORTED[plan.base.family]
    absent = left_out(folder, support)
    names = [n for n in texts_of(support) if "encoder" in n and n not in absent]
    text = sum(outlines.numbers_of(folder, name) or 0 for name in names) * 2
    assert plan.memory is not None
    return (
        f"{gb(plan.memory.base)} | {gb(text)} | {_mb(plan.lora_bytes)} | {_mb(plan.state_bytes)}"
        f" | {info.caption_bytes / 1e6:.1f} MB | {_cached(plan) / 1e6:.1f} MB"
    )


def costs(plan: TrainPlan) -> str:
    """Cells of the table of captions, samples, work, time and disk."""
    found = plan.memory
    assert found is not None
    work, seconds = found.flops / 1e12, found.flops * STEPS / SPEED
    time = f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
    told = f"{work:.0f}" if work >= 100 else f"{work:.1f}"
    return (
        f"{gb(held(found.captions))} | {gb(held(found.samples))} | {told} | {time}"
        f" | {gb(plan.bytes_needed)}"
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
    headers = (SIZES, FITTING, COSTS, FITTING_MADE, COSTS_MADE)
    found: dict[str, dict[str, str]] = {header: {} for header in headers}
    for name, folder, side in folders(work):
        planned = _planner(folder, side)
        found[SIZES][name] = sizes(folder, planned({}))
        found[FITTING][name] = " | ".join(fitting(planned, tried))
        found[COSTS][name] = costs(planned({}))
    for name, like, pipeline, controls in MADE:
        folder = folder_of(work, like)
        if pipeline is not None:
            index = BASES[like]["model_index.json"] | {"_class_name": pipeline}
            (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
        side = family_of(folder, name).info(folder, None).native_size
        planned = _planner(folder, side, controls)
        found[FITTING_MADE][name] = " | ".join(fitting(planned, tried))
        found[COSTS_MADE][name] = costs(planned({}))
    return found


def _planner(folder: Path, side: int, controls: int = 0) -> Callable[[Settings], TrainPlan]:
    """What plans with given settings, with the same ones once."""
    plans: dict[str, TrainPlan] = {}

    def planned(given: Settings) -> TrainPlan:
        key = repr(given)
        if key not in plans:
            plans[key] = plan_of(folder, side, controls, **given)
        return plans[key]

    return planned


def of_cards(work: Path, tried: list[Settings]) -> dict[str, dict[str, str]]:
    """By their headers the rows of the tables of SDXL and Stable Diffusion, by card."""
    places = {SDXL: ("SDXL", SIDE), STABLE_DIFFUSION: ("Stable Diffusion 1.5", 512)}
    found = {}
    for header, (name, side) in places.items():
        lines = rows(folder_of(work, name), side, tried)
        found[header] = dict(line.strip("| ").split(" | ", 1) for line in lines)
    return found


def sentences(work: Path) -> list[str]:
    """What the page says of Stable Diffusion and SDXL beside its tables."""
    plan = plan_of(folder_of(work, "Stable Diffusion 1.5"), 512, train_batch_size=4)
    found = plan.memory
    folder = folder_of(work, "SDXL")
    large = plan_of(folder, SIDE)
    more = large.memory
    small = [plan_of(folder, side, **SAVED).memory for side in (768, 512)]
    assert found is not None
    assert more is not None
    steps = [gb(held(memory.steps)) for memory in small if memory is not None]
    seconds = more.flops / SPEED
    caption = large.base.caption_bytes / 1e6
    picture = _cached(large) / 1e6
    batch_of_four = (
        f"a batch of four holds {gb(held(found.steps))} and does {found.flops / 4e12:.1f} TFLOP a"
        f" picture, a sample {gb(held(found.samples))}, captions {gb(held(found.captions))},"
        f" pictures {gb(held(found.pictures))}; the LoRA takes {_mb(plan.lora_bytes)}, a state"
        f" {_mb(plan.state_bytes)}, the whole run {gb(plan.bytes_needed)}. {STEPS:,} steps of"
        f" one picture would take {found.flops / 4 * STEPS / SPEED:.0f} s on a card that reaches"
        " 100 TFLOP/s in bf16."
    )
    places = (
        f"Encoding captions takes {gb(held(more.captions))} and pictures {gb(held(more.pictures))},"
        f" before the UNet ({gb(more.base)} in bf16) is loaded. On disk: the LoRA"
        f" {_mb(large.lora_bytes)}, a state {_mb(large.state_bytes)} (two are kept),"
        f" {gb(large.bytes_needed)} for the whole run with snapshots and samples; in the cache"
        f" {picture:.1f} MB a picture and {caption:.2f} MB a caption."
    )
    time = (
        f"would take {seconds:.2f} s a picture, {seconds * STEPS / 60:.1f} minutes for {STEPS:,}"
        " steps of one picture"
    )
    smaller = (
        f"At 768 pixels with checkpointing the steps hold {steps[0]} and at 512 pixels {steps[1]},"
    )
    return [batch_of_four, places, smaller, time]


def missing(page: str, work: Path) -> list[str]:
    """The sentences that the page does not say."""
    said = " ".join(page.split())
    return [sentence for sentence in sentences(work) if sentence not in said]


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
        found = tables(Path(work), TRIED) | of_cards(Path(work), TRIED)
        for header, told in found.items():
            old = "".join(f"| {n} | {cells} |\n" for n, cells in rows_of(text, header).items())
            new = "".join(f"| {n} | {cells} |\n" for n, cells in told.items())
            assert old in text
            text = text.replace(old, new)
        for sentence in missing(text, Path(work)):
            print("write:", sentence)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
